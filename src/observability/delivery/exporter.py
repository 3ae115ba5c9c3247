"""Deliver what the spool holds: in batches, in order, acknowledged, at least once, never dropped."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import sqlite3
import threading
import time
import weakref
from itertools import groupby
from typing import TYPE_CHECKING, Final

from src.observability.delivery.destinations import (
    Answer,
    Destination,
    Outcome,
    display_url,
    make_client,
    post_score,
    post_traces,
)
from src.observability.spans import otlp
from src.observability.store.compression import DamagedSpan
from src.observability.store.queries import BUSY_S
from src.observability.store.spool import SpoolError, lease_owner

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import httpx

    from src.observability.store.spool import Batch, Spool

_log = logging.getLogger("moondev.exporter")
_POLL_S: Final = 5.0
# How long work may gather before it is sent: a request for each observation would cost more than all the rest.
_LINGER_S: Final = 1.0
_FIRST_WAIT_S: Final = 0.5
_LONGEST_WAIT_S: Final = 60.0
_LONGEST_ASKED_S: Final = 300.0
_SLOW_S: Final = 1.0
_BRIEF_S: Final = 0.2
_RENEW_S: Final = 10.0

Rows = tuple[tuple[int, bytes, bytes], ...]


class Exporter:
    """Deliver to each destination on a daemon thread of its own, so that one that hangs holds up no other.

    Threads start when there is first something to deliver, and again in a forked child.
    """

    def __init__(
        self,
        spool: Spool,
        destinations: Sequence[Destination],
        *,
        clock: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
        make_client: Callable[[], httpx.Client] | None = None,
    ) -> None:
        self._drains = tuple(_Drain(spool, item, clock, rng or random.Random(), make_client) for item in destinations)  # noqa: S311 - jitter

    @property
    def destinations(self) -> tuple[Destination, ...]:
        """Return where this delivers to."""
        return tuple(drain.destination for drain in self._drains)

    @property
    def failing(self) -> bool:
        """Tell whether a destination failed last time, or has kept a request waiting for over a second."""
        return any(drain.failing for drain in self._drains)

    def wake(self) -> None:
        """Tell that there is something to deliver. Costs next to nothing; never raises."""
        for drain in self._drains:
            drain.wake()

    def flush(self, timeout_s: float) -> int:
        """Try now, whatever the back-off; return how many observations and scores are undelivered.

        Drains the whole spool, rows of other and of dead processes too; returns within `timeout_s` in any case.
        """
        deadline = time.monotonic() + timeout_s
        for drain in self._drains:  # all begin before one is waited for
            drain.hurry(deadline)
        return sum(drain.flush(deadline) for drain in self._drains)

    def shutdown(self, timeout_s: float) -> None:
        """Flush for at most `timeout_s`, then stop; never raises."""
        try:
            self.flush(timeout_s)
        except Exception as error:  # noqa: BLE001 - the store may be gone; what it holds is delivered later
            _log.error("The last delivery failed: %s", error)
        for drain in self._drains:
            drain.stop()


class _Drain:
    """Bring one destination up to date, again and again."""

    def __init__(
        self,
        spool: Spool,
        destination: Destination,
        clock: Callable[[], float],
        rng: random.Random,
        make_client: Callable[[], httpx.Client] | None,
    ) -> None:
        self.destination = destination
        self._where = display_url(destination.traces_url)
        self._spool = spool
        self._clock = clock
        self._rng = rng
        self._make_client = make_client
        self._stopped = False
        self._failures = 0
        self._said_failing = False
        self._said_unreadable = False
        self._in_flight_since: float | None = None
        self._reset()
        if hasattr(os, "register_at_fork"):
            alive = weakref.WeakMethod(self._reset)
            os.register_at_fork(after_in_child=lambda: (method := alive()) and method())

    def _reset(self) -> None:
        """Start from nothing: also what a forked child needs, which has neither the thread nor the connections."""
        self._lock = threading.Lock()
        self._wanted = threading.Event()
        self._hurry = threading.Event()
        self._passed = threading.Condition()
        self._passes = 0
        self._thread: threading.Thread | None = None
        self._client: httpx.Client | None = None
        self._owner = lease_owner()
        self._leased_at = 0.0
        self._urgent_until = 0.0
        self._max_rows = 512

    @property
    def failing(self) -> bool:
        since = self._in_flight_since
        return self._failures > 0 or (since is not None and self._clock() - since > _SLOW_S)

    def wake(self) -> None:
        if self._thread is None:
            self._start()
        if not self._wanted.is_set():
            self._wanted.set()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None and not self._stopped:
                thread = threading.Thread(target=self._run, name="moondev-exporter", daemon=True)
                # At interpreter shutdown no thread can start, and where there are too many: the rows stay for later.
                with contextlib.suppress(RuntimeError):
                    thread.start()
                    self._thread = thread

    def stop(self) -> None:
        self._stopped = True
        self._wanted.set()
        self._hurry.set()

    def hurry(self, deadline: float) -> None:
        """Have passes follow one another without pauses until then."""
        self._urgent_until = max(self._urgent_until, deadline)
        if not self._stopped:
            self.wake()
            self._hurry.set()

    def flush(self, deadline: float) -> int:
        while not self._stopped and (left := deadline - time.monotonic()) > 0:
            self.hurry(deadline)
            with self._passed:
                before = self._passes
                self._wanted.set()
                self._passed.wait_for(lambda seen=before: self._passes > seen, timeout=left)  # type: ignore[misc] # bound default
            if self._pending(left) == 0:
                self._urgent_until = 0.0  # work may gather again; another flush that still waits says so again
                return 0
        return self._pending(deadline - time.monotonic())

    def _pending(self, patience_s: float = BUSY_S) -> int:
        return self._spool.pending(self.destination.name, patience_s=min(max(patience_s, _BRIEF_S), BUSY_S))

    def _run(self) -> None:
        while not self._stopped:
            if self._wanted.wait(_POLL_S):
                self._gather()
            self._wanted.clear()
            wait = self._one_pass()
            with self._passed:
                self._passes += 1
                self._passed.notify_all()
            if wait:
                self._pause(wait)
        if self._client is not None:
            self._client.close()

    def _gather(self) -> None:
        """Let work gather for a moment, unless a flush is waiting."""
        until = time.monotonic() + _LINGER_S
        while not self._stopped and (left := until - time.monotonic()) > 0:
            if time.monotonic() < self._urgent_until:
                return
            self._hurry.wait(left)
            self._hurry.clear()

    def _pause(self, seconds: float) -> None:
        """Wait after a failure; a flush cuts it short, other work does not."""
        until = self._clock() + seconds
        while not self._stopped and self._clock() < until:
            if time.monotonic() < self._urgent_until:
                time.sleep(min(0.1 * max(self._failures, 0.5), 1.0))
                return
            time.sleep(0.05)

    def _one_pass(self) -> float:
        """Deliver all there is; return how long to wait before the next try, 0 where all went well."""
        name = self.destination.name
        try:
            if not self._pending():
                return 0.0
            if not self._lease():
                return _FIRST_WAIT_S
            try:
                outcome = self._deliver()
            finally:
                self._spool.release(name, self._owner)
        except (sqlite3.Error, SpoolError) as error:
            return self._unreadable(error)
        except Exception as error:  # noqa: BLE001 - the next pass tries again; the rows are safe
            outcome = Outcome(Answer.RETRY_LATER, f"{type(error).__name__}: {error}")
        self._said_unreadable = False
        return self._judge(outcome)

    def _unreadable(self, error: Exception) -> float:
        """Say once that the store is in the way, not the server; begin a new one where it is damaged."""
        if not self._said_unreadable:
            self._said_unreadable = True
            _log.error("Delivery waits, since the trace store %s cannot be used: %s", self._spool.path, error)
        self._failures += 1
        with contextlib.suppress(sqlite3.Error, SpoolError, OSError):
            if isinstance(error, sqlite3.DatabaseError) and self._spool.recover(error):
                return _FIRST_WAIT_S
        return _POLL_S

    def _deliver(self) -> Outcome:
        """Send observations, then scores, until one fails or what there was is sent; what came meanwhile gathers."""
        more = self.destination.observations
        while more:
            batch = self._read()
            more = batch.more
            if batch.rows:
                outcome = self._send(batch.rows)
                if outcome.answer is not Answer.ACCEPTED or self._stopped:
                    return outcome
            if more:
                self._lease()
        if self.destination.scores_url is not None:
            return self._deliver_scores()
        return Outcome(Answer.ACCEPTED)

    def _read(self) -> Batch:
        """Return the next rows; one that is damaged is set aside."""
        while True:
            try:
                return self._spool.read_batch(self.destination.name, self._max_rows)
            except DamagedSpan as error:
                self._set_aside(error.seq, str(error))

    def _set_aside(self, seq: int, why: str) -> None:
        name = self.destination.name
        self._spool.set_aside(name, "observation", seq, why)
        self._spool.acknowledge(name, seq)
        _log.error(
            "%s does not get observation %d (%s): it is set aside, and stays in the store.", self._where, seq, why
        )

    def _lease(self) -> bool:
        self._leased_at = self._clock()
        return self._spool.lease(self.destination.name, self._owner)

    def _send(self, rows: Rows) -> Outcome:
        """Send rows and acknowledge them; a refused batch is halved until the row that is refused stands alone."""
        name = self.destination.name
        outcome = self._timed(lambda client: post_traces(client, self.destination, _request(rows)))
        if outcome.answer is Answer.ACCEPTED:
            if outcome.detail:
                self._note_partial(rows, outcome.detail)
            self._spool.acknowledge(name, rows[-1][0])
            self._failures = 0  # a server that takes some and fails some is not backed away from further and further
            return outcome
        if outcome.answer not in (Answer.REFUSED, Answer.TOO_LARGE):
            return outcome
        if len(rows) == 1:
            self._set_aside(rows[0][0], f"refused for good: {outcome.detail}")
            return Outcome(Answer.ACCEPTED)
        half = len(rows) // 2
        first = self._send(rows[:half])
        return self._send(rows[half:]) if first.answer is Answer.ACCEPTED else first

    def _note_partial(self, rows: Rows, detail: str) -> None:
        """Keep what may have been left out: OTLP says how many, not which, and forbids to send them again."""
        for seq, _, _ in rows:
            self._spool.set_aside(self.destination.name, "observation", seq, f"{detail} (of {len(rows)} sent together)")
        _log.error(
            "%s left observations out: %s. All %d that were sent together stay in the store.",
            self._where, detail, len(rows),
        )  # fmt: skip

    def _deliver_scores(self) -> Outcome:
        name = self.destination.name
        while found := self._spool.read_scores(name):
            for seq, score in found:
                outcome = self._timed(lambda client, item=score: post_score(client, self.destination, item))  # type: ignore[misc] # bound default
                if outcome.answer in (Answer.REFUSED, Answer.TOO_LARGE):
                    self._spool.set_aside(name, "score", seq, outcome.detail)
                    _log.error(
                        "%s refuses score %s for good (%s): it is set aside, and stays in the store.",
                        display_url(self.destination.scores_url or ""), score.id, outcome.detail,
                    )  # fmt: skip
                elif outcome.answer is not Answer.ACCEPTED:
                    return outcome
                self._spool.acknowledge_scores(name, seq)
                self._failures = 0
            self._lease()
        return Outcome(Answer.ACCEPTED)

    def _timed(self, send: Callable[[httpx.Client], Outcome]) -> Outcome:
        if self._client is None:
            self._client = self._make_client() if self._make_client else make_client(self.destination)
        self._in_flight_since = now = self._clock()
        if now - self._leased_at > _RENEW_S:  # many small requests may take longer than a lease
            self._lease()
        try:
            return send(self._client)
        finally:
            self._in_flight_since = None

    def _judge(self, outcome: Outcome) -> float:
        """Log the beginning and the end of a failure, once each; return how long to wait."""
        if outcome.answer is Answer.ACCEPTED:
            if self._said_failing:
                _log.warning("Delivery to %s works again.", self._where)
            self._failures, self._said_failing = 0, False
            return 0.0
        self._failures += 1
        wrong = outcome.answer is Answer.MISCONFIGURED
        if not self._said_failing:
            self._said_failing = True
            advice = f" {self.destination.advice}" if wrong else ""
            _log.warning(
                "%s does not take observations (%s); %s wait in the store and are delivered later.%s",
                self._where, outcome.detail, self._count(), advice,
            )  # fmt: skip
        if wrong:
            return _LONGEST_WAIT_S
        backoff = min(_FIRST_WAIT_S * 2 ** min(self._failures - 1, 10), _LONGEST_WAIT_S)
        return max(min(outcome.wait_s or 0.0, _LONGEST_ASKED_S), self._rng.uniform(backoff / 2, backoff))

    def _count(self) -> str:
        with contextlib.suppress(Exception):
            return str(self._pending())
        return "they"


def _request(rows: Rows) -> bytes:
    """Build one request: neighbours with the same resource and scope share their envelope."""
    groups = groupby(rows, key=lambda row: row[1])
    return otlp.build_request((envelope, [row[2] for row in group]) for envelope, group in groups)
