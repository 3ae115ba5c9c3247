"""Read the user's own price table, for models that no catalogue lists."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING

from src.models import user_tables
from src.models.errors import InvalidRequest
from src.models.types import Rates

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# The keys of a table, and the usage buckets that they price.
_BUCKETS = {"input": "input", "output": "output", "cached_input": "input_cached_tokens",
            "cache_write": "input_cache_creation", "reasoning": "output_reasoning_tokens"}  # fmt: skip


def rates(provider: str, model: str) -> Rates | None:
    """Return the rates that the user's table gives a model, or None.

    MOONDEV_PRICES names a TOML or JSON file. Each table is named by a pattern of `provider:model` (`*` stands for
    anything; the first match is taken) and holds US dollars per million tokens:

        ["openai:ft:gpt-4o-mini:*"]
        input = 0.30
        cached_input = 0.15     # defaults to input; cache_write likewise
        output = 1.20           # reasoning defaults to output

    Raises:
        InvalidRequest: the file cannot be read, or a price in it is not a number.
    """
    configured = os.environ.get("MOONDEV_PRICES", "").strip()
    if not configured:
        return None
    name = f"{provider}:{model}".lower()
    rows = _table(user_tables.expanded(configured, "MOONDEV_PRICES"))
    return next((row for pattern, row in rows.items() if fnmatchcase(name, pattern)), None)


@lru_cache(maxsize=4)
def _table(path: Path) -> dict[str, Rates]:
    tables = user_tables.read(path, "MOONDEV_PRICES")
    day = datetime.fromtimestamp(path.stat().st_mtime, UTC).date().isoformat()
    return {pattern.lower(): _row(path, pattern, table, day) for pattern, table in tables.items()}


def _row(path: Path, pattern: str, table: Mapping[str, object], day: str) -> Rates:
    wrong = [name for name, value in table.items() if name not in _BUCKETS or not isinstance(value, int | float)]
    if wrong or not {"input", "output"} <= set(table):
        raise InvalidRequest(
            f"{path}: [{pattern}] needs input and output, and may have {', '.join(sorted(_BUCKETS))}, each a number of "
            f"dollars per million tokens{'; not ' + ', '.join(wrong) if wrong else ''}.",
            parameter="MOONDEV_PRICES",
        )
    prices = {_BUCKETS[name]: float(value) for name, value in table.items() if isinstance(value, int | float)}
    defaults = {
        "input_cached_tokens": prices["input"],
        "input_cache_creation": prices["input"],
        "output_reasoning_tokens": prices["output"],
    }
    return Rates(per_million={**defaults, **prices}, source="own table", date=day)
