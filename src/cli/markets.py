"""Read which markets a back-test is of, and which file of prices is whose."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

PLACE = "{symbol}"


def files_of(symbols: str, csv: Sequence[str]) -> dict[str, Path]:
    """Return the file of each market.

    Args:
        symbols: One symbol, or several with commas.
        csv: For one market its file; else SYMBOL=FILE for each, or one name with `{symbol}` in place of the symbol.

    Raises:
        ValueError: a market has no file or two, or a file is of no market; the message names it.
    """
    names = [name.strip() for name in symbols.split(",")]
    if not all(names):
        raise ValueError(f"{symbols!r:.80} names no market at one of its commas: give BTC-USD or BTC-USD,ETH-USD.")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"{twice} is named twice.")
    if len(csv) == 1 and PLACE in csv[0]:
        return {name: Path(csv[0].replace(PLACE, name)) for name in names}
    named, plain = _split(names, csv)
    if len(names) == 1 and len(plain) == 1 and not named:
        return {names[0]: Path(plain[0])}
    if plain:
        more = f": say whose they are, as --csv {names[0]}={plain[0]}" if len(names) > 1 else f" for {names[0]} alone"
        raise ValueError(f"--csv names {len(csv)} file{'s' * (len(csv) > 1)}{more}.")
    missing = next((name for name in names if name not in named), None)
    if missing is not None:
        raise ValueError(f"{missing} has no prices: give --csv {missing}=FILE, or --csv 'folder/{PLACE}.csv' for all.")
    return {name: named[name] for name in names}


def _split(names: Sequence[str], csv: Sequence[str]) -> tuple[dict[str, Path], list[str]]:
    """Return the files whose market is named, by its symbol, and the others."""
    named: dict[str, Path] = {}
    plain: list[str] = []
    for text in csv:
        symbol, is_named, file = text.partition("=")
        if not is_named or (symbol not in names and (len(names) == 1 or Path(text).exists())):
            plain.append(text)
        elif symbol not in names:
            raise ValueError(f"--csv {text} is of a market that was not named: {', '.join(names)}.")
        elif symbol in named:
            raise ValueError(f"--csv names two files of {symbol}.")
        elif not file:
            raise ValueError(f"--csv {text} names no file.")
        else:
            named[symbol] = Path(file)
    return named, plain
