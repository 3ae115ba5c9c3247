"""The set-up of SDK modules that files of a project share, such as `openai.api_key = ...`."""

from __future__ import annotations

import re

from src.migration.rewrite import sdk_vocabulary as sdk

_ASSIGNMENT = re.compile(
    r"\b(openai|groq|anthropic)\.(api_key|api_base|base_url|api_type|api_version|organization|proxy)"
    r"[ \t]*=(?!=)([^\n#]*)"
)
_CONFIGURE_CALL = re.compile(r"\b(?:genai|generativeai)\.configure\(\s*(?:api_key\s*=\s*)?((?:[^()]|\([^()]*\))*)\)")
_MODULE_CALLS = {
    "openai": re.compile(
        r"\bopenai\.(?:ChatCompletion|Completion|Embedding|Audio|Image|Moderation|Model|chat|completions|responses"
        r"|embeddings|audio|images|moderations|models|files|beta)\b"
    ),
    "google.generativeai": re.compile(r"\b(?:GenerativeModel|embed_content|list_models)\("),
}
_GEMINI = "google.generativeai"


def custom_settings(text: str) -> frozenset[str]:
    """Return what a file sets on SDK modules and the factory does not read by itself, such as `openai.api_key`."""
    settings = {
        f"{package}.{name}" for package, name, value in _ASSIGNMENT.findall(text) if not _is_own(package, value, text)
    }
    settings |= {f"{_GEMINI}.api_key" for value in _CONFIGURE_CALL.findall(text) if not _is_own(_GEMINI, value, text)}
    return frozenset(settings)


def setups_required(text: str) -> frozenset[str]:
    """Return the SDKs whose module a file calls without setting it up, so that another file must do it."""
    setup_patterns = {"openai": r"\bopenai\.api_key\s*=(?!=)", _GEMINI: r"\.configure\("}
    return frozenset(
        package
        for package, calls in _MODULE_CALLS.items()
        if calls.search(text) and not re.search(setup_patterns[package], text)
    )


def _is_own(package: str, value: str, text: str) -> bool:
    """Tell whether a value is the environment variable that the factory itself reads, directly or through a name."""
    names = sdk.FACTORY["gemini" if package == _GEMINI else sdk.PROVIDERS[package]].keys
    read = rf"""os\.(?:getenv\(|environ\.get\(|environ\[)\s*["'](?:{"|".join(names)})["']\s*[\])]\s*$"""
    value = value.strip()
    if re.match(read, value):
        return True
    name = value if value.isidentifier() else None
    return name is not None and re.search(rf"^\s*{name}\s*=\s*{read}", text, re.MULTILINE) is not None
