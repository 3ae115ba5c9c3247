"""Read the budgets that the user has set, and tell which of them a call counts in.

MOONDEV_BUDGET_RUN_USD, ..._HOUR_USD, ..._DAY_USD and ..._MONTH_USD are hard limits for everything. A file that
MOONDEV_BUDGETS names has more, each with a window, a limit, and what it matches:

    [[budget]]
    window = "day"            # run, hour, day or month, in UTC
    limit_usd = 5.0
    kind = "soft"             # warns, once a window; "hard", which is usual, refuses
    agent = "whale"           # or provider, model, environment; several must all match
    unknown_usd = 0.05        # what a call counts whose price nobody knows; a hard budget refuses it otherwise
"""

from __future__ import annotations

import math
import os
from calendar import monthrange
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from src.models import suggestions, user_tables
from src.models.errors import InvalidRequest
from src.models.providers import PROVIDERS
from src.observability.store.budgets import Window

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

WindowName = Literal["run", "hour", "day", "month"]
WINDOWS: Final = ("run", "hour", "day", "month")
FILE_VARIABLE: Final = "MOONDEV_BUDGETS"
VARIABLES: Final = {f"MOONDEV_BUDGET_{window.upper()}_USD": window for window in WINDOWS}
_MATCHES: Final = ("agent", "provider", "model", "environment")
_FIELDS: Final = frozenset({"window", "limit_usd", "kind", "unknown_usd", *_MATCHES})
_NAMES: Final = (FILE_VARIABLE, *VARIABLES)
# As the environment's own dictionary has them: `os.environ` encodes each name, and raises where it is not set.
_RAW_NAMES: Final = tuple(getattr(os.environ, "encodekey", str)(name) for name in _NAMES)


@dataclass(frozen=True, slots=True)
class Budget:
    """One budget.

    Attributes:
        window: Over which time it counts.
        limit_usd: The limit in US dollars.
        is_hard: Whether a call beyond it is refused; otherwise it is warned of.
        match: What a call must be for it: agent, provider, model, environment.
        unknown_usd: What a call counts whose price is not known.
        source: The variable or file that sets it.
        key: The name under which it is counted: a limit that is changed keeps what is spent.
    """

    window: str
    limit_usd: float
    is_hard: bool = True
    match: Mapping[str, str] = field(default_factory=dict, hash=False)
    unknown_usd: float | None = None
    source: str = ""
    key: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """Name it once, since each call asks for the name."""
        parts = [self.window, *(f"{name}={value}" for name, value in sorted(self.match.items()))]
        object.__setattr__(self, "key", "|".join((*parts, "hard" if self.is_hard else "soft")))

    def applies_to(self, subject: Mapping[str, str | None]) -> bool:
        """Tell whether a call counts in it; capital letters make no difference."""
        return all((subject.get(name) or "").casefold() == value.casefold() for name, value in self.match.items())

    def window_at(self, time_s: float, run: str | None) -> Window:
        """Return its window at a time: that of a run, or of the hour, day or month in UTC."""
        if self.window == "run":
            key = f"{self.key}|{run or 'outside any run'}"
            return Window(key=key, start_s=0, limit_usd=self.limit_usd, is_hard=self.is_hard)
        return _window(self.key, self.limit_usd, self.window, int(time_s // 3600), self.is_hard)


@lru_cache(maxsize=64)
def _window(key: str, limit_usd: float, window: str, hour: int, is_hard: bool) -> Window:
    return Window(key=key, start_s=start_of(window, hour * 3600), limit_usd=limit_usd, is_hard=is_hard)


class Keeper(Protocol):
    """Where budgets are counted, such as a `BudgetStore`."""

    def reserve(self, windows: Sequence[Window], highest_usd: float, until_s: float) -> Any:
        """Reserve a call's highest cost in all windows, or refuse it; StoreIsLockedError asks to try again."""

    def settle(self, reservation: Any, cost_usd: float) -> None:
        """Replace a reservation by what the call cost."""


_shared: ContextVar[tuple[tuple[Budget, ...], Keeper] | None] = ContextVar("moondev_shared_budgets", default=None)


@contextmanager
def shared(chosen: Sequence[Budget], keeper: Keeper) -> Iterator[None]:
    """Have calls inside the block count in another process's budgets too, which `keeper` asks."""
    token = _shared.set((tuple(chosen), keeper))
    try:
        yield
    finally:
        _shared.reset(token)


def shared_now() -> tuple[tuple[Budget, ...], Keeper] | None:
    """Return the budgets of another process in which calls count here, with their keeper."""
    return _shared.get()


def start_of(window: str, time_s: float) -> int:
    """Return when the hour, day or month began, in seconds since 1970."""
    moment = datetime.fromtimestamp(time_s, UTC).replace(minute=0, second=0, microsecond=0)
    if window != "hour":
        moment = moment.replace(hour=0)
    if window == "month":
        moment = moment.replace(day=1)
    return int(moment.timestamp())


def end_of(window: str, time_s: float) -> int:
    """Return when the hour, day or month ends, in seconds since 1970."""
    start_s = start_of(window, time_s)
    if window == "hour":
        return start_s + 3600
    if window == "day":
        return start_s + 86_400
    first = datetime.fromtimestamp(start_s, UTC)
    return start_s + monthrange(first.year, first.month)[1] * 86_400


def current() -> tuple[Budget, ...]:
    """Return the budgets that are set now.

    Raises:
        InvalidRequest: a variable or the file says what cannot be; the message names it.
    """
    values = tuple(map(getattr(os.environ, "_data", os.environ).get, _RAW_NAMES))
    if not any(values):
        return ()
    path = values[0]
    return _budgets(values, _changed_ns(os.fsdecode(path)) if path else 0)


def _changed_ns(path: str) -> int:
    try:
        return Path(path).expanduser().stat().st_mtime_ns
    except (OSError, RuntimeError):  # RuntimeError: of a home folder that does not exist
        return 0  # reading it says what is wrong


@lru_cache(maxsize=8)
def _budgets(raw: tuple[str | bytes | None, ...], changed_ns: int) -> tuple[Budget, ...]:  # noqa: ARG001 - part of the key
    values = [None if item is None else os.fsdecode(item) for item in raw]
    budgets = []
    for name, text in zip(_NAMES[1:], values[1:], strict=True):
        if text and text.strip():
            budgets.append(Budget(window=VARIABLES[name], limit_usd=_amount(text, name), source=name))
    path = (values[0] or "").strip()
    if path:
        file = user_tables.expanded(path, FILE_VARIABLE)
        table = user_tables.read(file, FILE_VARIABLE)
        rows = table.get("budget")
        if not isinstance(rows, list) or not rows or table.keys() != {"budget"}:
            raise _wrong(file, "it needs one or more tables [[budget]], and nothing else")
        budgets += [_row(file, number, row) for number, row in enumerate(rows, start=1)]
    return tuple(budgets)


def _row(path: Path, number: int, row: Any) -> Budget:
    where = f"[[budget]] number {number}"
    if not isinstance(row, dict) or not row.keys() <= _FIELDS:
        unknown = sorted(row.keys() - _FIELDS) if isinstance(row, dict) else []
        raise _wrong(path, f"{where} has {unknown[0] if unknown else 'no fields'!r}: {', '.join(sorted(_FIELDS))}")
    if row.get("window") not in WINDOWS:
        raise _wrong(path, f"{where} has window {row.get('window')!r}: give one of {', '.join(WINDOWS)}")
    if row.get("kind", "hard") not in ("hard", "soft"):
        raise _wrong(path, f"{where} has kind {row.get('kind')!r}: give hard or soft")
    for name in _MATCHES:
        if name in row and not (isinstance(row[name], str) and row[name].strip()):
            raise _wrong(path, f"{where} has {name} {row[name]!r}: give a name")
    match = {name: row[name].strip() for name in _MATCHES if name in row}
    _refuse_what_no_call_is(path, where, match)
    unknown_usd = row.get("unknown_usd")
    return Budget(
        window=row["window"],
        limit_usd=_amount(row.get("limit_usd"), f"{path}: {where}: limit_usd"),
        is_hard=row.get("kind", "hard") == "hard",
        match=match,
        unknown_usd=None if unknown_usd is None else _amount(unknown_usd, f"{path}: {where}: unknown_usd"),
        source=str(path),
    )


def _refuse_what_no_call_is(path: Path, where: str, match: Mapping[str, str]) -> None:
    """Raise for what no call is named: a pattern, a misspelt provider, a provider before a model, an agent's file."""
    for name, value in match.items():
        if "*" in value or value.casefold() in ("all", "any"):
            raise _wrong(path, f"{where} has {name} {value!r}: give one whole name, or leave {name} out for all")
    if match.get("agent", "").endswith(".py"):
        stem = match["agent"].replace("\\", "/").rpartition("/")[2].removesuffix(".py")
        raise _wrong(path, f"{where} has agent {match['agent']!r}: an agent has its file's name without .py, {stem!r}")
    provider = match.get("provider", "")
    meant = suggestions.misspelt_provider(provider)
    if meant is not None:
        raise _wrong(path, f"{where} has provider {provider!r}: the provider is named {meant!r} here")
    prefix, separator, model = match.get("model", "").partition(":")
    if separator and (prefix.lower() in PROVIDERS or suggestions.misspelt_provider(prefix)):
        raise _wrong(
            path,
            f"{where} has model {match['model']!r}: give the provider apart, since calls count by the model's own "
            f"name, {model!r}",
        )


def _amount(value: Any, name: str) -> float:
    try:
        # Python reads 5_0 as 50, and digits of other scripts.
        is_odd = isinstance(value, bool) or (isinstance(value, str) and ("_" in value or not value.isascii()))
        amount = math.nan if is_odd else float(value)
    except (TypeError, ValueError):
        amount = math.nan
    if not (math.isfinite(amount) and amount >= 0):
        raise InvalidRequest(f"{name} is {value!r}: give US dollars, such as 5 or 0.25.", parameter=FILE_VARIABLE)
    return amount


def _wrong(path: Path, reason: str) -> InvalidRequest:
    text = f"{FILE_VARIABLE} names {path}, which is no table of budgets: {reason}."
    return InvalidRequest(text, parameter=FILE_VARIABLE)
