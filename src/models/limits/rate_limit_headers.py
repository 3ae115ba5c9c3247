"""Keep the rate limits that providers tell in their response headers."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_EPOCH_MS = 10**11
_EPOCH_S = 10**9

# platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers, console.groq.com/docs/rate-limits,
# docs.anthropic.com/en/api/rate-limits#response-headers, openrouter.ai/docs/api-reference/limits
_NAMES = {
    "x-ratelimit-{part}-{kind}": ("requests", "tokens"),
    "anthropic-ratelimit-{kind}-{part}": ("requests", "tokens", "input-tokens", "output-tokens"),
    "x-ratelimit-{part}": ("requests",),
}


@dataclass(frozen=True, slots=True)
class Limit:
    """Hold one limit: how much is allowed, what is left of it, and in how many seconds it is whole again."""

    limit: float | None = None
    remaining: float | None = None
    reset_s: float | None = None

    def as_dict(self) -> dict[str, float]:
        """Return what is known."""
        return {name: value for name in self.__slots__ if (value := getattr(self, name)) is not None}


@dataclass(frozen=True, slots=True)
class ReportedLimits:
    """Hold what one response told: `headers` as they came, `at` the Unix time, `mono` the monotonic one."""

    headers: dict[str, str]
    at: float
    mono: float

    def limits(self) -> dict[str, Limit]:
        """Return the limits by kind: requests, tokens, input_tokens, output_tokens."""
        found: dict[str, Limit] = {}
        for pattern, kinds in _NAMES.items():
            for kind in kinds:
                told = {
                    part: self.headers.get(pattern.format(part=part, kind=kind))
                    for part in ("limit", "remaining", "reset")
                }
                if any(told.values()):
                    limit = Limit(_number(told["limit"]), _number(told["remaining"]), seconds(told["reset"], self.at))
                    found.setdefault(kind.replace("-", "_"), limit)
        return found


_latest: dict[str, ReportedLimits] = {}


def record(provider: str, raw_headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Keep the rate-limit headers of a response, if it has any."""
    found = {name.lower(): value for name, value in raw_headers if b"ratelimit" in name.lower()}
    if found:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in found.items()}
        _latest[provider] = ReportedLimits(headers, time.time(), time.monotonic())


def latest() -> dict[str, ReportedLimits]:
    """Return what each provider told last, in this process."""
    return dict(_latest)


def since(provider: str, mono: float) -> dict[str, Any] | None:
    """Return what a provider has told since a moment on the monotonic clock, as plain data; None for nothing."""
    seen = _latest.get(provider)
    if seen is None or seen.mono < mono:
        return None
    return {kind: limit.as_dict() for kind, limit in seen.limits().items()} or None


def _number(text: str | None) -> float | None:
    try:
        return float(text.split(",")[0].split(";")[0]) if text else None
    except ValueError:
        return None


def seconds(text: str | None, at: float) -> float | None:
    """Return the seconds in `6m0s`, in `12.5`, or until an RFC 3339 date or a Unix time."""
    if not text:
        return None
    number = _number(text)
    if number is not None:
        moment = number / 1000 if number > _EPOCH_MS else number
        return max(moment - at, 0.0) if moment > _EPOCH_S else number
    parts = _SPAN.findall(text)
    if parts and not _SPAN.sub("", text).strip():
        return sum(float(amount) * _SECONDS[unit] for amount, unit in parts)
    try:
        return max(datetime.fromisoformat(text).timestamp() - at, 0.0)
    except ValueError:
        return None
