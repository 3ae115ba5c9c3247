"""Tell which ModelError an SDK's exception is: by status and type first, by its words last."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from src.models import errors
from src.models.failures import bodies, patterns, refused_parameter
from src.models.fields import field
from src.models.limits import rate_limit_headers

if TYPE_CHECKING:
    from src.models.errors import ModelError


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
    words = f"{detail.get('message', '')} {detail.get('code', '')} {detail.get('type', '')}"
    status = (None if status == 200 else status) or bodies.inner_status(detail)
    kind = _kind(_meant(status, detail), words, detail)
    error = kind(
        bodies.line(str(detail.get("message") or body or f"HTTP {status}")),
        status=status,
        request_id=request_id or _request_id(body, detail, headers),
        retry_after_s=_wait(headers, words) if kind.retryable else None,
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
    if names & {"APITimeoutError", "TimeoutException", "Timeout", "TimeoutError"}:
        return errors.ModelTimeout(bodies.line(_root_text(error)))
    if names & {
        "APIConnectionError",
        "TransportError",
        "ConnectionError",
        "NetworkError",
        "OSError",
        "TooManyRedirects",
    }:
        return _connection(error)
    if names & patterns.UNREADABLE:
        return errors.MalformedResponse(bodies.line(f"the reply could not be read: {_root_text(error)}"))
    if "APIError" in names:  # an error inside a stream that began with 200
        return from_status(None, getattr(error, "body", None) or str(error))
    if isinstance(error, UnicodeEncodeError):
        what = f"a text cannot be sent: it holds half a character ({error.object[error.start]!a}) that UTF-8 has not"
        return errors.InvalidRequest(what, parameter="messages")
    if names & {"TypeError", "ValueError"}:
        return errors.InvalidRequest(bodies.line(str(error)), parameter=refused_parameter.keyword(str(error)))
    return errors.ServerFailed(bodies.line(f"{type(error).__name__}: {error}"))


def incomplete_reply(told: Any, lacks: str) -> ModelError:
    """Return what a reply means that lacks what makes it one: an error where it has the words of one."""
    told = told[0] if isinstance(told, list) and told else told
    known = {name: field(told, name) for name in bodies.WORDS}
    meant = from_status(None, {name: value for name, value in known.items() if value}) if any(known.values()) else None
    if meant is None or type(meant) is errors.ServerFailed:
        return errors.MalformedResponse(f"the reply has no {lacks}{f': {meant.message}' if meant else ''}")
    return meant


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a response asks to wait: `retry-after-ms`, or `retry-after` as seconds or a date."""
    exact = _float(headers.get("retry-after-ms"))
    if exact is not None:
        return max(exact / 1000, 0.0)
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
    told = (headers.get(name) for name in patterns.REQUEST_IDS)
    inside = (place.get("request_id") for place in (body, detail) if isinstance(place, Mapping))
    return next((found for found in (*told, *inside) if isinstance(found, str) and found), None)


def _wait(headers: Mapping[str, str], words: str) -> float | None:
    """Return how long to wait: by the headers, else by the words that OpenAI and Groq say it in."""
    told = retry_after(headers)
    said = patterns.WAIT.search(words) if told is None else None
    return rate_limit_headers.seconds(said.group(1), 0.0) if said else told


def _kind(status: int | None, words: str, detail: Mapping[str, Any]) -> type[ModelError]:
    kind = str(detail.get("type") or "")
    if status in (400, 413, 422) or (status is None and "invalid" in kind):
        found = _invalid(words, detail)
        return errors.ContextTooLong if status == 413 and found is errors.InvalidRequest else found
    if status == 404:  # openrouter.ai/docs/features/provider-routing#requiring-providers-to-support-all-parameters
        return errors.InvalidRequest if patterns.NO_ENDPOINT.search(words) else errors.ModelNotFound
    if status in (402, 403, 429):
        return _refused(status, words)
    if status is not None and status in patterns.BY_STATUS:
        return patterns.BY_STATUS[status]
    if status is None:
        return _unnumbered(words)
    if "overloaded" in words.lower():
        return errors.Overloaded
    if 300 <= status < 400:  # to another address, which is not followed
        return errors.ConnectionFailed
    return errors.InvalidRequest if 400 <= status < 500 else errors.ServerFailed


def _unnumbered(words: str) -> type[ModelError]:
    """Tell apart what an error inside a stream can mean, that has words alone."""
    for pattern, kind in (
        (patterns.CONTEXT, errors.ContextTooLong),
        (patterns.RATE, errors.RateLimited),
        (patterns.QUOTA, errors.QuotaExhausted),
        (patterns.CAPACITY, errors.Overloaded),
        (patterns.NO_MODEL, errors.ModelNotFound),
        (patterns.KEY, errors.AuthenticationFailed),
        (patterns.SLOW, errors.ModelTimeout),
        (patterns.BLOCKED, errors.ContentBlocked),
    ):
        if pattern.search(words):
            return kind
    return errors.ServerFailed


def _invalid(words: str, detail: Mapping[str, Any]) -> type[ModelError]:
    """Tell apart what a 400 can mean. Where it names a parameter, its words are about that one."""
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
    for pattern, kind in (
        (patterns.CONTEXT, errors.ContextTooLong),
        (patterns.KEY, errors.AuthenticationFailed),
        (patterns.QUOTA, errors.QuotaExhausted),
        (patterns.NO_MODEL, errors.ModelNotFound),
        (patterns.BLOCKED, errors.ContentBlocked),
    ):
        if pattern.search(words):
            return kind
    return errors.InvalidRequest


def _refused(status: int | None, words: str) -> type[ModelError]:
    """Tell apart what a refusal can mean."""
    if status == 402 or patterns.SPENT.search(words):
        return errors.QuotaExhausted
    if status == 429 and patterns.RATE.search(words):
        return errors.RateLimited
    if patterns.QUOTA.search(words):
        return errors.QuotaExhausted
    if status == 403 and patterns.BLOCKED.search(words):
        return errors.ContentBlocked
    return errors.RateLimited if status == 429 else errors.PermissionRefused


def _meant(status: int | None, detail: Mapping[str, Any]) -> int | None:
    """Return the status that an error's own words stand for, where its number tells less."""
    if status not in (None, 400, 500):
        return status
    words = (str(detail.get(name) or "").lower() for name in ("type", "code", "status"))
    return next(
        (patterns.BY_WORD[word] for word in words if word in patterns.BY_WORD), bodies.inner_status(detail) or status
    )


def _connection(error: BaseException) -> ModelError:
    cause = error.__cause__ or error.__context__
    if cause is not None and any(kind.__name__ == "DecodingError" for kind in type(cause).__mro__):
        return errors.MalformedResponse(bodies.line(f"the reply could not be read: {cause}"))
    return errors.ConnectionFailed(bodies.line(_root_text(error)))


def _root_text(error: BaseException) -> str:
    """Return what went wrong at the bottom: an SDK's own text is often just «Connection error.»."""
    cause = error.__cause__ or error.__context__
    text = str(error) or type(error).__name__
    if cause is None or not str(cause) or str(cause) == text:
        return text
    return f"{text.rstrip('.')}: {cause}"


def _float(text: str | None) -> float | None:
    try:
        found = float(text.strip().removesuffix("s")) if text else None
    except ValueError:
        return None
    return found if found is not None and math.isfinite(found) else None
