"""Check all rules once: measure, decide, keep, and tell."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from src.observability.alerts import messages
from src.observability.alerts.measures import measure
from src.observability.alerts.outbox import Outbox
from src.observability.alerts.readings import Reading
from src.observability.alerts.rules import LOG
from src.observability.alerts.state_file import StateFile
from src.observability.alerts.states import new_state, step
from src.observability.store.reader import StoreReader
from src.observability.store.schema import SpoolError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from src.observability.alerts.rules import Rule, RuleFile
    from src.observability.alerts.state_file import WaitingMessage
    from src.observability.alerts.states import News, State

_log = logging.getLogger("moondev.alerts")
_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "critical": logging.ERROR}


@dataclass(frozen=True, slots=True)
class Checked:
    """One rule as it was checked.

    Attributes:
        rule: The rule.
        state: Its state afterwards.
        reading: What it measured.
        news: The notifications.
    """

    rule: Rule
    state: State
    reading: Reading
    news: News | None = None


@dataclass(frozen=True, slots=True)
class Pass:
    """One check of all rules.

    Attributes:
        is_leading: Whether this process checks them; where another does, nothing else is known here.
        checked: Each rule.
        waiting: The messages that still wait to be sent.
    """

    is_leading: bool
    checked: tuple[Checked, ...] = ()
    waiting: tuple[WaitingMessage, ...] = field(default=())


def check(
    rules: RuleFile,
    store: Path,
    states: Mapping[str, tuple[State, Mapping[str, Any]]],
    now: float,
    waiting: Sequence[WaitingMessage] = (),
) -> list[Checked]:
    """Check all rules against their states; nothing is written.

    Args:
        rules: The rules.
        store: The trace store's file.
        states: Their states until now.
        now: The time in seconds since 1970.
        waiting: The messages that wait.
    """
    reader = StoreReader(store)
    busy = {item.rule for item in waiting}
    return [_checked(rule, reader, states, now, rules.every_s, waits=rule.name in busy) for rule in rules.rules]


def _checked(
    rule: Rule,
    reader: StoreReader,
    states: Mapping[str, tuple[State, Mapping[str, Any]]],
    now: float,
    every_s: float,
    *,
    waits: bool,
) -> Checked:
    known = states[rule.name][0] if rule.name in states else None
    state = known or new_state(now)
    try:
        reading = measure(rule, reader, now, None if known is None else known.watched_since)
    except SpoolError as error:
        reading = Reading(problem=messages.plain(str(error)).removesuffix("."))
    moved, news = step(rule, state, reading, now, gap_s=every_s, waits=waits)
    return Checked(rule=rule, state=moved, reading=reading, news=news)


class Watcher:
    """Checks the rules of a file on a store, again and again; of several processes one at a time does.

    Args:
        store: The trace store's file.
        rules: The rules.
        owner: This process, as leases name it.
        clock: Seconds since 1970.
        offline: Whether nothing may leave this machine.
    """

    def __init__(
        self,
        store: Path,
        rules: RuleFile,
        owner: str,
        *,
        clock: Callable[[], float] = time.time,
        offline: bool = False,
    ) -> None:
        self._store = store
        self.rules = rules
        self._owner = owner
        self._clock = clock
        self.state_file = StateFile(store, str(rules.path))
        self._outbox = Outbox(self.state_file, clock, offline=offline)
        self._offline = offline

    def run_once(self) -> Pass:
        """Check all rules, keep their states, and tell what is new.

        Raises:
            BookError: the states cannot be kept.
        """
        now = self._clock()
        if not self.state_file.lead(self._owner, now):
            return Pass(is_leading=False)
        checked = check(self.rules, self._store, self.state_file.states(), now, self.state_file.waiting())
        states = {item.rule.name: (item.state, messages.reading_data(item.rule, item.reading)) for item in checked}
        documents = [
            (item, messages.message(item.rule, item.state, item.reading, item.news, now))
            for item in checked
            if item.news is not None
        ]
        addressed = [
            (item.rule.name, name, document)
            for item, document in documents
            for name in dict.fromkeys(item.rule.to)
            if self.rules.destinations[name].kind != LOG and not self._is_held_back(name)
        ]
        if not self.state_file.save(states, addressed, owner=self._owner, now=now):
            return Pass(is_leading=False)
        for item, document in documents:
            if LOG in item.rule.to:
                log(item.rule, document)
        waiting = self._outbox.deliver(self.rules)
        return Pass(is_leading=True, checked=tuple(checked), waiting=tuple(waiting))

    def leave(self) -> None:
        """Let another process check the rules at once."""
        self.state_file.leave(self._owner)

    def _is_held_back(self, name: str) -> bool:
        return self._offline and self.rules.destinations[name].kind != "command"


def log(rule: Rule, document: Mapping[str, Any]) -> None:
    """Write a message into the log."""
    level = logging.INFO if document["status"] == "resolved" else _LEVELS[rule.severity]
    # An end is of interest to whoever has seen the beginning.
    level = max(level, logging.WARNING) if document["status"] == "resolved" and rule.severity != "info" else level
    _log.log(level, "%s: %s; %s.", messages.title(dict(document)), document["text"], document.get("bounds", ""))
