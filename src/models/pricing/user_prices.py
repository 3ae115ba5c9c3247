"""Read the user's own price table, for models and units that no catalogue lists."""

from __future__ import annotations

import logging
import math
import os
from datetime import UTC, datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from src.models import user_tables
from src.models.errors import InvalidRequest
from src.models.pricing.price_list import PriceList, Rate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_log = logging.getLogger("moondev.models")

# The keys of a table, the units that they price, and how many of a unit a price is for.
_TOKENS: Final = 1_000_000
_PIECES: Final = 1_000
_UNITS: Final[Mapping[str, tuple[str, int]]] = {
    "input": ("input", _TOKENS),
    "output": ("output", _TOKENS),
    "cached_input": ("input_cached_tokens", _TOKENS),
    "cache_write": ("input_cache_creation", _TOKENS),
    "cache_write_1h": ("input_cache_creation_1h", _TOKENS),
    "reasoning": ("output_reasoning_tokens", _TOKENS),
    "input_audio": ("input_audio_tokens", _TOKENS),
    "cached_audio": ("input_cached_audio_tokens", _TOKENS),
    "output_audio": ("output_audio_tokens", _TOKENS),
    "input_image": ("input_image_tokens", _TOKENS),
    "output_image": ("output_image_tokens", _TOKENS),
    "input_video": ("input_video_tokens", _TOKENS),
    "output_video": ("output_video_tokens", _TOKENS),
    "web_searches": ("web_searches", _PIECES),
    "storage_searches": ("storage_searches", _PIECES),
    "code_executions": ("code_executions", _PIECES),
    "requests": ("requests", _PIECES),
}
# What a unit costs where a table has input and output but not this unit.
_DEFAULTS: Final = {
    "cached_input": "input", "cache_write": "input", "reasoning": "output", "input_image": "input",
}  # fmt: skip
_OVERRIDE: Final = "override"
_VARIABLE: Final = "MOONDEV_PRICES"
# As the environment's own dictionary has it, which every call reads: `os.environ` encodes the name each time.
_RAW_VARIABLE: Final = getattr(os.environ, "encodekey", str)(_VARIABLE)
_ABOVE: Final = "above"


def first(provider: str, models: Sequence[str]) -> PriceList | None:
    """Return the prices that the user's table gives the first of these models that it has, or None.

    MOONDEV_PRICES names a TOML or JSON file. Each table is named by a pattern of `provider:model` (`*` stands for
    anything; the first match is taken) and holds US dollars per million tokens, or per thousand searches or requests:

        ["openai:ft:gpt-4o-mini:*"]
        input = 0.30
        cached_input = 0.15     # defaults to input; cache_write likewise
        output = 1.20           # reasoning defaults to output
        web_searches = 10
        above = { tokens = 200000, input = 0.60, output = 1.80 }    # for the whole of a request with a longer prompt

    A file that cannot be used is logged, once, with its name and the reason.
    """
    file = configured()
    if file is None:
        return None
    rows = _table(*file)
    names = [f"{provider}:{model}".lower() for model in models]
    return next((row for name in names for pattern, row in rows.items() if fnmatchcase(name, pattern)), None)


def configured() -> tuple[Path, int] | None:
    """Return the file that MOONDEV_PRICES names, and when it changed in nanoseconds (0 where that cannot be read)."""
    raw = getattr(os.environ, "_data", os.environ).get(_RAW_VARIABLE)
    text = os.fsdecode(raw).strip() if raw else ""
    if not text:
        return None
    path = user_tables.expanded(text, _VARIABLE)
    try:
        return path, path.stat().st_mtime_ns
    except OSError:
        return path, 0


def read(path: Path) -> dict[str, PriceList]:
    """Return the tables of a file by their patterns.

    Raises:
        InvalidRequest: the file cannot be read, or a table in it is wrong; the message names both, and the reason.
    """
    tables = user_tables.read(path, _VARIABLE)
    day = datetime.fromtimestamp(path.stat().st_mtime, UTC).date().isoformat()
    return {pattern.lower(): _row(path, pattern, table, day) for pattern, table in tables.items()}


@lru_cache(maxsize=4)
def _table(path: Path, changed_ns: int) -> dict[str, PriceList]:  # noqa: ARG001 - a changed file is read again
    try:
        return read(path)
    except InvalidRequest as error:
        _log.warning("No price of your own table is used: %s", error.message)
        return {}


def _row(path: Path, pattern: str, table: object, day: str) -> PriceList:
    def refused(reason: str) -> InvalidRequest:
        return InvalidRequest(f"{path}: [{pattern}] {reason}.", parameter=_VARIABLE)

    if not isinstance(table, dict):
        raise refused("is no table: name it by a pattern of provider:model, and give it prices")
    overrides = table.get(_OVERRIDE, False)
    if not isinstance(overrides, bool):
        raise refused(f"has {_OVERRIDE} = {overrides!r}; it is true or false")
    above = table.get(_ABOVE)
    flat = {name: value for name, value in table.items() if name not in (_OVERRIDE, _ABOVE)}
    problem = _problem(flat)
    if problem:
        raise refused(problem)
    if not flat or ("input" in flat) != ("output" in flat):
        raise refused("needs input and output, or prices of other units alone for a model that the catalogue lists")
    try:
        start, longer = _longer(above)
    except ValueError as error:
        raise refused(str(error)) from error
    added = longer.keys() - _with_defaults(flat).keys()
    if added:
        raise refused(f"has {_ABOVE} {', '.join(sorted(added))}, which it does not price for shorter prompts")
    return PriceList(rates=_rates(flat, start, longer), source="own table", date=day, overrides=overrides)


def _problem(prices_by_name: Mapping[str, object]) -> str | None:
    """Return what is wrong with the prices of a table; None for nothing."""
    unknown = [name for name in prices_by_name if name not in _UNITS]
    if unknown:
        return f"has no use for {', '.join(unknown)}; the units are {', '.join(_UNITS)}"
    for name, value in prices_by_name.items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not math.isfinite(value) or value < 0:  # type: ignore[operator, arg-type] # a number by then
            return f"has {name} = {value!r}; a price is a number of dollars, 0 or more"
    return None


def _longer(above: object) -> tuple[int, Mapping[str, object]]:
    """Return the length above which other prices hold, and those.

    Raises:
        ValueError: they are no table with a length and prices; the message says what is wrong.
    """
    if above is None:
        return 0, {}
    start = above.get("tokens") if isinstance(above, dict) else None
    if not isinstance(above, dict) or not isinstance(start, int) or isinstance(start, bool) or start <= 0:
        raise ValueError(
            f"has {_ABOVE} = {above!r}; it is a table with tokens = the longest prompt of the other prices"
        )
    longer = {name: value for name, value in above.items() if name != "tokens"}
    problem = _problem(longer)
    if problem:
        raise ValueError(f"{problem} (under {_ABOVE})")
    return start, longer


def _rates(flat: Mapping[str, object], start: int, longer: Mapping[str, object]) -> dict[str, Rate]:
    base, long = _with_defaults(flat), _with_defaults({**flat, **longer})
    rates = {}
    for name, dollars in base.items():
        unit, per = _UNITS[name]
        tiers = ((start, long[name] / per),) if long[name] != dollars else ()
        rates[unit] = Rate(dollars / per, tiers)
    return rates


def _with_defaults(prices_by_name: Mapping[str, object]) -> dict[str, Decimal]:
    stated = {name: Decimal(str(value)) for name, value in prices_by_name.items()}
    defaults = {name: stated[whole] for name, whole in _DEFAULTS.items() if whole in stated}
    return {**defaults, **stated}
