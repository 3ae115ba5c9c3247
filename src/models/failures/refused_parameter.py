"""Name the parameter that a provider's error refuses, from its fields, else from its words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# How providers put a parameter's name into a sentence. The first that fits is taken.
_SAID = re.compile(
    # in Gemini's words
    r"unknown name [`'\"](\w+)[`'\"]|GenerateContentRequest\.([\w.\[\]]+):|invalid value at [`'\"]([\w.\[\]]+)[`'\"]|"
    # in those of OpenAI and its likes
    r"(?:parameters?|argument|field|property|option|value(?: for)?)[:\s\[]*[`'\"]([\w.\[\]]+)[`'\"]|"
    r"\b(\w+) value [`'\"][^`'\"]*[`'\"] is not|[`'\"]([\w.]+)[`'\"] is not (?:supported|allowed)|"
    r"does not support (tools|thinking|images|\w+_\w+)|argument supplied: (\w+)|"
    r"provided [`'\"](\w+)[`'\"] value|has an? (\w+) value of|\b(\w+_\w+) is not (?:supported|allowed)|"
    # in Pydantic's, which Anthropic and vLLM pass on
    r"^([a-z_][\w.]*): (?:Extra inputs|Field required|Input should)|'loc': \('body', '([\w.]+)'|"
    # in Zod's
    r"\"path\":\s*\[\s*\"([\w.]+)\"|"
    # in those of Groq, xAI and Ollama
    r"^[`'\"]([\w.\[\]]+)[`'\"] ?:|^[`'\"](\w+)[`'\"] must|not supported on this model: (\w+)|"
    r"does not support parameter (\w+)|invalid option provided: (\w+)|"
    # in those of serde, with which xAI and DeepSeek read requests
    r"into the target type: ([a-z_][\w.\[\]]*): |"
    r"^(n|seed|stop|min_p) (?:must be|should be|is out of)",
    re.IGNORECASE | re.MULTILINE,
)
# The names that are no words of English; a sentence that holds one is about it.
_KNOWN = re.compile(
    r"\b(temperature|top_?p|top_?k|(?:max_?(?:completion_?|output_?)?|budget_)tokens|num_(?:predict|ctx)|"
    r"stop_?sequences?|reasoning_?effort|response_?(?:format|schema|mime_?type|json_?schema)|tool_?(?:choice|config)|"
    r"(?:presence|frequency)_?penalty|logit_?bias|(?:top_?)?logprobs|parallel_tool_calls|stream_options|"
    r"system_?instruction|thinking[_ ](?:budget|level|config)|input_schema)\b",
    re.IGNORECASE,
)


def parameter(detail: Mapping[str, Any], words: str) -> str | None:
    """Return the parameter's name as the provider spells it; None where nothing tells it."""
    named = detail.get("param")
    if isinstance(named, str) and named not in ("", "None", "null"):
        return named
    where = detail.get("loc") or detail.get("path")
    if isinstance(where, list) and where:
        return str(where[-1])
    for place in detail.get("details") or ():  # cloud.google.com/apis/design/errors#error_details
        violations = place.get("fieldViolations") if isinstance(place, Mapping) else None
        if isinstance(violations, list) and violations and isinstance(violations[0], Mapping):
            return str(violations[0].get("field") or "") or None
    said = _SAID.search(words)
    if said is not None:
        return next((group for group in said.groups() if group), None)
    known = _KNOWN.search(words)
    name = known.group(1) if known else None
    return name.lower().replace(" ", "_") if name and " " in name else name


def keyword(text: str) -> str | None:
    """Return the name in Python's own words for an argument that a function does not take."""
    found = re.search(r"unexpected keyword argument '(\w+)'", text)
    return found.group(1) if found else None
