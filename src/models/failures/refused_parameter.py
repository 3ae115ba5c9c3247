"""Find the parameter that a provider's error refuses, in its fields, else in its words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# How providers put a parameter's name into a sentence; the leftmost match is taken.
_SENTENCES = re.compile(
    # Gemini
    r"unknown name [`'\"](\w+)[`'\"]|GenerateContentRequest\.([\w.\[\]]+):|invalid value at [`'\"]([\w.\[\]]+)[`'\"]|"
    # OpenAI and compatible servers
    r"(?:parameters?|argument|field|property|option|value(?: for)?)[:\s\[]*[`'\"]([\w.\[\]]+)[`'\"]|"
    r"\b(\w+) value [`'\"][^`'\"]*[`'\"] is not|[`'\"]([\w.]+)[`'\"] is not (?:supported|allowed)|"
    r"does not support (tools|thinking|images|\w+_\w+)|argument supplied: (\w+)|"
    r"provided [`'\"](\w+)[`'\"] value|has an? (\w+) value of|\b(\w+_\w+) is not (?:supported|allowed)|"
    # Pydantic, whose messages Anthropic and vLLM pass on
    r"^([a-z_][\w.]*): (?:Extra inputs|Field required|Input should)|'loc': \('body', '([\w.]+)'|"
    # Zod
    r"\"path\":\s*\[\s*\"([\w.]+)\"|"
    # Groq, xAI and Ollama
    r"^[`'\"]([\w.\[\]]+)[`'\"] ?:|^[`'\"](\w+)[`'\"] must|not supported on this model: (\w+)|"
    r"does not support parameter (\w+)|invalid option provided: (\w+)|"
    # serde, with which xAI and DeepSeek parse requests
    r"into the target type: ([a-z_][\w.\[\]]*): |"
    r"^(n|seed|stop|min_p) (?:must be|should be|is out of)",
    re.IGNORECASE | re.MULTILINE,
)
# Parameter names that are no English words; a sentence that holds one is about that parameter.
_NAMES = re.compile(
    r"\b(temperature|top_?p|top_?k|(?:max_?(?:completion_?|output_?)?|budget_)tokens|num_(?:predict|ctx)|"
    r"stop_?sequences?|reasoning_?effort|response_?(?:format|schema|mime_?type|json_?schema)|tool_?(?:choice|config)|"
    r"(?:presence|frequency)_?penalty|logit_?bias|(?:top_?)?logprobs|parallel_tool_calls|stream_options|"
    r"system_?instruction|thinking[_ ](?:budget|level|config)|input_schema)\b",
    re.IGNORECASE,
)


def parameter(detail: Mapping[str, Any], words: str) -> str | None:
    """Return the parameter's name as the provider spells it; None where the error does not show it."""
    name = detail.get("param")
    if isinstance(name, str) and name not in ("", "None", "null"):
        return name
    path = detail.get("loc") or detail.get("path")
    if isinstance(path, list) and path:
        return str(path[-1])
    for item in detail.get("details") or ():  # cloud.google.com/apis/design/errors#error_details
        violations = item.get("fieldViolations") if isinstance(item, Mapping) else None
        if isinstance(violations, list) and violations and isinstance(violations[0], Mapping):
            return str(violations[0].get("field") or "") or None
    sentence = _SENTENCES.search(words)
    if sentence is not None:
        return next((group for group in sentence.groups() if group), None)
    match = _NAMES.search(words)
    if match is None:
        return None
    name = match.group(1)
    return name.lower().replace(" ", "_") if " " in name else name


def keyword(text: str) -> str | None:
    """Return the name in Python's message for a keyword argument that a function does not accept."""
    match = re.search(r"unexpected keyword argument '(\w+)'", text)
    return match.group(1) if match else None
