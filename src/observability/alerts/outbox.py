"""Bring waiting messages to their destinations: each destination in its order, and beside the others."""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from src.observability.alerts import child, posting
from src.observability.alerts.posting import Delivery
from src.observability.delivery.parallel import run_together

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from src.observability.alerts.rules import Destination, RuleFile
    from src.observability.alerts.state_file import StateFile, WaitingMessage

_log = logging.getLogger("moondev.alerts")
_FIRST_BACKOFF_S: Final = 10.0
_LONGEST_BACKOFF_S: Final = 600.0
_LONGEST_WAIT_S: Final = 3_600.0  # that a server may ask for
_GIVE_UP_S: Final = 3 * 86_400.0
_LONGEST_PASS_S: Final = 45.0  # with the longest request after it, shorter than the lease
_MOST_AT_ONCE: Final = 5  # messages of one destination in one pass


def send(destination: Destination, document: dict[str, Any], now: float) -> Delivery:
    """Send one message; every failure is a result."""
    try:
        if destination.kind == "command":
            return child.run(destination, document, now)
        return posting.send(destination, document)
    except Exception as error:  # noqa: BLE001 - another attempt follows
        return Delivery(is_sent=False, detail=f"{type(error).__name__}")


class Outbox:
    """The messages that wait.

    Args:
        book: Where they are kept.
        clock: Seconds since 1970.
        offline: Whether nothing may leave this machine; commands run all the same.
    """

    def __init__(self, state_file: StateFile, clock: Callable[[], float], *, offline: bool = False) -> None:
        self._state_file = state_file
        self._clock = clock
        self._offline = offline
        self._failing: set[str] = set()  # destinations whose failure is logged already

    def deliver(self, rules: RuleFile) -> list[WaitingMessage]:
        """Send the messages that are due; return those that still wait."""
        now = self._clock()
        by_destination: dict[str, list[WaitingMessage]] = {}
        for item in self._state_file.waiting():
            destination = rules.destinations.get(item.destination)
            if destination is None or now - item.created > _GIVE_UP_S:
                self._give_up(item, "it is no longer in the alerts file" if destination is None else item.problem)
            elif not self._offline or destination.kind == "command":
                by_destination.setdefault(item.destination, []).append(item)
        calls = [
            partial(self._bring, rules.destinations[name], items[:_MOST_AT_ONCE])
            for name, items in by_destination.items()
            if items[0].next_at <= now  # one that waits holds back those after it
        ]
        if calls:
            run_together(calls)
        return self._state_file.waiting()

    def _bring(self, destination: Destination, items: Sequence[WaitingMessage]) -> None:
        """Send messages to one destination until it takes one not."""
        began = time.monotonic()
        for item in items:
            if time.monotonic() - began > _LONGEST_PASS_S:
                return
            result = send(destination, dict(item.message), self._clock())
            if not result.is_sent:
                self._failed(destination, item, result)
                return
            self._state_file.sent(item.id)
            if destination.name in self._failing:
                self._failing.discard(destination.name)
                _log.warning("Alerts to %s are delivered again.", destination.name)

    def _failed(self, destination: Destination, item: WaitingMessage, result: Delivery) -> None:
        backoff = min(_FIRST_BACKOFF_S * 2 ** min(item.attempts, 10), _LONGEST_BACKOFF_S)
        wait_s = max(backoff, min(result.wait_s or 0.0, _LONGEST_WAIT_S))
        self._state_file.postpone(item.id, result.detail, self._clock() + wait_s)
        if destination.name not in self._failing:
            self._failing.add(destination.name)
            _log.error(
                "Alerts to %s are not delivered (%s): they wait, and are tried again.", destination.name, result.detail
            )

    def _give_up(self, item: WaitingMessage, reason: str) -> None:
        self._state_file.sent(item.id)
        _log.error("A message of the alert %s to %s is given up: %s.", item.rule, item.destination, reason or "too old")
