"""Hold a provider's calls below a limit of requests and tokens per minute that is set here."""

from __future__ import annotations

import os
import re
import threading
import time
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from src.models.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from src.models.types import ModelRequest

_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(rpm|tpm)", re.IGNORECASE)
_CHARACTERS_A_TOKEN = 4
_ANSWER_TOKENS = 512


@dataclass(slots=True)
class Bucket:
    """Hold what is left of one limit: it starts full, and fills again at its rate up to a minute's worth."""

    per_minute: float
    level: float
    at: float

    def wait_for(self, amount: float, now: float) -> float:
        """Return the seconds until `amount` is there; an amount above the limit waits for a full bucket."""
        self.level = min(self.per_minute, self.level + (now - self.at) * self.per_minute / 60)
        self.at = now
        missing = min(amount, self.per_minute) - self.level
        return max(missing, 0.0) * 60 / self.per_minute


@dataclass(slots=True)
class Limiter:
    """Admit calls one after another within the limits; threads and tasks share it.

    A call that must wait has its place reserved, so that later ones queue behind it.
    """

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    clock: Callable[[], float] = time.monotonic
    _buckets: dict[str, Bucket] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Start with full buckets."""
        now = self.clock()
        for name, limit in (("requests", self.requests_per_minute), ("tokens", self.tokens_per_minute)):
            if limit:
                self._buckets[name] = Bucket(limit, limit, now)

    def reserve(self, tokens: int, most_s: float) -> float | None:
        """Return the seconds to wait before the call may be sent, its place reserved.

        Args:
            tokens: What the call is expected to take.
            most_s: Where the wait would be longer, nothing is reserved and None is returned.
        """
        amounts = {"requests": 1.0, "tokens": float(tokens)}
        with self._lock:
            now = self.clock()
            wait = max((bucket.wait_for(amounts[name], now) for name, bucket in self._buckets.items()), default=0.0)
            if wait > most_s:
                return None
            for name, bucket in self._buckets.items():
                bucket.level -= amounts[name]
            return wait

    def correct(self, expected: int, used: int | None) -> None:
        """Put the tokens that a call really took in place of those it was expected to take."""
        bucket = self._buckets.get("tokens")
        if bucket is not None and used is not None:
            with self._lock:
                bucket.level += expected - used

    def __str__(self) -> str:
        """Return the limits as they are written."""
        limits = {"rpm": self.requests_per_minute, "tpm": self.tokens_per_minute}
        return ",".join(f"{limit:g}{unit}" for unit, limit in limits.items() if limit)


def expected_tokens(request: ModelRequest) -> int:
    """Return a rough count of what a request will take, prompt and answer."""
    characters = sum(len(message.text) for message in request.messages)
    return characters // _CHARACTERS_A_TOKEN + min(request.max_tokens or _ANSWER_TOKENS, _ANSWER_TOKENS)


def parse(text: str | Limiter) -> Limiter:
    """Return a limiter from text such as `60rpm,100000tpm`.

    Raises:
        InvalidRequest: the text says neither.
    """
    if isinstance(text, Limiter):
        return text
    parts = {unit.lower(): float(number) for number, unit in _PART.findall(text)}
    if not parts or _PART.sub("", text).strip(" ,;") or not all(parts.values()):
        raise InvalidRequest(f"The limit {text!r} cannot be read: write 60rpm, 100000tpm or both.", parameter="limit")
    return Limiter(parts.get("rpm"), parts.get("tpm"))


def configured(provider: str, key: str) -> Limiter | None:
    """Return the limiter that MOONDEV_LIMIT_<PROVIDER> sets, one for each provider and key, or None."""
    text = os.environ.get(f"MOONDEV_LIMIT_{provider.upper().replace('-', '_')}", "").strip()
    return _shared(provider, key, text) if text else None


@lru_cache(maxsize=256)
def _shared(provider: str, key: str, text: str) -> Limiter:  # noqa: ARG001 - what it is shared by
    return parse(text)
