"""Find the trades in what exchanges' interfaces answer: a list, or a list or an object by ids inside other objects."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from src.judging.fills.formats import known_header
from src.judging.fills.records import FillsError

if TYPE_CHECKING:
    from pathlib import Path

    from src.judging.fills.formats import Header

_DEEPEST: Final = 3  # Bybit's result.list, Kraken's result.trades
_BY_ID: Final = ("ordertxid", "txid")  # a field of Kraken's trades, and what their keys are


def json_trades(text: str, path: Path) -> tuple[Header, list[tuple[int, list[str]]]]:
    """Return the header of a document's trades, and their rows with their places.

    Raises:
        FillsError: it is no JSON, or holds no trades of a known form.
    """
    try:
        document = json.loads(text.lstrip("\ufeff"), parse_float=str, parse_int=str)
    except (ValueError, RecursionError) as error:
        raise FillsError(f"{path} is no JSON: {error}.") from error
    trades = _trades(document, _DEEPEST)
    if not trades:
        raise FillsError(
            f"{path} holds no list of trades: give what fetch_my_trades returns, an exchange's interface answers, or "
            "its export."
        )
    names = list(dict.fromkeys(name for item in trades for name in item))
    header = known_header(names)
    if header is None:
        raise FillsError(f"{path} has trades of an unknown form, with {', '.join(names[:12])}.")
    return header, [(number, [_cell(item.get(name)) for name in names]) for number, item in enumerate(trades, 1)]


def _trades(value: Any, depth: int) -> list[dict[str, Any]]:
    """Return the first list of objects in a document; what stands beside it of the category is in each of them."""
    if isinstance(value, list):
        return value if all(isinstance(item, dict) for item in value) else []
    if not isinstance(value, dict) or not depth:
        return []
    field, key = _BY_ID
    if value and all(isinstance(item, dict) and field in item for item in value.values()):
        return [{key: name, **item} for name, item in value.items()]
    for item in value.values():
        trades = _trades(item, depth - 1)
        if trades:
            shared = {name: value[name] for name in ("category",) if isinstance(value.get(name), str)}
            return [{**shared, **trade} for trade in trades]
    return []


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else json.dumps(value)
