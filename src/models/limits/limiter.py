"""Limit the requests and tokens per minute that calls to a provider use, as the user has set."""

from __future__ import annotations

import os
import re
import threading
import time
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from src.models.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from src.models.types import ModelRequest

_LIMIT = re.compile(r"(\d+(?:\.\d+)?)\s*(rpm|tpm)", re.IGNORECASE)
_CHARACTERS_PER_TOKEN: Final = 4
_EXPECTED_OUTPUT_TOKENS: Final = 512


@dataclass(slots=True)
class _TokenBucket:
    """A token bucket: it starts full and refills at its rate, up to a minute's worth."""

    per_minute: float
    level: float
    updated_at: float

    def wait_for(self, amount: float, now: float) -> float:
        """Return the seconds until `amount` is available; an amount above the limit waits for a full bucket."""
        self.level = min(self.per_minute, self.level + (now - self.updated_at) * self.per_minute / 60)
        self.updated_at = now
        missing = min(amount, self.per_minute) - self.level
        return max(missing, 0.0) * 60 / self.per_minute


@dataclass(slots=True)
class Limiter:
    """Admit calls in their order within the limits; threads and tasks share it.

    A call that must wait reserves its place, so that later ones queue behind it.
    """

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    clock: Callable[[], float] = time.monotonic
    _buckets: dict[str, _TokenBucket] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Start with full buckets."""
        now = self.clock()
        for name, limit in (("requests", self.requests_per_minute), ("tokens", self.tokens_per_minute)):
            if limit:
                self._buckets[name] = _TokenBucket(per_minute=limit, level=limit, updated_at=now)

    def reserve(self, tokens: int, max_wait_s: float) -> float | None:
        """Reserve a place for a call; return the seconds to wait before it may be sent.

        Args:
            tokens: What the call is expected to use.
            max_wait_s: Where the wait would be longer, nothing is reserved and None is returned.
        """
        amounts = {"requests": 1.0, "tokens": float(tokens)}
        with self._lock:
            now = self.clock()
            wait_s = max((bucket.wait_for(amounts[name], now) for name, bucket in self._buckets.items()), default=0.0)
            if wait_s > max_wait_s:
                return None
            for name, bucket in self._buckets.items():
                bucket.level -= amounts[name]
            return wait_s

    def correct(self, expected: int, used: int | None) -> None:
        """Replace the tokens that a call was expected to use with those that it has used, where that is known."""
        bucket = self._buckets.get("tokens")
        if bucket is not None and used is not None:
            with self._lock:
                bucket.level += expected - used

    def __str__(self) -> str:
        """Return the limits as `parse` reads them."""
        limits = {"rpm": self.requests_per_minute, "tpm": self.tokens_per_minute}
        return ",".join(f"{limit:g}{unit}" for unit, limit in limits.items() if limit)


def expected_tokens(request: ModelRequest) -> int:
    """Return a rough count of the tokens that a request will use, prompt and answer."""
    characters = sum(len(message.text) for message in request.messages)
    output_tokens = min(request.max_tokens or _EXPECTED_OUTPUT_TOKENS, _EXPECTED_OUTPUT_TOKENS)
    return characters // _CHARACTERS_PER_TOKEN + output_tokens


def parse(text: str | Limiter, name: str = "limit") -> Limiter:
    """Return a limiter from text such as `60rpm,100000tpm`.

    Args:
        text: The limits; a limiter is returned as it is.
        name: The setting or the variable that holds them, for the error.

    Raises:
        InvalidRequest: the text names no limit, or something else besides.
    """
    if isinstance(text, Limiter):
        return text
    limits = {unit.lower(): float(number) for number, unit in _LIMIT.findall(text)}
    if not limits or _LIMIT.sub("", text).strip(" ,;") or not all(limits.values()):
        raise InvalidRequest(f"{name} is {text!r}, no limit: write 60rpm, 100000tpm or both.", parameter=name)
    return Limiter(requests_per_minute=limits.get("rpm"), tokens_per_minute=limits.get("tpm"))


def configured(provider: str, key: str) -> Limiter | None:
    """Return the limiter that MOONDEV_LIMIT_<PROVIDER> sets, one for each provider and key, or None."""
    name = f"MOONDEV_LIMIT_{provider.upper().replace('-', '_')}"
    text = os.environ.get(name, "").strip()
    return _shared(name, key, text) if text else None


@lru_cache(maxsize=256)
def _shared(name: str, key: str, text: str) -> Limiter:  # noqa: ARG001 - what it is shared by
    return parse(text, name)
