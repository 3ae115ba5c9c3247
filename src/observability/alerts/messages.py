"""Write the notification about a rule as plain data: one document for every form of destination."""

from __future__ import annotations

import platform
import re
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from src.observability.alerts import fields
from src.observability.alerts.states import verdict_of
from src.observability.redaction import redact_text

if TYPE_CHECKING:
    from src.observability.alerts.readings import Reading
    from src.observability.alerts.rules import Rule
    from src.observability.alerts.states import State

_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_LATE_S: Final = 120.0


def plain(text: str) -> str:
    """Return a text of one line without secrets and control characters."""
    return _CONTROLS.sub(" ", redact_text(text)).strip()


def sentence(rule: Rule, reading: Reading) -> str:
    """Return the measured value, its n and its interval, and the value at which the rule fires."""
    measure = rule.measure
    if reading.value is None:
        return reading.problem if rule.is_silence else f"{rule.subject} is not known: {reading.problem}"
    least = "for " if rule.is_silence else "at least " if reading.at_least else ""
    parts = [f"{rule.subject} {least}{measure.show(reading.value)}"]
    if rule.window_s is not None:
        parts.append(
            f" of {reading.n:,} {_things(measure.things, reading.n)} in {fields.shown_duration(rule.window_s)}"
        )
    if reading.interval is not None:
        low, high = (measure.show(max(value, 0.0)) for value in reading.interval)
        parts.append(f" (95 % interval {low} to {high})")
    text = "".join(parts)
    if verdict_of(rule, reading) == "missing":
        text += f", too few to say: the rule wants {rule.min_n:,}"
    return f"{text}; {reading.detail}" if reading.detail else text


def _things(plural: str, n: int) -> str:
    return plural.removesuffix("s") if n == 1 else plural


def bounds(rule: Rule) -> str:
    """Return where a rule fires and ends."""
    sign = "below" if rule.measure.is_below else "after" if rule.is_silence else "at"
    text = f"fires {sign} {rule.measure.show(rule.threshold)}"
    return text if rule.clear == rule.threshold else f"{text}, ends at {rule.measure.show(rule.clear)}"


def reading_data(rule: Rule, reading: Reading) -> dict[str, Any]:
    """Return a reading as plain data."""
    data = asdict(reading) | {"verdict": verdict_of(rule, reading), "text": plain(sentence(rule, reading))}
    data["detail"], data["problem"] = plain(reading.detail), plain(reading.problem)
    return data


def message(rule: Rule, state: State, reading: Reading, news: str, now: float) -> dict[str, Any]:
    """Return the document of a piece of news about a rule."""
    where = {name: plain(value) for name, value in rule.where.items()}
    return {
        "id": f"{plain(rule.name)}/{int(state.fired_at)}/{news}/{int(now)}",
        "status": news,
        "rule": plain(rule.name),
        "kind": rule.kind,
        "severity": rule.severity,
        "text": plain(sentence(rule, reading)),
        "bounds": bounds(rule),
        "where": where,
        "value": reading.value,
        "at_least": reading.at_least,
        "n": reading.n,
        "interval": None if reading.interval is None else list(reading.interval),
        "threshold": rule.threshold,
        "clear": rule.clear,
        "window_s": rule.window_s,
        "missing": verdict_of(rule, reading) == "missing",
        "since": moment(state.fired_at),
        "at": moment(now),
        "host": plain(platform.node()),
    }


def trial_message(now: float, rule: Rule | None = None) -> dict[str, Any]:
    """Return a message that says of itself that it is a test."""
    of_rule = "" if rule is None else f" of the rule {plain(rule.name)} ({rule.condition()})"
    return {
        "id": f"test/{int(now)}",
        "status": "test",
        "rule": "test" if rule is None else plain(rule.name),
        "kind": "test",
        "severity": "info" if rule is None else rule.severity,
        "text": f"This is a test{of_rule}: nothing is wrong. It was sent by `moondev alerts test`",
        "at": moment(now),
        "host": plain(platform.node()),
    }


def title(document: dict[str, Any]) -> str:
    """Return the first line of a message: `[FIRING] errors (warning)`."""
    return f"[{document['status'].upper()}] {document['rule']} ({document['severity']})"


def body(document: dict[str, Any], sent_at: float) -> str:
    """Return a message as a text of some lines; one that comes late says so."""
    lines = [title(document), document["text"] + "."]
    where = ", ".join(f"{name} {value}" for name, value in document.get("where", {}).items())
    parts = [document.get("bounds", ""), where, f"fired {document['since']}" if "since" in document else ""]
    details = "; ".join(filter(None, parts))
    if details:
        lines.append(details[0].upper() + details[1:] + ".")
    late_s = sent_at - datetime.fromisoformat(document["at"]).timestamp()
    late = f", delivered {fields.shown_duration(late_s)} late" if late_s > _LATE_S else ""
    lines.append(f"{document['at']} on {document['host'] or 'an unnamed host'}{late}")
    return "\n".join(lines)


def moment(seconds: float) -> str:
    """Return a time as text in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
