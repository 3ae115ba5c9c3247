"""Classify an SDK's exception as a ModelError: by status and type first, by its words last."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from src.models import errors
from src.models.failures import bodies, connections, patterns, refused_parameter
from src.models.fields import field, is_blank
from src.models.limits import rate_limit_headers

if TYPE_CHECKING:
    import re

    from src.models.errors import ModelError


# As much of an error's words as is read: a server may send megabytes, over which patterns would take seconds.
_LONGEST_READ: Final = 4_000


def from_status(
    status: int | None, body: object, headers: Mapping[str, str] | None = None, request_id: str | None = None
) -> ModelError:
    """Return the error that an HTTP status and body mean.

    Args:
        status: None or 200 where an error came inside a reply that began as a success.
        body: The decoded JSON, or the text.
        headers: Of the response.
        request_id: The provider's own id of the request.
    """
    headers = headers or {}
    detail = bodies.error_detail(body)
    words = " ".join(str(detail.get(name, ""))[:_LONGEST_READ] for name in ("message", "code", "type"))
    status = (None if status == 200 else status) or bodies.inner_status(detail)
    kind = _kind(_effective_status(status, detail), words, detail)
    error = kind(
        bodies.one_line(str(detail.get("message") or body or f"HTTP {status}")),
        status=status,
        request_id=request_id or _request_id(body, detail, headers),
        retry_after_s=_retry_after(headers, words) if kind.retryable else None,
        parameter=refused_parameter.parameter(detail, words) if issubclass(kind, errors.InvalidRequest) else None,
    )
    draft = detail.get("failed_generation")
    if isinstance(error, errors.MalformedResponse) and isinstance(draft, str) and draft.strip():
        error.draft = draft
    return error


def from_exception(error: BaseException) -> ModelError:
    """Return the error that an exception of an SDK or its HTTP client means.

    The SDKs of OpenAI, Anthropic and Groq share their shape: a status error has `status_code`, `response` and
    `body`. HTTP clients' errors are known by the names of their classes, so that no client need be imported.
    """
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        response = getattr(error, "response", None)
        headers = getattr(response, "headers", None)
        body = getattr(error, "body", None)
        return from_status(status, body or str(error), headers, getattr(error, "request_id", None))
    names = {kind.__name__ for kind in type(error).__mro__}
    if names & patterns.TIMEOUTS:
        return errors.ModelTimeout(bodies.one_line(connections.text_for_timeout(error) or _root_text(error)))
    if names & patterns.CONNECTION_FAILURES or "InvalidURL" in names:
        return _connection_failure(error)
    if _is_about_blank_body(error):
        return errors.EmptyResponse("the reply has no body")
    if names & patterns.UNREADABLE:
        return errors.MalformedResponse(bodies.one_line(f"the reply could not be read: {_root_text(error)}"))
    if "APIError" in names:  # an error inside a stream that began with 200
        return from_status(None, getattr(error, "body", None) or str(error))
    if isinstance(error, UnicodeEncodeError) and error.encoding in ("ascii", "latin-1"):
        message = f"a header cannot be sent: it holds {error.object[error.start]!a}. Check the key and extra_headers"
        return errors.InvalidRequest(f"{message}. Nothing was sent", parameter="extra_headers")
    if isinstance(error, UnicodeEncodeError):
        message = (
            f"a text cannot be sent: it contains a lone surrogate ({error.object[error.start]!a}), which UTF-8 lacks"
        )
        return errors.InvalidRequest(message, parameter="messages")
    if names & {"TypeError", "ValueError"}:
        return errors.InvalidRequest(bodies.one_line(str(error)), parameter=refused_parameter.keyword(str(error)))
    return errors.ServerFailed(bodies.one_line(f"{type(error).__name__}: {error}"))


def incomplete_reply(payload: Any, lacks: str) -> ModelError:
    """Return what a reply means that lacks its main field: the error that it carries, else MalformedResponse.

    Args:
        payload: The reply, decoded or as the SDK's object.
        lacks: What is missing, for the message.
    """
    payload = payload[0] if isinstance(payload, list) and payload else payload
    body = {name: value for name in bodies.ERROR_FIELDS if (value := field(payload, name))}
    error = from_status(None, body) if body else None
    if error is None or type(error) is errors.ServerFailed:
        return errors.MalformedResponse(f"the reply has no {lacks}{f': {error.message}' if error else ''}")
    return error


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a response asks to wait: `retry-after-ms`, or `retry-after` as seconds or a date."""
    milliseconds = _float(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return max(milliseconds / 1000, 0.0)
    text = headers.get("retry-after")
    seconds = _float(text)
    if seconds is not None or not text:
        return None if seconds is None else max(seconds, 0.0)
    try:
        when = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max((when - datetime.now(UTC)).total_seconds(), 0.0)


def _request_id(body: object, detail: Mapping[str, Any], headers: Mapping[str, str]) -> str | None:
    """Return the provider's own id of a request, from the headers or the body."""
    from_headers = (headers.get(name) for name in patterns.REQUEST_IDS)
    from_body = (fields.get("request_id") for fields in (body, detail) if isinstance(fields, Mapping))
    return next((value for value in (*from_headers, *from_body) if isinstance(value, str) and value), None)


def _retry_after(headers: Mapping[str, str], words: str) -> float | None:
    """Return the seconds to wait: by the headers, else by the sentence that OpenAI and Groq write."""
    seconds = retry_after(headers)
    if seconds is not None:
        return seconds
    sentence = patterns.WAIT.search(words)
    return rate_limit_headers.seconds(sentence.group(1), 0.0) if sentence else None


def _kind(status: int | None, words: str, detail: Mapping[str, Any]) -> type[ModelError]:
    error_type = str(detail.get("type") or "")
    if status in (400, 413, 422) or (status is None and "invalid" in error_type):
        kind = _kind_of_invalid(words, detail)
        return errors.ContextTooLong if status == 413 and kind is errors.InvalidRequest else kind
    if status == 404:  # openrouter.ai/docs/features/provider-routing#requiring-providers-to-support-all-parameters
        return errors.InvalidRequest if patterns.NO_ENDPOINT.search(words) else errors.ModelNotFound
    if status in (402, 403, 429):
        return _kind_of_refusal(status, words)
    if status is not None and status in patterns.BY_STATUS:
        return patterns.BY_STATUS[status]
    if status is None:
        return _first_match(patterns.WITHOUT_STATUS, words) or errors.ServerFailed
    if "overloaded" in words.lower():
        return errors.Overloaded
    if 300 <= status < 400:  # to another address, which is not followed
        return errors.ConnectionFailed
    return errors.InvalidRequest if 400 <= status < 500 else errors.ServerFailed


def _kind_of_invalid(words: str, detail: Mapping[str, Any]) -> type[ModelError]:
    """Distinguish what a 400 can mean; where it names a parameter, its words are about that parameter."""
    code, parameter = detail.get("code"), detail.get("param")
    if code == "context_length_exceeded":
        return errors.ContextTooLong
    if code in patterns.UNFIT:
        return errors.MalformedResponse
    if code in patterns.REFUSED_CONTENT:
        return errors.ContentBlocked
    if isinstance(parameter, str) and parameter not in ("", "None", "null", "messages", "input", "model"):
        return errors.InvalidRequest
    if patterns.BOUNDS.search(str(detail.get("message"))):
        return errors.InvalidRequest
    return _first_match(patterns.BAD_REQUEST, words) or errors.InvalidRequest


def _kind_of_refusal(status: int | None, words: str) -> type[ModelError]:
    """Distinguish what a 402, 403 or 429 can mean."""
    if status == 402 or patterns.SPENT.search(words):
        return errors.QuotaExhausted
    if status == 429 and patterns.RATE.search(words):
        return errors.RateLimited
    if patterns.QUOTA.search(words):
        return errors.QuotaExhausted
    if status == 403 and patterns.BLOCKED.search(words):
        return errors.ContentBlocked
    return errors.RateLimited if status == 429 else errors.PermissionRefused


def _first_match(rows: Sequence[tuple[re.Pattern[str], type[ModelError]]], words: str) -> type[ModelError] | None:
    return next((kind for pattern, kind in rows if pattern.search(words)), None)


def _effective_status(status: int | None, detail: Mapping[str, Any]) -> int | None:
    """Return the status that an error's words mean, where its number is missing or generic."""
    if status not in (None, 400, 500):
        return status
    words = (str(detail.get(name) or "").lower() for name in ("type", "code", "status"))
    known = (patterns.BY_WORD[word] for word in words if word in patterns.BY_WORD)
    return next(known, bodies.inner_status(detail) or status)


def _is_about_blank_body(error: BaseException) -> bool:
    """Tell whether a JSON parser has refused a body that holds nothing."""
    causes = (error, error.__cause__, error.__context__)
    return any(isinstance(cause, json.JSONDecodeError) and is_blank(cause.doc) for cause in causes)


def _connection_failure(error: BaseException) -> ModelError:
    cause = error.__cause__ or error.__context__
    if isinstance(cause, errors.ModelError):  # which one of our hooks raised inside the SDK's request
        return cause
    if cause is not None and any(kind.__name__ == "DecodingError" for kind in type(cause).__mro__):
        return errors.MalformedResponse(bodies.one_line(f"the reply could not be read: {cause}"))
    return connections.from_exception(error) or errors.ConnectionFailed(bodies.one_line(_root_text(error)))


def _root_text(error: BaseException) -> str:
    """Return an exception's text with its cause's: an SDK's own text is often just «Connection error.»."""
    cause = error.__cause__ or error.__context__
    text = str(error) or type(error).__name__
    if cause is None or not str(cause) or str(cause) == text:
        return text
    return f"{text.rstrip('.')}: {cause}"


def _float(text: str | None) -> float | None:
    try:
        number = float(text.strip().removesuffix("s")) if text else None
    except ValueError:
        return None
    return number if number is not None and math.isfinite(number) else None
