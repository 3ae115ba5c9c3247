"""Read the filters of a page from its address, and write them back: the address says all that a page depends on."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from src.observability.ledger import HorizonError, parse_horizon

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

_LONGEST: Final = 500
_NS: Final = 1_000_000_000
_LARGEST: Final = 1e9  # of a number of ms or dollars: the store counts in billionths, in 64 bits
ANY_CATEGORY: Final = "any"  # of an observation that failed, for whatever reason
_LAST_YEAR: Final = 2200  # times are 64-bit nanoseconds, which end in 2262


class FilterError(ValueError):
    """A filter cannot be what it says; the message names it, the reason and the remedy."""


@dataclass(frozen=True, slots=True)
class Field:
    """One filter: its label, an example, and its choices where there are few."""

    name: str
    label: str
    example: str = ""
    choices: tuple[str, ...] = ()


FIELDS: Final = {
    item.name: item
    for item in (
        Field("since", "Since", "7d or 2026-11-01"),
        Field("until", "Until", "1h or 2026-12-01"),
        Field("agent", "Agent"),
        Field("model", "Model"),
        Field("provider", "Provider"),
        Field("symbol", "Symbol"),
        Field("session", "Session"),
        Field("user", "User"),
        Field("environment", "Environment"),
        Field("prompt", "Prompt"),
        Field("member", "Member"),
        Field("book", "Book", choices=("live", "after", "inside")),
        Field("action", "Action", choices=("BUY", "SELL", "NOTHING")),
        Field("status", "Status", choices=("ok", "error")),
        Field("outcome", "Outcome", choices=("right", "wrong", "open")),
        Field("category", "Error category", "rate_limit, or any"),
        Field("horizon", "Horizon", "24h"),
        Field("by", "By"),
        Field("other", "Compare with"),
        Field("name", "Name", "trading_agent.swarm"),
        Field("text", "Text", "in prompts and replies"),
        Field("min_ms", "At least ms", "5000"),
        Field("min_usd", "At least $", "0.01"),
    )
}


@dataclass(frozen=True, slots=True)
class Filters:
    """The filters of one view; None where one is not set."""

    since: str | None = None
    until: str | None = None
    agent: str | None = None
    model: str | None = None
    provider: str | None = None
    symbol: str | None = None
    session: str | None = None
    user: str | None = None
    environment: str | None = None
    prompt: str | None = None
    member: str | None = None
    book: str | None = None
    action: str | None = None
    status: str | None = None
    outcome: str | None = None
    category: str | None = None
    horizon: str | None = None
    by: str | None = None
    other: str | None = None
    name: str | None = None
    text: str | None = None
    min_ms: str | None = None
    min_usd: str | None = None

    def set_values(self) -> dict[str, str]:
        """Return the filters that are set, in their order."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    def query(self, allowed: Collection[str] | None = None, **changes: str | None) -> str:
        """Return the filters as the query of an address, with its question mark; `allowed` leaves others out."""
        values = {name: value for name, value in self.set_values().items() if allowed is None or name in allowed}
        for name, value in changes.items():
            values.pop(name, None)
            if value is not None:
                values[name] = value
        return f"?{urlencode(values)}" if values else ""

    def times(self, now_ns: int) -> tuple[int | None, int | None]:
        """Return the first nanosecond that is in, and the first that is not; None where there is no bound."""
        return moment(self.since, "since", now_ns), moment(self.until, "until", now_ns)

    def number(self, name: str) -> float | None:
        """Return a filter that is a number of 0 or more."""
        text: str | None = getattr(self, name)
        if text is None:
            return None
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not 0 <= value <= _LARGEST:
            raise FilterError(f"{FIELDS[name].label} is {text!r:.60}: give a number of 0 or more, up to a billion.")
        return value


def parse(pairs: Iterable[tuple[str, str]], allowed: Collection[str], now_ns: int) -> Filters:
    """Return the filters that an address sets; empty ones are not set.

    Raises:
        FilterError: the page has no such filter, or its value cannot be.
    """
    values: dict[str, str] = {}
    for name, text in pairs:
        value = text.strip()
        if name not in allowed:
            names = ", ".join(allowed) or "none"
            raise FilterError(f"This page has no filter {name!r:.60}; it has: {names}.")
        if not value:
            continue
        if name in values:
            raise FilterError(f"The filter {FIELDS[name].label!r} is there twice: give it once.")
        if len(value) > _LONGEST:
            raise FilterError(f"The filter {FIELDS[name].label!r} is longer than {_LONGEST} characters.")
        values[name] = value
    filters = Filters(**values)
    _check(filters, now_ns)
    return filters


def _check(filters: Filters, now_ns: int) -> None:
    for name, value in filters.set_values().items():
        field = FIELDS[name]
        if field.choices and value not in field.choices:
            raise FilterError(f"{field.label} is {value!r:.60}: give one of {', '.join(field.choices)}.")
    since, until = filters.times(now_ns)
    if since is not None and until is not None and since >= until:
        raise FilterError(f"Since ({filters.since}) is not before until ({filters.until}): nothing can be between.")
    filters.number("min_ms")
    filters.number("min_usd")
    if filters.horizon is not None:
        try:
            parse_horizon(filters.horizon)
        except HorizonError as error:
            raise FilterError(str(error)) from error


def stamp(ns: int) -> str:
    """Return a time as a filter has it, to the microsecond, which `moment` reads back: 2026-11-01T14:30:00."""
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=ns // 1_000)
    return at.replace(tzinfo=None).isoformat()


def moment(text: str | None, name: str, now_ns: int) -> int | None:
    """Return the time that a text names: a date or time in UTC, or how long ago (24h, 7d)."""
    if text is None:
        return None
    try:
        return max(now_ns - parse_horizon(text).seconds * _NS, 0)
    except HorizonError:
        pass
    try:
        stamp = datetime.fromisoformat(text)
    except ValueError:
        stamp = None
    if stamp is None or not 1970 <= stamp.year < _LAST_YEAR:
        raise FilterError(
            f"{FIELDS[name].label} is {text!r:.60}: give how long ago (90m, 24h, 7d), or a date or time in UTC "
            "such as 2026-11-01 or 2026-11-01T14:30."
        )
    aware = stamp if stamp.tzinfo is not None else stamp.replace(tzinfo=UTC)
    passed = aware - datetime(1970, 1, 1, tzinfo=UTC)
    return (passed.days * 86_400 + passed.seconds) * _NS + passed.microseconds * 1_000
