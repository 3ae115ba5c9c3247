"""Define the statuses, words and class names by which providers' failures are classified."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from src.models import errors

if TYPE_CHECKING:
    from src.models.errors import ModelError

# Words decide only among the errors that one status can mean.
CONTEXT = re.compile(
    r"context.{0,12}(length|window|size|limit)|maximum.{0,20}(context|tokens)|prompt is too long|too many tokens|"
    r"input.{0,20}too long|token count.{0,40}exceeds|reduce the length|length of all messages|"
    r"`inputs` (tokens \+|must have less)",
    re.IGNORECASE,
)
QUOTA = re.compile(
    r"insufficient.{0,8}(quota|balance|credit|funds)|exceeded your current quota|billing|credit balance|"
    r"out of credits|payment required|spending limit|requires more credits",
    re.IGNORECASE,
)
# "Rate limit reached ... add a payment method at .../billing" is a rate limit all the same.
RATE = re.compile(r"rate.?limit|too many requests|per (minute|day|hour)", re.IGNORECASE)
CAPACITY = re.compile(r"overloaded|capacity|server busy|unavailable", re.IGNORECASE)
SPENT = re.compile(r"insufficient.{0,8}(quota|balance|credit|funds)|exceeded your current quota", re.IGNORECASE)
# console.groq.com/docs/errors: the model wrote what fits neither the schema nor the tools.
UNFIT = ("json_validate_failed", "tool_use_failed")
REFUSED_CONTENT = ("content_filter", "content_policy_violation", "moderation_blocked", "data_inspection_failed")
WAIT = re.compile(r"try again in ((?:\d+(?:\.\d+)?(?:ms|s|m|h)\s?)+)", re.IGNORECASE)
BLOCKED = re.compile(
    r"content.{0,6}(policy|filter|management)|safety|content_filter|prohibited|moderation|flagged|blocked by",
    re.IGNORECASE,
)
KEY = re.compile(
    r"(invalid|incorrect|wrong|missing|expired|no valid).{0,20}(api|x-api)[ _-]?key|api key not valid|"
    r"not authenticated|unauthorized",
    re.IGNORECASE,
)
NO_ENDPOINT = re.compile(r"no endpoints found that (support|can handle)", re.IGNORECASE)
SLOW = re.compile(r"timed?[ _-]?out|deadline exceeded", re.IGNORECASE)
NO_MODEL = re.compile(
    r"model.{0,80}(not found|does not exist|not exist|unknown|is not supported|not available|decommissioned)|"
    r"(no such|unknown|invalid) model|not a valid model|model_not_found|supported (api )?model names",
    re.IGNORECASE,
)
# A sentence that a parameter is out of its bounds, whichever words follow.
BOUNDS = re.compile(r"\A\W{0,2}(?:\w+_)?(?:tokens|temperature|top_\w|n|seed)\W{0,4}must be", re.IGNORECASE)
# Exceptions of SDKs and HTTP clients, by the names of their classes.
TIMEOUTS = frozenset({"APITimeoutError", "TimeoutException", "Timeout", "TimeoutError"})
CONNECTION_FAILURES = frozenset(
    {"APIConnectionError", "TransportError", "ConnectionError", "NetworkError", "OSError", "TooManyRedirects"}
)
UNREADABLE = frozenset(
    {"APIResponseValidationError", "JSONDecodeError", "ValidationError", "DecodingError", "UnicodeDecodeError",
     "RecursionError"}
)  # fmt: skip
REQUEST_IDS = ("request-id", "x-request-id", "x-ds-trace-id", "apim-request-id", "mistral-correlation-id",
                "x-litellm-call-id", "x-generation-id")  # fmt: skip
BY_STATUS: dict[int, type[ModelError]] = {
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
# The words for a kind of error in the fields `type`, `code` and `status`: docs.anthropic.com/en/api/errors,
# platform.openai.com/docs/guides/error-codes, google.golang.org/grpc/codes. Where an error came inside a 200, or where
# a gateway gave it a status of its own, the word is more precise than the status.
BY_WORD = {
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

# What an error can mean that has words alone, such as one inside a stream; the first match wins.
WITHOUT_STATUS: tuple[tuple[re.Pattern[str], type[ModelError]], ...] = (
    (CONTEXT, errors.ContextTooLong),
    (RATE, errors.RateLimited),
    (QUOTA, errors.QuotaExhausted),
    (CAPACITY, errors.Overloaded),
    (NO_MODEL, errors.ModelNotFound),
    (KEY, errors.AuthenticationFailed),
    (SLOW, errors.ModelTimeout),
    (BLOCKED, errors.ContentBlocked),
)
# What a 400 can mean that names no parameter; the first match wins.
BAD_REQUEST: tuple[tuple[re.Pattern[str], type[ModelError]], ...] = (
    (CONTEXT, errors.ContextTooLong),
    (KEY, errors.AuthenticationFailed),
    (QUOTA, errors.QuotaExhausted),
    (NO_MODEL, errors.ModelNotFound),
    (BLOCKED, errors.ContentBlocked),
)
