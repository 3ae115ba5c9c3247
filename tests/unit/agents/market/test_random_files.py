"""A random series, written in a random way, is read back exactly or refused, never as something else."""

from __future__ import annotations

import csv
import io
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pandas
import polars
import pyarrow
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from src.agents.market import Candle, MarketDataError, load_candles
from tests.long import rounds

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ZONES = ("UTC", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata", "America/St_Johns")
GERMAN = ("Jan", "Feb", "Mrz", "Apr", "Mai", "Jun", "Jul", "Aug", "Sep", "Okt", "Nov", "Dez")
TIME_FORMATS: dict[str, Callable[[datetime], str]] = {
    "iso": lambda time: time.strftime("%Y-%m-%d %H:%M:%S"),
    "iso T": lambda time: time.strftime("%Y-%m-%dT%H:%M:%S"),
    "minutes": lambda time: time.strftime("%Y-%m-%d %H:%M"),
    "loose": lambda time: f"{time.year}-{time.month}-{time.day} {time.hour}:{time.minute:02d}",
    "noon": lambda time: time.strftime("%Y-%m-%d %I:%M:%S %p"),
    "dots": lambda time: time.strftime("%d.%m.%Y %H:%M:%S"),
    "day first": lambda time: time.strftime("%d/%m/%Y %H:%M"),
    "month first": lambda time: f"{time.month}/{time.day}/{time.year} {time.hour}:{time.minute:02d}",
    "day first, short": lambda time: time.strftime("%d/%m/%y %H:%M"),
    "dashes": lambda time: time.strftime("%m-%d-%Y %H:%M"),
    "compact": lambda time: time.strftime("%Y%m%d%H%M%S"),
    "compact, apart": lambda time: time.strftime("%Y%m%d %H%M%S"),
    "metatrader": lambda time: time.strftime("%Y.%m.%d %H:%M"),
    "name": lambda time: time.strftime("%d %b %Y %H:%M"),
    "german": lambda time: f"{time:%d}. {GERMAN[time.month - 1]} {time:%Y %H:%M}",
    "until 24": lambda time: (
        f"{time - timedelta(days=1):%Y-%m-%d} 24:00" if f"{time:%H%M}" == "0000" else f"{time:%Y-%m-%d %H:%M}"
    ),
    "weekday": lambda time: time.strftime("%a %b %d %Y %H:%M:%S"),
    "rfc": lambda time: time.strftime("%a, %d %b %Y %H:%M:%S %z"),
    "hours": lambda time: time.strftime("%Y%m%d%H") if not time.minute else time.strftime("%Y%m%d%H%M"),
    "days of Excel": lambda time: (
        f"{(time.replace(tzinfo=UTC) - datetime(1899, 12, 30, tzinfo=UTC)) / timedelta(days=1):.9f}"
    ),
    "ticks": lambda time: str((time - datetime(1, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 10),
    "offset": lambda time: time.isoformat(),
    "seconds": lambda time: str(int(time.timestamp())),
    "milliseconds": lambda time: str(int(time.timestamp()) * 1000),
    "microseconds": lambda time: str(int(time.timestamp()) * 1_000_000),
    "nanoseconds": lambda time: str(int(time.timestamp()) * 1_000_000_000),
}
ABSOLUTE = ("offset", "rfc", "ticks", "seconds", "milliseconds", "microseconds", "nanoseconds")


def _grouped(text: str, mark: str) -> str:
    whole, point, fraction = text.partition(".")
    sign, digits = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
    groups: list[str] = []
    while len(digits) > 3:
        groups.insert(0, digits[-3:])
        digits = digits[:-3]
    return sign + mark.join([digits, *groups]) + point + fraction


NUMBER_FORMATS: dict[str, Callable[[str], str]] = {
    "point": lambda text: text,
    "comma": lambda text: text.replace(".", ","),
    "groups, point": lambda text: _grouped(text, ","),
    "groups, comma": lambda text: _grouped(text, ",").translate(str.maketrans(".,", ",.")),
    "apostrophes": lambda text: _grouped(text, "'"),
    "thin spaces": lambda text: _grouped(text, "\u202f").replace(".", ","),
    "dollars": lambda text: "$" + text,
}


@dataclass(frozen=True)
class Writing:
    """A way to write a series."""

    delimiter: str
    time_format: str
    number_format: str
    zone: str
    order: str
    header: bool
    quoting: int
    line_end: str
    encoding: str


WRITINGS = st.builds(
    Writing,
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    time_format=st.sampled_from(sorted(TIME_FORMATS)),
    number_format=st.sampled_from(sorted(NUMBER_FORMATS)),
    zone=st.sampled_from(ZONES),
    order=st.sampled_from(["oldest first", "newest first", "mixed"]),
    header=st.booleans(),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le"]),
)


@st.composite
def series(draw: st.DrawFn) -> list[tuple[datetime, list[str]]]:
    """Return bars with their numbers as exact text: of one interval, some missing."""
    seed = draw(st.integers(0, 2**32))
    source = random.Random(seed)
    minutes = draw(st.sampled_from([1, 5, 15, 60, 240, 1440, 10080]))
    count = draw(st.integers(2, 40))
    decimals = draw(st.integers(0, 8))
    level = draw(st.sampled_from([0.0001, 0.05, 1, 42, 999, 1_000, 42_000, 3_000_000]))
    start = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes * source.randrange(20 * 365 * 1440 // minutes))
    rows = []
    for n in range(count):
        if n > 1 and source.random() < 0.1:
            continue
        low = level * (1 + source.random())
        prices = sorted(low * (1 + 0.02 * source.random()) for _ in range(4))
        step = Decimal(1).scaleb(-decimals)
        texts = [f"{max(Decimal(price).quantize(step), step):f}" for price in prices]
        opened, closed = texts[1], texts[2]
        if source.random() < 0.5:
            opened, closed = closed, opened
        volume = str(source.randrange(10**6)) if decimals % 2 else f"{source.random() * 10**5:.3f}"
        rows.append((start + timedelta(minutes=minutes * n), [opened, texts[3], texts[0], closed, volume]))
    return rows


def written(rows: list[tuple[datetime, list[str]]], writing: Writing) -> str:
    zone = ZoneInfo(writing.zone)
    lines = [
        [TIME_FORMATS[writing.time_format](time.astimezone(zone)), *map(NUMBER_FORMATS[writing.number_format], numbers)]
        for time, numbers in rows
    ]
    if writing.order == "newest first":
        lines.reverse()
    elif writing.order == "mixed":
        random.Random(len(lines)).shuffle(lines)
    text = io.StringIO()
    writer = csv.writer(text, delimiter=writing.delimiter, quoting=writing.quoting, lineterminator=writing.line_end)  # type: ignore[arg-type]  # csv's own numbers
    if writing.header:
        writer.writerow(["time", "open", "high", "low", "close", "volume"])
    writer.writerows(lines)
    return text.getvalue()


def candle(time: datetime, numbers: list[str]) -> Candle:
    opened, high, low, close, volume = map(float, numbers)
    return Candle(time=time, open=opened, high=high, low=low, close=close, volume=volume)


@given(rows=series(), writing=WRITINGS)
@settings(
    max_examples=rounds(36, 4_000),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
def test_a_file_is_read_as_it_was_written_or_refused(
    tmp_path: Path, rows: list[tuple[datetime, list[str]]], writing: Writing
) -> None:
    path = tmp_path / "random.csv"
    path.write_bytes(written(rows, writing).encode(writing.encoding))
    is_absolute = writing.time_format in ABSOLUTE
    truth = {time: candle(time, numbers) for time, numbers in rows}
    try:
        candles = load_candles(path, zone=None if is_absolute else writing.zone)
    except MarketDataError:
        return
    for bar in candles:
        assert bar == truth.get(bar.time), writing
    missing = len(truth) - len(candles)
    reported = sum(candles.issue_counts.get(kind, 0) for kind in ("ambiguous_time", "cut_line", "before_rows"))
    assert missing <= reported, (writing, candles.issues)


@given(rows=series(), writing=WRITINGS)
@settings(
    max_examples=rounds(25, 5_000),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
def test_what_has_one_reading_is_not_refused(
    tmp_path: Path, rows: list[tuple[datetime, list[str]]], writing: Writing
) -> None:
    plain = Writing(
        delimiter=writing.delimiter,
        time_format="iso",
        number_format="point",
        zone="UTC",
        order=writing.order,
        header=True,
        quoting=writing.quoting,
        line_end=writing.line_end,
        encoding=writing.encoding,
    )
    path = tmp_path / "plain.csv"
    path.write_bytes(written(rows, plain).encode(plain.encoding))
    assert list(load_candles(path, decimal="point")) == [candle(time, numbers) for time, numbers in rows]


FRAMES: dict[str, Callable[[dict[str, list[Any]]], Any]] = {
    "pandas": pandas.DataFrame,
    "pandas index": lambda columns: pandas.DataFrame(columns).set_index("time"),
    "polars": polars.DataFrame,
    "pyarrow": pyarrow.table,
}


@given(rows=series(), kind=st.sampled_from(sorted(FRAMES)), zone=st.sampled_from(ZONES))
@settings(max_examples=rounds(25, 5_000), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_frame_is_read_as_it_is(rows: list[tuple[datetime, list[str]]], kind: str, zone: str) -> None:
    columns: dict[str, list[Any]] = {"time": [time.astimezone(ZoneInfo(zone)) for time, _ in rows]}
    for place, name in enumerate(("open", "high", "low", "close", "volume")):
        columns[name] = [float(numbers[place]) for _, numbers in rows]
    assert list(load_candles(FRAMES[kind](columns))) == [candle(time, numbers) for time, numbers in rows]
