"""Read the user's own price table, for models that no catalogue knows."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from src.models import user_tables
from src.models.errors import InvalidRequest
from src.models.types import Rates

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAMES = {"input": "input", "output": "output", "cached_input": "input_cached_tokens",
          "cache_write": "input_cache_creation", "reasoning": "output_reasoning_tokens"}  # fmt: skip


def rates(provider: str, model: str) -> Rates | None:
    """Return the rates that the user's table gives a model, or None.

    MOONDEV_PRICES names a TOML or JSON file. Each table is named by a pattern of `provider:model` (`*` stands for
    anything; the first that fits is taken) and holds US dollars per million tokens:

        ["openai:ft:gpt-4o-mini:*"]
        input = 0.30
        cached_input = 0.15     # as input where it is not given; cache_write likewise
        output = 1.20           # reasoning is priced as output where it is not given

    Raises:
        InvalidRequest: the file cannot be read, or a price in it is not a number.
    """
    named = os.environ.get("MOONDEV_PRICES", "").strip()
    if not named:
        return None
    name = f"{provider}:{model}".lower()
    rows = _table(Path(named).expanduser())
    return next((found for pattern, found in rows.items() if fnmatchcase(name, pattern)), None)


@lru_cache(maxsize=4)
def _table(path: Path) -> dict[str, Rates]:
    rows = user_tables.read(path, "MOONDEV_PRICES")
    day = datetime.fromtimestamp(path.stat().st_mtime, UTC).date().isoformat()
    return {pattern.lower(): _row(path, pattern, told, day) for pattern, told in rows.items()}


def _row(path: Path, pattern: str, told: Mapping[str, object], day: str) -> Rates:
    wrong = [name for name, value in told.items() if name not in _NAMES or not isinstance(value, int | float)]
    if wrong or not {"input", "output"} <= set(told):
        raise InvalidRequest(
            f"{path}: [{pattern}] needs input and output, and may have {', '.join(sorted(_NAMES))}, each a number of "
            f"dollars per million tokens{'; not ' + ', '.join(wrong) if wrong else ''}.",
            parameter="MOONDEV_PRICES",
        )
    numbers = {_NAMES[name]: float(value) for name, value in told.items() if isinstance(value, int | float)}
    whole = {"input_cached_tokens": numbers["input"], "input_cache_creation": numbers["input"],
             "output_reasoning_tokens": numbers["output"], **numbers}  # fmt: skip
    return Rates(whole, "own table", day)
