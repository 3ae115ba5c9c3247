"""Keep the rate limits that providers report in their response headers."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
# Numbers above these are Unix times, in milliseconds and in seconds; smaller ones are durations.
_EPOCH_MS: Final = 10**11
_EPOCH_S: Final = 10**9

# platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers, console.groq.com/docs/rate-limits,
# docs.anthropic.com/en/api/rate-limits#response-headers, openrouter.ai/docs/api-reference/limits
_HEADERS: Final = {
    "x-ratelimit-{part}-{kind}": ("requests", "tokens"),
    "anthropic-ratelimit-{kind}-{part}": ("requests", "tokens", "input-tokens", "output-tokens"),
    "x-ratelimit-{part}": ("requests",),
}


@dataclass(frozen=True, slots=True)
class Limit:
    """One rate limit: how much is allowed, what remains of it, and in how many seconds it is reset."""

    limit: float | None = None
    remaining: float | None = None
    reset_s: float | None = None

    def as_dict(self) -> dict[str, float]:
        """Return the fields that are known."""
        return {name: value for name in self.__slots__ if (value := getattr(self, name)) is not None}


@dataclass(frozen=True, slots=True)
class ReportedLimits:
    """The rate-limit headers of one response, with the Unix time `at` and the monotonic time of their arrival."""

    headers: dict[str, str]
    at: float
    monotonic: float

    def limits(self) -> dict[str, Limit]:
        """Return the limits by kind: requests, tokens, input_tokens, output_tokens."""
        limits: dict[str, Limit] = {}
        for pattern, kinds in _HEADERS.items():
            for kind in kinds:
                limit, remaining, reset = (
                    self.headers.get(pattern.format(part=part, kind=kind)) for part in ("limit", "remaining", "reset")
                )
                if limit or remaining or reset:
                    limits.setdefault(
                        kind.replace("-", "_"),
                        Limit(limit=_number(limit), remaining=_number(remaining), reset_s=seconds(reset, self.at)),
                    )
        return limits


_latest: dict[str, ReportedLimits] = {}


def record(provider: str, raw_headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Keep the rate-limit headers of a response, if it has any."""
    matches = {name.lower(): value for name, value in raw_headers if b"ratelimit" in name.lower()}
    if matches:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in matches.items()}
        _latest[provider] = ReportedLimits(headers=headers, at=time.time(), monotonic=time.monotonic())


def latest() -> dict[str, ReportedLimits]:
    """Return what each provider reported last to this process."""
    return dict(_latest)


def since(provider: str, monotonic: float) -> dict[str, Any] | None:
    """Return the limits that a provider has reported since a moment on the monotonic clock, as JSON; None for none."""
    reported = _latest.get(provider)
    if reported is None or reported.monotonic < monotonic:
        return None
    return {kind: limit.as_dict() for kind, limit in reported.limits().items()} or None


def _number(text: str | None) -> float | None:
    try:
        return float(text.split(",")[0].split(";")[0]) if text else None
    except ValueError:
        return None


def seconds(text: str | None, at: float) -> float | None:
    """Return the seconds in `6m0s`, in `12.5`, or from the Unix time `at` until an RFC 3339 date or a Unix time."""
    if not text:
        return None
    number = _number(text)
    if number is not None:
        moment = number / 1000 if number > _EPOCH_MS else number
        return max(moment - at, 0.0) if moment > _EPOCH_S else number
    parts = _DURATION_PART.findall(text)
    if parts and not _DURATION_PART.sub("", text).strip():
        return sum(float(amount) * _SECONDS[unit] for amount, unit in parts)
    try:
        return max(datetime.fromisoformat(text).timestamp() - at, 0.0)
    except ValueError:
        return None
