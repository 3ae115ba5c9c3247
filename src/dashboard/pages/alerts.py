"""The rules of alerts with their states, as they were last checked, and the messages that wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from src.dashboard.pages.kinds import PageKind
from src.dashboard.view.panels import Column, Figure, Page, Panel, Table
from src.observability.alerts.location import AlertsError, alerts_path
from src.observability.alerts.rule_file import read_rules
from src.observability.alerts.state_file import StateFile, StateFileError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from src.dashboard.pages.kinds import Context
    from src.observability.alerts.rules import Rule
    from src.observability.alerts.state_file import WaitingMessage
    from src.observability.alerts.states import State

_NS: Final = 1_000_000_000
_RULES: Final = (
    Column("rule", "rule"),
    Column("state", "state"),
    Column("since", "since", "time"),
    Column("measured", "last measured"),
    Column("condition", "fires at"),
    Column("where", "of"),
    Column("severity", "severity"),
    Column("to", "to"),
    Column("checked", "checked", "time"),
)
_WAITING: Final = (
    Column("rule", "rule"),
    Column("to", "to"),
    Column("status", "news"),
    Column("created", "written", "time"),
    Column("attempts", "attempts", "count"),
    Column("problem", "why not yet"),
)
NONE: Final = (
    "There is no file of rules where the dashboard was started yet: write alerts.toml, or name one in MOONDEV_ALERTS."
)


def _build(context: Context) -> Page:
    try:
        path = alerts_path()
        if path is None:
            return Page(empty=NONE)
        rules = read_rules(path).rules
        state_file = StateFile(context.store.path, str(path))
        states, waiting = state_file.states(), state_file.waiting()
    except (AlertsError, StateFileError) as error:
        return Page(empty=str(error))
    firing = sum(state.status == "firing" for state, _ in states.values())
    figures = (
        Figure(key="firing", label="Rules that fire", value=firing, kind="count", n=len(rules), of="rules"),
        Figure(key="waiting", label="Messages that wait", value=len(waiting), kind="count", n=None, of=""),
    )
    panels = [_rules_panel(rules, states, str(path))]
    if waiting:
        rows = [_waiting_row(item) for item in waiting]
        panels.append(Panel(slug="waiting", title="Messages that wait", table=Table(_WAITING, rows)))
    return Page(figures=figures, panels=tuple(panels))


def _rules_panel(rules: tuple[Rule, ...], states: Mapping[str, tuple[State, Mapping[str, Any]]], path: str) -> Panel:
    rows = [_row(rule, *states.get(rule.name, (None, {}))) for rule in rules]
    notes = [f"The rules of {path}."]
    if any(rule.name not in states for rule in rules):
        notes.append("A rule is checked once a process trades on this store, or by `moondev alerts watch`.")
    return Panel(slug="rules", title="Rules", table=Table(_RULES, rows), notes=tuple(notes))


def _row(rule: Rule, state: State | None, reading: Mapping[str, Any]) -> tuple[Any, ...]:
    return (
        rule.name,
        "never checked" if state is None else state.status,
        None if state is None else int(state.since * _NS),
        reading.get("text"),
        rule.condition(),
        ", ".join(f"{name} {value}" for name, value in rule.where.items()) or "everything",
        rule.severity,
        ", ".join(rule.to),
        None if state is None else int(state.seen_at * _NS),
    )


def _waiting_row(item: WaitingMessage) -> tuple[Any, ...]:
    created_ns = int(item.created * _NS)
    return (item.rule, item.destination, item.message.get("status"), created_ns, item.attempts, item.problem)


KIND: Final = PageKind(
    slug="alerts",
    title="Alerts",
    build=_build,
    intro="Your rules, what they measured last, and who is still to be told.",
)
