"""Save observations to a file as JSON lines, CSV or Parquet, a part at a time; the file appears once it is whole."""

from __future__ import annotations

import csv
import os
from typing import IO, TYPE_CHECKING, Any, Final, Protocol

import orjson

from src.observability.commands.console import err, note
from src.observability.commands.counting import counted
from src.observability.commands.whole_files import replacing

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from src.observability.search.conditions import TraceFilter
    from src.observability.search.records import StoredObservation
    from src.observability.store.reader import StoreReader

_INTEGERS: Final = (
    "input_tokens", "output_tokens", "cached_tokens", "written_tokens", "reasoning_tokens", "attempts",
)  # fmt: skip
_REALS: Final = ("latency_ms", "cost_usd", "first_token_ms", "headroom", "confidence")
_TRUTHS: Final = ("cost_unknown", "repaired")
_ROWS: Final = 2_000  # of one group in a Parquet file; with long texts some megabytes
# How a cell begins that a spreadsheet would run as a formula.
_FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


class _Writer(Protocol):
    def write(self, rows: Sequence[dict[str, object]]) -> None: ...
    def close(self) -> None: ...


def save(path: Path, items: Iterable[StoredObservation], *, total: int | None) -> int:
    """Write observations to a file and return how many there were.

    They are written to a temporary file beside it, which is removed where anything fails.

    Args:
        path: The file; its suffix is .jsonl, .csv or .parquet. One that exists is replaced.
        items: The observations.
        total: How many are expected, for the progress; None where that is not known.

    Raises:
        ValueError: the suffix is another one.
        OSError: the file cannot be written.
    """
    opened = writer_for(path)
    count = 0
    with replacing(path, 0o600) as file:  # it holds prompts, as the store does
        writer = opened(file)
        for rows in _parts(_progress(items, total)):
            writer.write(rows)
            count += len(rows)
        writer.close()
        file.flush()
        os.fsync(file.fileno())
    return count


def chosen(
    reader: StoreReader, wanted: TraceFilter, limit: int | None
) -> tuple[Iterable[StoredObservation], int | None]:
    """Return the observations of the traces that are wanted, oldest first, and how many there are, where that is known.

    Args:
        reader: The store.
        wanted: The filter.
        limit: Of the newest so many traces; of all where not given.
    """
    from src.observability.commands.trace_lists import trace_ids
    from src.observability.search.records import every_observation, observations_of

    if wanted.is_empty and limit is None:
        return every_observation(reader), reader.ask(_count, 0)
    return observations_of(reader, trace_ids(reader, wanted, limit)[::-1]), None


def _count(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM observations").fetchone()[0])


def writer_for(path: Path) -> type[_JsonLines | _Csv | _Parquet]:
    """Return what writes a file, by its suffix.

    Raises:
        ValueError: the suffix is of no form that is written.
    """
    forms: dict[str, type[_JsonLines | _Csv | _Parquet]] = {".jsonl": _JsonLines, ".csv": _Csv, ".parquet": _Parquet}
    form = forms.get(path.suffix.lower())
    if form is None:
        raise ValueError(f"{path.name!r:.80} has no known suffix: let it end in .jsonl, .csv or .parquet.")
    return form


def _parts(items: Iterable[StoredObservation]) -> Iterator[list[dict[str, object]]]:
    from src.observability.search.records import flat

    part: list[dict[str, object]] = []
    for item in items:
        part.append(flat(item))
        if len(part) == _ROWS:
            yield part
            part = []
    yield part


def _progress(items: Iterable[StoredObservation], total: int | None) -> Iterable[StoredObservation]:
    """Return the items; on a terminal their number is shown while they are written."""
    if not err().is_terminal:
        return items
    from rich.progress import track

    return track(items, "Saving", total=total, console=err(), transient=True)


class _JsonLines:
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, rows: Sequence[dict[str, object]]) -> None:
        self._file.writelines(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)

    def close(self) -> None:
        """Leave the file to its owner."""


class _Csv:
    """CSV in UTF-8. A text that a spreadsheet would run as a formula begins with an apostrophe instead."""

    def __init__(self, file: IO[bytes]) -> None:
        import io

        self._text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        self._writer = csv.writer(self._text)
        self._writer.writerow(columns())

    def write(self, rows: Sequence[dict[str, object]]) -> None:
        self._writer.writerows([_cell(row[name]) for name in columns()] for row in rows)

    def close(self) -> None:
        self._text.flush()
        self._text.detach()


def _cell(value: object) -> object:
    if isinstance(value, str):
        value = value.replace("\0", "\ufffd")  # which no reader of CSV takes
        return f"'{value}" if value.lstrip(" ").startswith(_FORMULAS) else value
    return value


class _Parquet:
    def __init__(self, file: IO[bytes]) -> None:
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError as error:
            raise ValueError("A Parquet file needs the package pyarrow. Run: pip install pyarrow") from error
        kinds = {
            **dict.fromkeys(_INTEGERS, pyarrow.int64()),
            **dict.fromkeys(_REALS, pyarrow.float64()),
            **dict.fromkeys(_TRUTHS, pyarrow.bool_()),
        }
        self._schema = pyarrow.schema([(name, kinds.get(name, pyarrow.string())) for name in columns()])
        self._writer: Any = pyarrow.parquet.ParquetWriter(file, self._schema, compression="zstd")
        self._table = pyarrow.Table

    def write(self, rows: Sequence[dict[str, object]]) -> None:
        if rows:
            self._writer.write_table(self._table.from_pylist(rows, schema=self._schema))

    def close(self) -> None:
        self._writer.close()


def columns() -> tuple[str, ...]:
    """Return the names of the columns, in their order."""
    from src.observability.search.records import FLAT_COLUMNS

    return FLAT_COLUMNS


def report_saved(path: Path, count: int) -> None:
    """Report what was saved, and what readers of CSV must know."""
    note(f"{counted(count, 'observations')} saved to {path}.")
    if path.suffix.lower() == ".csv":
        note("Texts that a spreadsheet would run as formulas begin with an apostrophe; .jsonl has them as they are.")
