"""Repeat a failed request as often, and for the same failures, as the SDK would that a program was written for."""

from __future__ import annotations

import email.utils
import math
import random
import time
from typing import TYPE_CHECKING, Any, Final

from src.models.errors import ConnectionFailed, ModelTimeout

if TYPE_CHECKING:
    from collections.abc import Mapping

    from src.models.compat.sdks import Sdk

_FIRST_WAIT_S: Final = 0.5
_LONGEST_OWN_WAIT_S: Final = 8.0
_STATUSES: Final = frozenset({408, 409, 429})
_SERVER_FAILED, _UNAVAILABLE = 500, 503
# google.api_core.retry of the old Google SDK: the first wait, its growth, its bound, and when it gives up.
_GOOGLE_WAITS: Final = (1.0, 1.3, 10.0)
_GOOGLE_GIVES_UP_S: Final = 600.0


class SdkRetries:
    """The retries of one call.

    Args:
        sdk: Whose rule they follow.
        most: The number that the program has set; None for the SDK's own.
    """

    def __init__(self, sdk: Sdk, most: int | None) -> None:
        self._sdk = sdk
        self._most = sdk.retries if most is None else most
        self._made = 0

    def wait_after(self, raised: BaseException, elapsed_s: float) -> float | None:
        """Return the seconds to wait before the next attempt, or None to give up.

        Args:
            raised: What the SDK has raised.
            elapsed_s: The time since the call began.
        """
        made, self._made = self._made, self._made + 1
        if self._sdk.retried == "503":
            first, growth, longest = _GOOGLE_WAITS
            wait_s = random.uniform(0.0, min(first * growth**made, longest))  # noqa: S311 - jitter, no secret
            is_over = elapsed_s + wait_s > _GOOGLE_GIVES_UP_S
            return wait_s if status_of(raised) == _UNAVAILABLE and not is_over else None
        if self._sdk.retried == "nothing" or made >= self._most:
            return None
        headers = _headers(raised)
        asked_s = _asked_wait(headers)
        if not self._is_retried(raised, headers, asked_s):
            return None
        if asked_s is not None and 0 < asked_s <= self._sdk.longest_wait_s:
            return asked_s
        own_s = min(_FIRST_WAIT_S * 2.0 ** min(made, 1000), _LONGEST_OWN_WAIT_S)
        return float(own_s * (1 - 0.25 * random.random()))  # noqa: S311 - jitter, no secret

    def _is_retried(self, raised: BaseException, headers: Mapping[str, str], asked_s: float | None) -> bool:
        status = status_of(raised)
        if status is None:
            kinds = {kind.__name__ for kind in type(raised).__mro__}
            return "APIConnectionError" in kinds or isinstance(raised, ConnectionFailed | ModelTimeout)
        if self._sdk.refuses_longer_waits and asked_s is not None and asked_s > self._sdk.longest_wait_s:
            return False
        order = headers.get("x-should-retry")
        if order in ("true", "false"):
            return order == "true"
        return status in _STATUSES or status >= _SERVER_FAILED


def status_of(raised: BaseException) -> int | None:
    """Return the HTTP status of an error, None where there was no response."""
    for name in ("status_code", "status", "code"):
        value = getattr(raised, name, None)
        if isinstance(value, int):
            return int(value)
    return None


def _headers(raised: BaseException) -> Mapping[str, str]:
    response: Any = getattr(raised, "response", None)
    headers: Any = getattr(response, "headers", None)
    return headers if hasattr(headers, "get") else {}


def _asked_wait(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a response asks to wait: in milliseconds, in seconds, or as a date."""
    for name, divisor in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            wait_s = float(headers.get(name) or "") / divisor
        except ValueError:
            continue
        return wait_s if math.isfinite(wait_s) else None
    date = email.utils.parsedate_tz(headers.get("retry-after") or "")
    return None if date is None else float(email.utils.mktime_tz(date) - time.time())
