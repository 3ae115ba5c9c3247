"""Read the alerts file; what is wrong in it is one error that names the file, the rule and the key."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any, Final, TypeVar
from zoneinfo import ZoneInfo

from src.observability import dotenv_file
from src.observability.alerts import fields
from src.observability.alerts.destination_table import read_destinations
from src.observability.alerts.fields import FieldProblem
from src.observability.alerts.key_lines import line_of
from src.observability.alerts.location import VARIABLE, AlertsError
from src.observability.alerts.quiet_hours import DAYS, QuietHours
from src.observability.alerts.rules import KINDS, LOG, MISSING, SEVERITIES, Rule, RuleFile

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    from src.observability.alerts.rules import Destination

_T = TypeVar("_T")
_SHORTEST_EVERY_S: Final = 1.0
_LONGEST_WINDOW_S: Final = 31 * 86_400.0
_TOP: Final = frozenset({"every", "quiet", "to", "repeat", "rule", "destination"})
_QUIET: Final = frozenset({"from", "to", "zone", "days", "except"})
_RULE: Final = frozenset(
    {
        "name", "kind", "threshold", "clear", "window", "percentile", "for", "min_n", "where", "repeat", "quiet",
        "missing", "severity", "to",
    }
)  # fmt: skip
_QUIET_TABLE: Final = "[quiet]"
_BUDGET_WINDOWS: Final = ("run", "hour", "day", "month")


def read_rules(path: Path, *, is_named: bool = True) -> RuleFile:
    """Return the rules of a file.

    Args:
        path: The file.
        is_named: Whether the user has named it, and so may have one that belongs to another user.

    Raises:
        AlertsError: it cannot be read, or says what cannot be.
    """
    try:
        _check_writers(path, is_named=is_named)
        text = path.read_text("utf-8-sig")
        table = tomllib.loads(text)
    except OSError as error:
        raise AlertsError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        if isinstance(error, AlertsError):
            raise
        raise AlertsError(f"{path} is no TOML in UTF-8: {error}.") from error
    return _Reading(path, text).file(table)


def _check_writers(path: Path, *, is_named: bool) -> None:
    """Refuse a file that others may write: it says which programs run."""
    breach = dotenv_file.foreign_writers(path)
    if breach is not None:
        raise AlertsError(f"{path} is not used: {breach[0]}, and so decide what is run. Run: {breach[1]}")
    if not is_named and not dotenv_file.is_trusted_owner(path):
        raise AlertsError(f"{path} is not used: it belongs to another user. Set {VARIABLE}={path}, if it is meant.")


class _Reading:
    """The reading of one file; each error names the file, the line and the place in it."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._text = text
        self._number = 0  # of the rule that is read

    def file(self, table: Mapping[str, Any]) -> RuleFile:
        """Return the whole file."""
        self._only(table, _TOP, "")
        destinations = read_destinations(table.get("destination", {}), self._wrong)
        rows = table.get("rule")
        if not isinstance(rows, list) or not rows:
            raise self._wrong("", "", "has no rule: it needs one or more tables [[rule]]")
        every_s = self._field(table, "every", fields.duration, "", default=30.0)
        if every_s < _SHORTEST_EVERY_S:
            raise self._wrong("", "every", f"is {table['every']!r}: give at least 1s")
        self._quiet(table.get("quiet", False), _QUIET_TABLE)
        usual = {name: table[name] for name in ("to", "repeat", "quiet") if name in table}
        rules = tuple(self._rule(number, row, usual, destinations) for number, row in enumerate(rows, start=1))
        names = [rule.name for rule in rules]
        repeated = next((name for name in names if names.count(name) > 1), None)
        if repeated is not None:
            raise self._wrong(repeated, "name", "is another rule's too: give each its own")
        return RuleFile(path=self._path, rules=rules, destinations=destinations, every_s=every_s)

    def _rule(self, number: int, row: Any, usual: Mapping[str, Any], destinations: Mapping[str, Destination]) -> Rule:
        where, self._number = f"number {number}", number
        if not isinstance(row, dict):
            raise self._wrong(where, "", "is no table: write [[rule]] above it")
        name = self._field(row, "name", fields.text, where)
        self._only(row, _RULE, name)
        kind = self._choice(row, "kind", KINDS, name)
        measure = KINDS[kind]
        threshold = self._threshold(row, kind, name)
        window_s, budget_window = self._window(row, kind, name)
        row = {**usual, **row}
        rule = Rule(
            name=name,
            kind=kind,  # type: ignore[arg-type] # one of KINDS
            threshold=threshold,
            clear=self._field(row, "clear", measure.read, name, default=threshold),
            window_s=window_s,
            budget_window=budget_window,
            percentile=self._percentile(row, kind, name),
            for_s=self._field(row, "for", fields.duration, name, default=0.0),
            min_n=self._field(row, "min_n", fields.whole, name, default=measure.min_n),
            where=self._filters(row.get("where", {}), measure.filters, kind, name),
            repeat_s=None if "repeat" not in row else self._field(row, "repeat", fields.duration, name),
            quiet=self._quiet(row.get("quiet", False), name),
            missing=self._choice(row, "missing", MISSING, name, default="hold"),  # type: ignore[arg-type] # as above
            severity=self._choice(row, "severity", SEVERITIES, name, default="warning"),  # type: ignore[arg-type]
            to=self._field(row, "to", fields.texts, name, default=(LOG,)),
        )
        unknown = next((item for item in rule.to if item not in destinations), None)
        if unknown is not None:
            raise self._wrong(name, "to", f"has {unknown!r}: give some of {', '.join(destinations)}")
        if rule.clear != threshold and not rule.is_clear(rule.clear):
            side = "below" if measure.is_below else "above"
            raise self._wrong(name, "clear", f"is {row['clear']!r}: it must not lie {side} the threshold")
        return rule

    def _threshold(self, row: Mapping[str, Any], kind: str, name: str) -> float:
        """Return the threshold; one that every measure or none passes is a slip of the pen."""
        measure = KINDS[kind]
        threshold = self._field(row, "threshold", measure.read, name)
        if threshold > 1 and kind in ("error_rate", "agreement"):
            raise self._wrong(name, "threshold", f"is {row['threshold']!r}: no share of {measure.things} is above 100%")
        if not threshold:
            result = "never" if measure.is_below else "always"
            raise self._wrong(name, "threshold", f"is {row['threshold']!r}: the rule would {result} fire; give more")
        return threshold

    def _window(self, row: Mapping[str, Any], kind: str, name: str) -> tuple[float | None, str | None]:
        usual = KINDS[kind].window_s
        if "window" not in row:
            return usual, None
        if kind == "budget":
            return None, self._choice(row, "window", _BUDGET_WINDOWS, name)
        if usual is None:
            raise self._wrong(name, "window", f"has no meaning for {kind}: the threshold is its time. Take it out")
        window_s = self._field(row, "window", fields.duration, name)
        if not 0 < window_s <= _LONGEST_WINDOW_S:
            raise self._wrong(name, "window", f"is {row['window']!r}: give more than 0s, and at most 31d")
        return window_s, None

    def _percentile(self, row: Mapping[str, Any], kind: str, name: str) -> float:
        value = row.get("percentile", 95)
        if "percentile" in row and kind != "latency":
            raise self._wrong(name, "percentile", f"has no meaning for {kind}: take it out")
        if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value < 100:
            hint = (
                f": {value * 100:g} for the quantile {value:g}"
                if isinstance(value, float) and 0 < value < 1
                else ", such as 95"
            )
            raise self._wrong(name, "percentile", f"is {value!r:.60}: give a number from 1 to below 100{hint}")
        return float(value)

    def _filters(self, table: Any, names: Collection[str], kind: str, rule: str) -> dict[str, str]:
        if not isinstance(table, dict):
            raise self._wrong(rule, "where", f"is {table!r:.60}: give a table such as {{ agent = 'whale_agent' }}")
        unknown = next((name for name in table if name not in names), None)
        if unknown is not None:
            raise self._wrong(rule, "where", f"has {unknown!r}: {kind} is chosen by {', '.join(names)}")
        return {name: self._field(table, name, fields.text, rule) for name in table}

    def _quiet(self, table: Any, rule: str) -> QuietHours | None:
        if table is False:
            return None
        if not isinstance(table, dict):
            raise self._wrong(rule, "quiet", "must be a table with from, to and zone, or false")
        self._only(table, _QUIET, rule)
        begin, end = (self._field(table, name, fields.clock_time, rule) for name in ("from", "to"))
        if begin == end:
            raise self._wrong(rule, "quiet", "begins when it ends: give two different times")
        nobody: tuple[str, ...] = ()
        days = self._field(table, "days", fields.texts, rule, default=DAYS)
        excepted = self._field(table, "except", fields.texts, rule, default=nobody)
        for key, items, known in (("days", days, DAYS), ("except", excepted, SEVERITIES)):
            wrong = next((item for item in items if item not in known), None)
            if wrong is not None:
                raise self._wrong(rule, key, f"has {wrong!r}: give some of {', '.join(known)}")
        return QuietHours(
            begin=begin,
            end=end,
            zone=self._zone(table, rule),
            days=frozenset(DAYS.index(day) for day in days),
            excepted=frozenset(excepted),
        )

    def _zone(self, table: Mapping[str, Any], rule: str) -> ZoneInfo:
        name = self._field(table, "zone", fields.text, rule)
        try:
            return ZoneInfo(name)
        except (KeyError, ValueError, OSError) as error:
            problem = f"is {name!r:.60}, which is no time zone: give one such as 'UTC' or 'America/New_York'"
            raise self._wrong(rule, "zone", problem) from error

    def _choice(
        self, row: Mapping[str, Any], key: str, words: Collection[str], rule: str, *, default: str | None = None
    ) -> str:
        value = row.get(key, default)
        if not isinstance(value, str) or value not in words:
            problem = "is missing" if value is None else f"is {value!r:.60}"
            raise self._wrong(rule, key, f"{problem}: give one of {', '.join(words)}")
        return value

    def _field(
        self, row: Mapping[str, Any], key: str, read: Callable[[Any], _T], rule: str, *, default: _T | None = None
    ) -> _T:
        if key not in row and default is not None:
            return default
        if key not in row:
            raise self._wrong(rule, key, "is missing")
        try:
            return read(row[key])
        except FieldProblem as problem:
            raise self._wrong(rule, key, str(problem)) from problem

    def _only(self, table: Mapping[str, Any], names: Collection[str], rule: str) -> None:
        unknown = next((name for name in table if name not in names), None)
        if unknown is not None:
            raise self._wrong(rule, unknown, f"is no key here: use {', '.join(sorted(names))}")

    def _wrong(self, rule: str, key: str, problem: str) -> AlertsError:
        if rule in ("", _QUIET_TABLE):
            table, _, last = f"{'quiet.' if rule else ''}{key}".rpartition(".")
            section, line = f"{rule}: " if rule else "", line_of(self._text, table, last)
        else:
            section = f"rule {rule}: " if rule.startswith("number ") else f"rule {rule!r}: "
            line = line_of(self._text, "rule", key, self._number)
        at = f", line {line}" if line is not None else ""
        return AlertsError(f"{self._path}{at}: {section}{key}{' ' if key else ''}{problem}.")
