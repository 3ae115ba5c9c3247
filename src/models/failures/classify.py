"""Tell which ModelError an SDK's exception is: by status and type first, by its words last."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from src.models import errors
from src.models.failures import refused_parameter
from src.models.fields import field
from src.models.limits import provider

if TYPE_CHECKING:
    from src.models.errors import ModelError

_LONGEST = 600

# Words decide only among the reactions that one status can mean. Each entry: (pattern, class), first match wins.
_CONTEXT = re.compile(
    r"context.{0,12}(length|window|size|limit)|maximum.{0,20}(context|tokens)|prompt is too long|too many tokens|"
    r"input.{0,20}too long|token count.{0,40}exceeds|reduce the length|length of all messages|"
    r"`inputs` (tokens \+|must have less)",
    re.IGNORECASE,
)
_QUOTA = re.compile(
    r"insufficient.{0,8}(quota|balance|credit|funds)|exceeded your current quota|billing|credit balance|"
    r"out of credits|payment required|spending limit|requires more credits",
    re.IGNORECASE,
)
# "Rate limit reached ... add a payment method at .../billing" is a rate limit all the same.
_RATE = re.compile(r"rate.?limit|too many requests|per (minute|day|hour)", re.IGNORECASE)
_CAPACITY = re.compile(r"overloaded|capacity|server busy|unavailable", re.IGNORECASE)
_SPENT = re.compile(r"insufficient.{0,8}(quota|balance|credit|funds)|exceeded your current quota", re.IGNORECASE)
# console.groq.com/docs/errors: the model wrote what fits neither the schema nor the tools.
_UNFIT = ("json_validate_failed", "tool_use_failed")
_REFUSED_CONTENT = ("content_filter", "content_policy_violation", "moderation_blocked", "data_inspection_failed")
_WAIT = re.compile(r"try again in ((?:\d+(?:\.\d+)?(?:ms|s|m|h)\s?)+)", re.IGNORECASE)
_BLOCKED = re.compile(
    r"content.{0,6}(policy|filter|management)|safety|content_filter|prohibited|moderation|flagged|blocked by",
    re.IGNORECASE,
)
_KEY = re.compile(
    r"(invalid|incorrect|wrong|missing|expired|no valid).{0,20}(api|x-api)[ _-]?key|api key not valid|"
    r"not authenticated|unauthorized",
    re.IGNORECASE,
)
_NO_ENDPOINT = re.compile(r"no endpoints found that (support|can handle)", re.IGNORECASE)
_SLOW = re.compile(r"timed?[ _-]?out|deadline exceeded", re.IGNORECASE)
_NO_MODEL = re.compile(
    r"model.{0,80}(not found|does not exist|not exist|unknown|is not supported|not available|decommissioned)|"
    r"(no such|unknown|invalid) model|not a valid model|model_not_found|supported (api )?model names",
    re.IGNORECASE,
)
# What says of a parameter's own bounds that they are passed, whichever words follow.
_BOUNDS = re.compile(r"\A\W{0,2}(?:\w+_)?(?:tokens|temperature|top_\w|n|seed)\W{0,4}must be", re.IGNORECASE)
_WORDS = ("error", "detail", "message", "msg", "type", "code", "status_code", "status", "errors")
_UNREADABLE = frozenset(
    {"APIResponseValidationError", "JSONDecodeError", "ValidationError", "DecodingError", "UnicodeDecodeError",
     "RecursionError"}
)  # fmt: skip
_REQUEST_IDS = ("request-id", "x-request-id", "x-ds-trace-id", "apim-request-id", "mistral-correlation-id",
                "x-litellm-call-id", "x-generation-id")  # fmt: skip

_BY_STATUS: dict[int, type[ModelError]] = {
    400: errors.InvalidRequest,
    401: errors.AuthenticationFailed,
    402: errors.QuotaExhausted,
    403: errors.PermissionRefused,
    404: errors.ModelNotFound,
    408: errors.ModelTimeout,
    409: errors.Overloaded,
    413: errors.ContextTooLong,
    422: errors.InvalidRequest,
    429: errors.RateLimited,
    451: errors.ContentBlocked,
    498: errors.Overloaded,
    503: errors.Overloaded,
    504: errors.ModelTimeout,
    529: errors.Overloaded,
}


# The words for a kind of error, in the fields `type`, `code` and `status`: docs.anthropic.com/en/api/errors,
# platform.openai.com/docs/guides/error-codes, google.golang.org/grpc/codes. Where an error came inside a 200, and where
# a gateway gave it a number of its own, the word tells more than the number.
_BY_WORD = {
    "invalid_request_error": 400,
    "invalid_argument": 400,
    "context_length_exceeded": 400,
    "content_filter": 400,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "unauthenticated": 401,
    "billing_error": 402,
    "insufficient_quota": 402,
    "permission_error": 403,
    "permission_denied": 403,
    "not_found_error": 404,
    "model_not_found": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "resource_exhausted": 429,
    "api_error": 500,
    "timeout_error": 504,
    "deadline_exceeded": 504,
    "overloaded_error": 529,
    "unavailable": 503,
}


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
    detail = _detail(body)
    words = f"{detail.get('message', '')} {detail.get('code', '')} {detail.get('type', '')}"
    status = (None if status == 200 else status) or _inner_status(detail)
    kind = _kind(_meant(status, detail), words, detail)
    error = kind(
        line(str(detail.get("message") or body or f"HTTP {status}")),
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
        return errors.ModelTimeout(line(_root_text(error)))
    if names & {
        "APIConnectionError",
        "TransportError",
        "ConnectionError",
        "NetworkError",
        "OSError",
        "TooManyRedirects",
    }:
        return _connection(error)
    if names & _UNREADABLE:
        return errors.MalformedResponse(line(f"the reply could not be read: {_root_text(error)}"))
    if "APIError" in names:  # an error inside a stream that began with 200
        return from_status(None, getattr(error, "body", None) or str(error))
    if isinstance(error, UnicodeEncodeError):
        what = f"a text cannot be sent: it holds half a character ({error.object[error.start]!a}) that UTF-8 has not"
        return errors.InvalidRequest(what, parameter="messages")
    if names & {"TypeError", "ValueError"}:
        return errors.InvalidRequest(line(str(error)), parameter=refused_parameter.keyword(str(error)))
    return errors.ServerFailed(line(f"{type(error).__name__}: {error}"))


def no_reply(told: Any, lacks: str) -> ModelError:
    """Return what a reply means that lacks what makes it one: an error where it has the words of one."""
    told = told[0] if isinstance(told, list) and told else told
    known = {name: field(told, name) for name in _WORDS}
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
    told = (headers.get(name) for name in _REQUEST_IDS)
    inside = (place.get("request_id") for place in (body, detail) if isinstance(place, Mapping))
    return next((found for found in (*told, *inside) if isinstance(found, str) and found), None)


def _wait(headers: Mapping[str, str], words: str) -> float | None:
    """Return how long to wait: by the headers, else by the words that OpenAI and Groq say it in."""
    told = retry_after(headers)
    said = _WAIT.search(words) if told is None else None
    return provider.seconds(said.group(1), 0.0) if said else told


def _kind(status: int | None, words: str, detail: Mapping[str, Any]) -> type[ModelError]:
    kind = str(detail.get("type") or "")
    if status in (400, 413, 422) or (status is None and "invalid" in kind):
        found = _invalid(words, detail)
        return errors.ContextTooLong if status == 413 and found is errors.InvalidRequest else found
    if status == 404:  # openrouter.ai/docs/features/provider-routing#requiring-providers-to-support-all-parameters
        return errors.InvalidRequest if _NO_ENDPOINT.search(words) else errors.ModelNotFound
    if status in (402, 403, 429):
        return _refused(status, words)
    if status is not None and status in _BY_STATUS:
        return _BY_STATUS[status]
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
        (_CONTEXT, errors.ContextTooLong),
        (_RATE, errors.RateLimited),
        (_QUOTA, errors.QuotaExhausted),
        (_CAPACITY, errors.Overloaded),
        (_NO_MODEL, errors.ModelNotFound),
        (_KEY, errors.AuthenticationFailed),
        (_SLOW, errors.ModelTimeout),
        (_BLOCKED, errors.ContentBlocked),
    ):
        if pattern.search(words):
            return kind
    return errors.ServerFailed


def _invalid(words: str, detail: Mapping[str, Any]) -> type[ModelError]:
    """Tell apart what a 400 can mean. Where it names a parameter, its words are about that one."""
    code, parameter = detail.get("code"), detail.get("param")
    if code == "context_length_exceeded":
        return errors.ContextTooLong
    if code in _UNFIT:
        return errors.MalformedResponse
    if code in _REFUSED_CONTENT:
        return errors.ContentBlocked
    if isinstance(parameter, str) and parameter not in ("", "None", "null", "messages", "input", "model"):
        return errors.InvalidRequest
    if _BOUNDS.search(str(detail.get("message"))):
        return errors.InvalidRequest
    for pattern, kind in (
        (_CONTEXT, errors.ContextTooLong),
        (_KEY, errors.AuthenticationFailed),
        (_QUOTA, errors.QuotaExhausted),
        (_NO_MODEL, errors.ModelNotFound),
        (_BLOCKED, errors.ContentBlocked),
    ):
        if pattern.search(words):
            return kind
    return errors.InvalidRequest


def _refused(status: int | None, words: str) -> type[ModelError]:
    """Tell apart what a refusal can mean."""
    if status == 402 or _SPENT.search(words):
        return errors.QuotaExhausted
    if status == 429 and _RATE.search(words):
        return errors.RateLimited
    if _QUOTA.search(words):
        return errors.QuotaExhausted
    if status == 403 and _BLOCKED.search(words):
        return errors.ContentBlocked
    return errors.RateLimited if status == 429 else errors.PermissionRefused


def _detail(body: object) -> Mapping[str, Any]:
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
        return _detail(body[0])
    return {"message": str(body or "")}


def _plain(inner: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what an error says, where that stands further inside."""
    message = inner.get("message") or inner.get("msg") or inner.get("error")
    if isinstance(message, Mapping):
        return {**inner, **_detail(message)}
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
    inner = _detail(told if isinstance(told, Mapping | list) else str(told))
    said = f"{detail.get('message')}: {inner.get('message')}"
    known = {name: value for name, value in inner.items() if value is not None}
    return {"status_code": detail.get("code"), **known, "message": said}


def _meant(status: int | None, detail: Mapping[str, Any]) -> int | None:
    """Return the status that an error's own words stand for, where its number tells less."""
    if status not in (None, 400, 500):
        return status
    words = (str(detail.get(name) or "").lower() for name in ("type", "code", "status"))
    return next((_BY_WORD[word] for word in words if word in _BY_WORD), _inner_status(detail) or status)


def _inner_status(detail: Mapping[str, Any]) -> int | None:
    """Return a status that a body carries as its code, as OpenRouter's errors inside a stream do."""
    for name in ("code", "status_code", "status"):
        code = detail.get(name)
        if isinstance(code, str) and code.isdecimal():
            code = int(code)
        if isinstance(code, int) and not isinstance(code, bool) and 400 <= code < 600:
            return code
    return None


def _connection(error: BaseException) -> ModelError:
    cause = error.__cause__ or error.__context__
    if cause is not None and any(kind.__name__ == "DecodingError" for kind in type(cause).__mro__):
        return errors.MalformedResponse(line(f"the reply could not be read: {cause}"))
    return errors.ConnectionFailed(line(_root_text(error)))


def _root_text(error: BaseException) -> str:
    """Return what went wrong at the bottom: an SDK's own text is often just «Connection error.»."""
    cause = error.__cause__ or error.__context__
    text = str(error) or type(error).__name__
    if cause is None or not str(cause) or str(cause) == text:
        return text
    return f"{text.rstrip('.')}: {cause}"


def line(text: str) -> str:
    """Return a text of a provider's or a model's as one line for a message: redacted, and not too long."""
    from src.observability.redaction import redact_text

    said = " ".join(redact_text(text).split())
    return said if len(said) <= _LONGEST else said[:_LONGEST] + "..."


def _float(text: str | None) -> float | None:
    try:
        found = float(text.strip().removesuffix("s")) if text else None
    except ValueError:
        return None
    return found if found is not None and math.isfinite(found) else None
