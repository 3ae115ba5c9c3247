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
    """Return what a file sets on SDK modules and they do not read by themselves.

    It is `openai.api_key`, or `openai.api_key=NAME` where the value is a variable of the environment.
    """
    settings = {_setting(match[1], match[2], match[3], match) for match in _ASSIGNMENT.finditer(text)}
    settings |= {_setting(_GEMINI, "api_key", match[1], match) for match in _CONFIGURE_CALL.finditer(text)}
    return frozenset(settings - {""})


def setups_required(text: str) -> frozenset[str]:
    """Return the SDKs whose module a file calls without setting it up, so that another file must do it."""
    setup_patterns = {"openai": r"\bopenai\.api_key\s*=(?!=)", _GEMINI: r"\.configure\("}
    return frozenset(
        package
        for package, calls in _MODULE_CALLS.items()
        if calls.search(text) and not re.search(setup_patterns[package], text)
    )


def _setting(package: str, name: str, value: str, match: re.Match[str]) -> str:
    """Return one setting; an empty text where it is the variable that the SDK reads first by itself."""
    variable = _variable(value.strip(), match.string) if name == "api_key" else None
    is_conditional = match.start() > 0 and match.string[match.start() - 1] != "\n"  # it stands in a block
    own = {sdk.OWN_KEYS.get(sdk_name) for sdk_name, module in sdk.PACKAGES.items() if module == package}
    if variable is None or (is_conditional and variable not in own):
        return f"{package}.{name}"
    sdk_name = next(sdk_name for sdk_name, module in sdk.PACKAGES.items() if module == package)
    return "" if variable == sdk.OWN_KEYS[sdk_name] else f"{package}.{name}={variable}"


def _variable(value: str, text: str) -> str | None:
    """Return the variable of the environment that a value is read from, directly or through a name."""
    read = r"""os\.(?:getenv\(|environ\.get\(|environ\[)\s*["'](\w+)["']\s*[\])]\s*$"""
    match = re.match(read, value)
    if match is None and value.isidentifier():
        matches = re.findall(rf"^\s*{value}\s*=\s*{read}", text, re.MULTILINE)
        return str(matches[0]) if len(set(matches)) == 1 else None
    return match[1] if match else None
