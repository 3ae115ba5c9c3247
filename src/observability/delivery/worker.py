"""Decide when a destination gets its observations, or its scores: on a thread, with pauses and with backoff."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
import time
import weakref
from typing import TYPE_CHECKING, Final

from src.observability.delivery.http_post import Answer, Outcome
from src.observability.delivery.sender import DeliveryState, Sender
from src.observability.network import NetworkProblem, display_url
from src.observability.store.connections import BUSY_S
from src.observability.store.records import Accepts
from src.observability.store.schema import SpoolError

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    import httpx

    from src.observability.delivery.destinations import Destination
    from src.observability.store.row_kinds import KindName
    from src.observability.store.spool import Spool

_log = logging.getLogger("moondev.exporter")
_POLL_S: Final = 5.0  # other processes' rows come without a signal
_FIRST_BACKOFF_S: Final = 0.5
_LONGEST_BACKOFF_S: Final = 60.0
_LONGEST_RETRY_AFTER_S: Final = 300.0
_SLOW_REQUEST_S: Final = 1.0
_BRIEF_S: Final = 0.2
_PRECEDENCE_S: Final = 0.5
_BETWEEN_PASSES_S: Final = 0.02  # of a flush that waits for something to be confirmed


class Worker:
    """Bring one destination up to date in one kind of rows, pass after pass.

    Args:
        spool: The store.
        destination: Where to deliver.
        kind: What to deliver.
        clock: Seconds that never go backwards.
        rng: Draws the jitter of the backoff.
        make_client: Makes the HTTP client; one with the destination's certificates where not set.
        after: The worker whose pass this one lets begin first, for a moment: observations go before their scores.
    """

    def __init__(
        self,
        spool: Spool,
        destination: Destination,
        kind: KindName = "observation",
        *,
        clock: Callable[[], float],
        rng: random.Random,
        make_client: Callable[[], httpx.Client] | None,
        after: Worker | None = None,
    ) -> None:
        self._after = after
        self.destination = destination
        self.kind: KindName = kind
        self._accepts = Accepts.OBSERVATIONS if kind == "observation" else Accepts.SCORES
        url = destination.traces_url if kind == "observation" else destination.scores_url
        self._url = display_url(url or "")
        self._spool = spool
        self._clock = clock
        self._rng = rng
        self._make_client = make_client
        self._state = DeliveryState()
        self._told_to_wait = False
        self._logged_failure = False
        self._logged_store_error = False
        self._reset()
        if hasattr(os, "register_at_fork"):
            reset = weakref.WeakMethod(self._reset)
            os.register_at_fork(after_in_child=lambda: (method := reset()) and method())

    def _reset(self) -> None:
        """Make what belongs to one process; a forked child has neither the thread nor the connections."""
        self._lock = threading.Lock()
        self._work = threading.Event()
        self._urgent = threading.Event()
        self._urgent_until = 0.0
        self._flushes = 0
        self._pass_ended = threading.Condition()
        self._passes = 0
        self._in_pass = False
        self._thread: threading.Thread | None = None
        self._sender = Sender(
            self._spool,
            self.destination,
            self.kind,
            clock=self._clock,
            make_client=self._make_client,
            state=self._state,
        )

    @property
    def failing(self) -> bool:
        """Tell whether the last delivery failed, or a request has waited for over a second."""
        since = self._sender.in_flight_since
        return self._state.failures > 0 or (since is not None and self._clock() - since > _SLOW_REQUEST_S)

    @property
    def started(self) -> bool:
        """Tell whether the thread has started."""
        return self._thread is not None

    def wake(self) -> None:
        """Signal that there are rows to deliver."""
        if self._thread is None:
            self._start()
        if not self._work.is_set():
            self._work.set()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None and not self._state.stopped:
                thread = threading.Thread(target=self._run, name="moondev-exporter", daemon=True)
                # No thread can start while the interpreter shuts down, or where there are too many: the rows stay.
                with contextlib.suppress(RuntimeError):
                    thread.start()
                    self._thread = thread

    def stop(self) -> None:
        """End the thread after the request that is under way."""
        self._state.stopped = True
        self._work.set()
        self._urgent.set()

    def begin_flush(self, deadline: float) -> None:
        """Begin what `flush` waits for, so that several destinations work at the same time."""
        self._flushes += 1
        self._hurry(deadline)

    def _hurry(self, deadline: float) -> None:
        """Run passes without pauses until a moment of `time.monotonic`."""
        self._urgent_until = max(self._urgent_until, deadline)
        if not self._state.stopped:
            self.wake()
            self._urgent.set()

    def flush(self, deadline: float) -> int:
        """Deliver until nothing is pending or the deadline has come; return how many rows are pending.

        `begin_flush` goes before.
        """
        while not self._state.stopped and (left := deadline - time.monotonic()) > 0:
            self._hurry(deadline)
            with self._pass_ended:
                before = self._passes
                self._work.set()
                self._pass_ended.wait_for(lambda passes=before: self._passes > passes, timeout=left)  # type: ignore[misc] # bound default
            if self._pending(left) == 0:
                self._urgent_until = 0.0  # work may gather again; another flush that still waits sets it again
                return 0
            time.sleep(_BETWEEN_PASSES_S)
        return self._pending(deadline - time.monotonic())

    def _pending(self, patience_s: float = BUSY_S) -> int:
        patience_s = min(max(patience_s, _BRIEF_S), BUSY_S)
        return self._spool.pending(self.destination.name, self._accepts, patience_s=patience_s)

    def _run(self) -> None:
        while not self._state.stopped:
            if self._work.wait(_POLL_S):
                self._gather()
            self._in_pass = True
            self._work.clear()
            if self._after is not None:
                self._after.wait_for_pass(_PRECEDENCE_S)
            flushes = self._flushes
            wait_s = self.run_once()
            with self._pass_ended:
                self._passes += 1
                self._in_pass = False
                self._pass_ended.notify_all()
            if wait_s:
                self._back_off(wait_s, flushes)
        self._sender.close()

    def wait_for_pass(self, patience_s: float) -> None:
        """Wait for the end of a pass that is due or under way, for a moment."""
        with self._pass_ended:
            passes = self._passes
            if self._thread is not None and (self._work.is_set() or self._in_pass):
                self._pass_ended.wait_for(lambda: self._passes > passes, timeout=patience_s)

    def _gather(self) -> None:
        """Let work gather for a moment, unless a flush is waiting."""
        deadline = time.monotonic() + self.destination.gather_s
        while not self._state.stopped and (left := deadline - time.monotonic()) > 0:
            if time.monotonic() < self._urgent_until:
                return
            self._urgent.wait(left)
            self._urgent.clear()

    def _back_off(self, seconds: float, flushes: int) -> None:
        """Wait after a failure; a flush cuts the wait short, other work does not.

        Where the server said how long to wait, a flush tries once at its beginning and then waits for that long.

        Args:
            seconds: How long to wait.
            flushes: How many flushes had begun before the request that failed.
        """
        deadline = self._clock() + seconds
        while not self._state.stopped and self._clock() < deadline:
            if time.monotonic() < self._urgent_until and not (self._told_to_wait and self._flushes == flushes):
                time.sleep(min(0.1 * max(self._state.failures, 0.5), 1.0))
                return
            time.sleep(0.05)

    def run_once(self) -> float:
        """Deliver what is pending; return how many seconds to wait before the next pass, 0 where all was accepted."""
        try:
            if not self._pending():
                return 0.0
            outcome = self._sender.deliver(urgent=time.monotonic() < self._urgent_until)
        except (sqlite3.Error, SpoolError) as error:
            return self._store_failed(error)
        except NetworkProblem as problem:  # until a variable is corrected, or for good in this process
            outcome = Outcome(answer=Answer.RETRY_LATER, detail=str(problem))
        except Exception as error:  # noqa: BLE001 - the next pass tries again; the rows are safe
            outcome = Outcome(answer=Answer.RETRY_LATER, detail=f"{type(error).__name__}: {error}")
        self._told_to_wait = False
        if outcome is None:  # another process delivers
            return _FIRST_BACKOFF_S
        self._logged_store_error = False
        return self._judge(outcome)

    def _store_failed(self, error: Exception) -> float:
        """Log once that the store holds delivery up, not the server; begin a new file where this one is damaged."""
        if not self._logged_store_error:
            self._logged_store_error = True
            _log.error("Delivery waits, since the trace store %s cannot be used: %s", self._spool.path, error)
        self._state.failures += 1
        with contextlib.suppress(sqlite3.Error, SpoolError, OSError):
            if isinstance(error, sqlite3.DatabaseError) and self._spool.recover(error):
                return _FIRST_BACKOFF_S
        return _POLL_S

    def _judge(self, outcome: Outcome) -> float:
        """Log the beginning and the end of a failure, once each; return how many seconds to wait."""
        if outcome.answer is Answer.ACCEPTED:
            if self._logged_failure:
                _log.warning("Delivery to %s works again.", self._url)
            self._state.failures, self._logged_failure = 0, False
            return 0.0
        self._state.failures += 1
        self._told_to_wait = bool(outcome.wait_s)
        misconfigured = outcome.answer is Answer.MISCONFIGURED
        if not self._logged_failure:
            self._logged_failure = True
            advice = f" {self.destination.advice}" if misconfigured else ""
            _log.warning(
                "%s does not take %ss (%s); %s wait in the store and are delivered later.%s",
                self._url, self.kind, outcome.detail, self._pending_text(), advice,
            )  # fmt: skip
        if misconfigured:
            return _LONGEST_BACKOFF_S
        backoff = min(_FIRST_BACKOFF_S * 2 ** min(self._state.failures - 1, 10), _LONGEST_BACKOFF_S)
        return max(min(outcome.wait_s or 0.0, _LONGEST_RETRY_AFTER_S), self._rng.uniform(backoff / 2, backoff))

    def _pending_text(self) -> str:
        """Return how many rows are pending, for a log line."""
        with contextlib.suppress(Exception):
            return str(self._pending())
        return "they"
