"""Read the bodies of error responses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_LONGEST = 600


WORDS = ("error", "detail", "message", "msg", "type", "code", "status_code", "status", "errors")


def error_detail(body: object) -> Mapping[str, Any]:
    """Return the part of a body that holds message, type and code, whichever envelope it came in."""
    if isinstance(body, Mapping):
        inner = body.get("error") or body.get("detail") or body.get("errors") or body
        inner = body if inner is True else inner
        if (
            isinstance(inner, list) and inner
        ):  # fastapi.tiangolo.com/tutorial/handling-errors: {"detail": [{"loc", "msg"}]}
            inner = inner[0]
        if isinstance(inner, Mapping):
            return _plain(inner)
        return {"message": inner, "code": body.get("code"), "type": body.get("type")}
    if isinstance(body, list) and body:
        return error_detail(body[0])
    return {"message": str(body or "")}


def _plain(inner: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what an error says, where that stands further inside."""
    message = inner.get("message") or inner.get("msg") or inner.get("error")
    if isinstance(message, Mapping):
        return {**inner, **error_detail(message)}
    return _behind(inner) or {**inner, "message": message}


def _behind(detail: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return what the provider behind OpenRouter said, which its own «Provider returned error» leaves out.

    openrouter.ai/docs/api-reference/errors#provider-errors
    """
    metadata = detail.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, Mapping) else None
    if not isinstance(raw, str) or not raw.strip():
        return None
    try:
        told: object = json.loads(raw)
    except ValueError:
        told = raw
    inner = error_detail(told if isinstance(told, Mapping | list) else str(told))
    said = f"{detail.get('message')}: {inner.get('message')}"
    known = {name: value for name, value in inner.items() if value is not None}
    return {"status_code": detail.get("code"), **known, "message": said}


def inner_status(detail: Mapping[str, Any]) -> int | None:
    """Return a status that a body carries as its code, as OpenRouter's errors inside a stream do."""
    for name in ("code", "status_code", "status"):
        code = detail.get(name)
        if isinstance(code, str) and code.isdecimal():
            code = int(code)
        if isinstance(code, int) and not isinstance(code, bool) and 400 <= code < 600:
            return code
    return None


def line(text: str) -> str:
    """Return a text of a provider's or a model's as one line for a message: redacted, and not too long."""
    from src.observability.redaction import redact_text

    said = " ".join(redact_text(text).split())
    return said if len(said) <= _LONGEST else said[:_LONGEST] + "..."
