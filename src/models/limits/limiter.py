"""Limit the requests and tokens per minute that calls to a provider use, as the user has set."""

from __future__ import annotations

import os
import re
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal

from src.models.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from src.models.types import ModelRequest

_LIMIT = re.compile(r"(\d+(?:\.\d+)?)\s*(rpm|tpm)", re.IGNORECASE)
_CHARACTERS_PER_TOKEN: Final = 4
_EXPECTED_OUTPUT_TOKENS: Final = 512
_MINUTE_S: Final = 60.0
# The longest sleep of a waiting call, after which it checks whether calls ahead of it have left the queue.
LONGEST_NAP_S: Final = 1.0
# A server counts requests when they arrive, a little later than they are admitted here, and not all equally late.
_MARGIN_S: Final = 0.05


@dataclass(slots=True, eq=False)
class Admission:
    """A call's place: in the queue until `wait_s` returns 0, then among the calls of the last minute.

    Attributes:
        tokens: What the call is expected to use, or has used.
        moment: When it may be sent, or was, on the limiter's clock.
        state: Whether it waits, was admitted, is counted no more, or has been given back.
    """

    limiter: Limiter = field(repr=False)
    tokens: float
    moment: float = 0.0
    state: Literal["waiting", "admitted", "past", "given back"] = "waiting"

    def wait_s(self) -> float:
        """Return the seconds until the call may be sent; 0 admits it, and the caller must then send it at once."""
        return self.limiter._wait_s(self)

    def give_back(self) -> None:
        """Leave the queue, so that the calls behind move up; a call that was admitted stays counted."""
        self.limiter._give_back(self)

    def correct(self, used: int | None) -> None:
        """Replace the tokens that the call was expected to use by those that it has used, where that is known."""
        if used is not None:
            self.limiter._correct(self, used)


@dataclass(slots=True)
class Limiter:
    """Admit calls in their order, at most a minute's worth in any minute; threads and tasks share it.

    The calls that were admitted in the last minute are kept with their times, so that no window of a minute, wherever
    it begins, holds more than the limit. A call that must wait takes a place in a queue.
    """

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    clock: Callable[[], float] = time.monotonic
    _admitted: deque[Admission] = field(default_factory=deque, repr=False)
    _admitted_tokens: float = field(default=0.0, repr=False)
    _queue: list[Admission] = field(default_factory=list, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def reserve(self, tokens: int, max_wait_s: float) -> Admission | None:
        """Return a place for a call.

        Args:
            tokens: What the call is expected to use.
            max_wait_s: Where the wait would be longer, no place is taken and None is returned.
        """
        admission = Admission(limiter=self, tokens=float(tokens))
        with self._lock:
            now = self.clock()
            self._forget_before(now)
            admission.moment = self._moment_after(len(self._queue), admission, now)
            if admission.moment - now > max_wait_s:
                return None
            self._queue.append(admission)
            return admission

    def _wait_s(self, admission: Admission) -> float:
        with self._lock:
            if admission.state != "waiting":
                return 0.0
            now = self.clock()
            self._forget_before(now)
            position = self._queue.index(admission)
            admission.moment = self._moment_after(position, admission, now)
            if admission.moment > now:
                return admission.moment - now
            del self._queue[position]
            admission.moment, admission.state = now, "admitted"
            self._admitted.append(admission)
            self._admitted_tokens += admission.tokens
            return 0.0

    def _give_back(self, admission: Admission) -> None:
        with self._lock:
            if admission.state == "waiting":
                admission.state = "given back"
                self._queue.remove(admission)
                self._plan()

    def _correct(self, admission: Admission, used: int) -> None:
        with self._lock:
            if admission.state == "admitted":
                self._admitted_tokens += used - admission.tokens
            admission.tokens = float(used)
            self._plan()

    def _plan(self) -> None:
        """Set anew when the calls in the queue may be sent."""
        now = self.clock()
        for position, admission in enumerate(self._queue):
            admission.moment = self._moment_after(position, admission, now)

    def _moment_after(self, position: int, admission: Admission, now: float) -> float:
        """Return the first moment at which a call may be sent after those before it: admitted ones and waiting ones.

        A call ahead that is due and has not woken up yet counts as sent now, which it is at the earliest.
        """
        queue, admitted = self._queue, self._admitted
        moment = max(now, queue[position - 1].moment) if position else now
        requests, window_s = self._most_requests()
        if requests is not None and position + len(admitted) >= requests:
            is_waiting = requests <= position
            earlier = queue[position - requests] if is_waiting else admitted[position - requests]
            moment = max(moment, (max(earlier.moment, now) if is_waiting else earlier.moment) + window_s)
        limit = self.tokens_per_minute
        if limit is None:
            return moment
        tokens = admission.tokens + sum(item.tokens for item in queue[:position])
        if tokens + self._admitted_tokens <= limit:
            return moment
        return max(moment, self._moment_for_tokens(position, admission, now, limit))

    def _moment_for_tokens(self, position: int, admission: Admission, now: float, limit: float) -> float:
        """Return the first moment with room for a call's tokens; one that exceeds the limit waits until it is alone."""
        tokens = admission.tokens
        for item in reversed(self._queue[:position]):
            tokens += item.tokens
            if tokens > limit:
                return max(item.moment, now) + _MINUTE_S + _MARGIN_S
        for item in reversed(self._admitted):
            tokens += item.tokens
            if tokens > limit:
                return item.moment + _MINUTE_S + _MARGIN_S
        return now

    def _most_requests(self) -> tuple[int | None, float]:
        """Return how many requests a window may hold, and its length: a minute, longer where less than one fits it."""
        rate = self.requests_per_minute
        if not rate:
            return None, _MINUTE_S + _MARGIN_S
        return max(int(rate), 1), _MINUTE_S / min(rate, 1.0) + _MARGIN_S

    def _forget_before(self, now: float) -> None:
        """Forget the calls that no window of the present holds any more."""
        admitted, window_s = self._admitted, self._most_requests()[1]
        while admitted and admitted[0].moment + window_s <= now:
            admission = admitted.popleft()
            admission.state = "past"
            self._admitted_tokens -= admission.tokens

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
        InvalidRequest: the text names no limit, or contains anything else.
    """
    if isinstance(text, Limiter):
        return text
    amounts = [(unit.lower(), float(number)) for number, unit in _LIMIT.findall(text)]
    limits = dict(amounts)
    if not limits or len(limits) < len(amounts) or _LIMIT.sub("", text).strip(" ,;") or not all(limits.values()):
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
