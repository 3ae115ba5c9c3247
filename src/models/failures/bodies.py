"""Read the bodies of error responses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

# The fields by which a body is recognised as an error's.
ERROR_FIELDS: Final = ("error", "detail", "message", "msg", "type", "code", "status_code", "status", "errors")
_LONGEST_LINE: Final = 600
# How much of a text is read for one line, and how much at its end may be part of a secret that was cut in two.
_LONGEST_READ: Final = 20_000
_CUT_EDGE: Final = 2_000


def error_detail(body: object) -> Mapping[str, Any]:
    """Return the part of a body that holds message, type and code, in whichever envelope it came."""
    if isinstance(body, Mapping):
        inner = body.get("error") or body.get("detail") or body.get("errors") or body
        inner = body if inner is True else inner
        if isinstance(inner, list) and inner:  # fastapi.tiangolo.com/tutorial/handling-errors: {"detail": [{...}]}
            inner = inner[0]
        if isinstance(inner, Mapping):
            return _unwrapped(inner)
        return {"message": inner, "code": body.get("code"), "type": body.get("type")}
    if isinstance(body, list) and body:
        return error_detail(body[0])
    return {"message": str(body or "")}


def _unwrapped(detail: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an error's detail, taken from further inside where another error is nested in it."""
    message = detail.get("message") or detail.get("msg") or detail.get("error")
    if isinstance(message, Mapping):
        return {**detail, **error_detail(message)}
    return _upstream_detail(detail) or {**detail, "message": message}


def _upstream_detail(detail: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the error of the provider behind OpenRouter, whose own «Provider returned error» leaves it out.

    openrouter.ai/docs/api-reference/errors#provider-errors
    """
    metadata = detail.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, Mapping) else None
    if not isinstance(raw, str) or not raw.strip():
        return None
    try:
        upstream_body: object = json.loads(raw)
    except ValueError:
        upstream_body = raw
    upstream = error_detail(upstream_body if isinstance(upstream_body, Mapping | list) else str(upstream_body))
    present = {name: value for name, value in upstream.items() if value is not None}
    message = f"{detail.get('message')}: {upstream.get('message')}"
    return {"status_code": detail.get("code"), **present, "message": message}


def inner_status(detail: Mapping[str, Any]) -> int | None:
    """Return the HTTP status that a body itself carries, as OpenRouter's errors inside a stream do."""
    for name in ("code", "status_code", "status"):
        code = detail.get(name)
        if isinstance(code, str) and len(code) == 3 and code.isdecimal():
            code = int(code)
        if isinstance(code, int) and not isinstance(code, bool) and 400 <= code < 600:
            return code
    return None


def one_line(text: str) -> str:
    """Return a provider's or a model's text as one line for an error message: redacted and shortened."""
    from src.observability.redaction import redact_text

    redacted = redact_text(text[:_LONGEST_READ])
    line = " ".join((redacted if len(text) <= _LONGEST_READ else redacted[:-_CUT_EDGE]).split())
    return line if len(line) <= _LONGEST_LINE else line[:_LONGEST_LINE] + "..."
