"""Show rules of alerts, their states, and what became of messages."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final

from src.observability.alerts import fields, forms, messages, outbox, posting
from src.observability.commands.console import escape, note, out
from src.observability.commands.tables import Column, print_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from src.observability.alerts.rules import Destination, Rule, RuleFile
    from src.observability.alerts.state_file import StateFile
    from src.observability.alerts.watcher import Checked, Pass

_STYLES: Final = {"firing": "bold red", "pending": "bold yellow", "ok": "green", "never checked": "dim"}
_LISTED: Final = (
    Column("rule", least=10),
    Column("state"),
    Column("since", rank=2, right=True),
    Column("last measured", rank=1, least=24, comfortable=30),
    Column("fires at", rank=3, least=20),
    Column("to", rank=4, least=8),
)
_CHECKED: Final = (
    Column("rule", least=10),
    Column("now"),
    Column("measured", least=24),
    Column("fires at", rank=1, least=20),
)
_NOW: Final = {"met": "holds", "between": "between", "clear": "clear", "missing": "unknown"}


def listing(rules: RuleFile, state_file: StateFile) -> dict[str, Any]:
    """Return the rules with their states as plain data; nothing is measured."""
    states, waiting = state_file.states(), state_file.waiting()
    rows = []
    for rule in rules.rules:
        state, reading = states.get(rule.name, (None, {}))
        rows.append(
            {
                **rule_data(rule),
                "state": "never checked" if state is None else state.status,
                "since": None if state is None else messages.moment(state.since),
                "checked": None if state is None else messages.moment(state.seen_at),
                "reading": reading or None,
            }
        )
    return {
        "file": str(rules.path),
        "rules": rows,
        "waiting": [
            {
                "rule": item.rule,
                "to": item.destination,
                "created": messages.moment(item.created),
                "attempts": item.attempts,
                "problem": item.problem,
            }
            for item in waiting
        ],
        "checked_by": state_file.leader(),
    }


def rule_data(rule: Rule) -> dict[str, Any]:
    """Return a rule as plain data."""
    return {
        "name": rule.name,
        "kind": rule.kind,
        "condition": rule.condition(),
        "threshold": rule.threshold,
        "clear": rule.clear,
        "where": dict(rule.where),
        "severity": rule.severity,
        "to": list(rule.to),
    }


def show_listing(document: Mapping[str, Any], now: float) -> None:
    """Print the rules with their states."""
    rows = []
    for row in document["rules"]:
        reading = row["reading"] or {}
        rows.append(
            (
                escape(row["name"]),
                _styled(row["state"]),
                "-" if row["since"] is None else fields.shown_duration(_age_s(row["since"], now)),
                escape(reading.get("text", "-")),
                escape(_condition(row)),
                escape(", ".join(row["to"])),
            )
        )
    print_table(_LISTED, rows)
    if any(row["checked"] is None for row in document["rules"]):
        note("Rules are checked while a process records calls, and by `moondev alerts watch`.")
    else:
        ages = [_age_s(row["checked"], now) for row in document["rules"]]
        note(f"Last checked {fields.shown_duration(max(ages))} ago.")
    for item in document["waiting"]:
        reason = f" after {item['attempts']} attempts: {item['problem']}" if item["attempts"] else ""
        note(f"A message of {item['rule']} to {item['to']} waits since {item['created']}{reason}.")


def _age_s(moment: str, now: float) -> float:
    from datetime import datetime

    return max(now - datetime.fromisoformat(moment).timestamp(), 0.0)


def _condition(row: Mapping[str, Any]) -> str:
    where = ", ".join(f"{name} {value}" for name, value in row["where"].items())
    return f"{row['condition']}{f' ({where})' if where else ''}"


def _styled(state: str) -> str:
    return f"[{_STYLES.get(state, 'bold')}]{state}[/]"


def checked_data(item: Checked) -> dict[str, Any]:
    """Return a rule as it was checked now; `holds` says whether its condition does, or it fires still."""
    reading = messages.reading_data(item.rule, item.reading)
    return {
        **rule_data(item.rule),
        "state": item.state.status,
        "holds": reading["verdict"] == "met" or item.state.status == "firing",
        "reading": reading,
    }


def show_checked(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rules as they were checked now."""
    cells = []
    for row in rows:
        now = "fires" if row["state"] == "firing" else _NOW[row["reading"]["verdict"]]
        style = "bold red" if row["holds"] else "yellow" if now == "unknown" else "green"
        cells.append(
            (escape(row["name"]), f"[{style}]{now}[/]", escape(row["reading"]["text"]), escape(_condition(row)))
        )
    print_table(_CHECKED, cells)
    unknown = sum(row["reading"]["verdict"] == "missing" for row in rows)
    if unknown:
        note(f"{unknown} of {len(rows)} rules have too little to measure: their state is unknown.")


def show_news(result: Pass) -> None:
    """Print what a check has found out."""
    for item in result.checked:
        if item.news is not None:
            text = messages.sentence(item.rule, item.reading)
            style = "green" if item.news == "resolved" else "bold red"
            stamp = messages.moment(item.state.seen_at)
            out().print(f"{stamp} [{style}]{item.news}[/] {escape(item.rule.name)}: {escape(messages.plain(text))}")


def trial(rules: RuleFile, name: str | None, *, dry_run: bool, offline: bool) -> list[dict[str, Any]]:
    """Send a test to the chosen destinations, and return their answers.

    Args:
        rules: The rules.
        name: A rule or a destination; None for all destinations.
        dry_run: Whether nothing is sent.
        offline: Whether nothing may leave this machine.

    Raises:
        ValueError: nothing has that name.
    """
    rule = next((item for item in rules.rules if item.name == name), None)
    if rule is not None:
        names = rule.to
    elif name is None:
        names = tuple(rules.destinations)
    elif name in rules.destinations:
        names = (name,)
    else:
        known = ", ".join([*rules.destinations, *(item.name for item in rules.rules)])
        raise ValueError(f"{name!r} is neither a rule nor a destination of {rules.path}: give one of {known}.")
    document = messages.trial_message(time.time(), rule)
    return [_tried(rules.destinations[item], document, dry_run=dry_run, offline=offline) for item in names]


def _tried(destination: Destination, document: dict[str, Any], *, dry_run: bool, offline: bool) -> dict[str, Any]:
    row = {"destination": destination.name, "kind": destination.kind, "ok": True, "sent": False}
    if destination.kind == "log":
        return {**row, "detail": "the log needs no test: alerts are warnings and errors of the logger moondev.alerts"}
    if dry_run:
        body = forms.payload(destination, document, time.time())
        try:
            if destination.kind != "command":
                posting.check(destination)
        except posting.NotSetUp as error:
            return {**row, "ok": False, "detail": str(error), "body": body}
        return {**row, "detail": "nothing is sent", "body": body}
    if offline and destination.kind != "command":
        return {**row, "ok": False, "detail": "MOONDEV_OFFLINE is set: nothing is sent anywhere"}
    result = outbox.send(destination, document, time.time())
    return {**row, "ok": result.is_sent, "sent": True, "detail": result.detail}


def show_trial(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print what came back of a test."""
    for row in rows:
        mark = "[green]ok[/]    " if row["ok"] else "[bold red]failed[/]"
        out().print(f"{mark} {escape(row['destination'])} ({row['kind']}): {escape(row['detail'])}")
        if "body" in row:
            out().print(escape(json.dumps(row["body"], ensure_ascii=False)))
