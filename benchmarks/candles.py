"""Measure what reading a million candles takes, beside pandas.read_csv, in CPU time and peak memory.

Each reading is a process of its own; the runs are interleaved and the median of each is taken, so that a noisy machine
is noisy for all. pandas parses no times unless it is asked to, and checks nothing: it stands beside with and without.

Usage: python benchmarks/candles.py [--rows 1000000] [--runs 3]
"""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
# Prints the CPU seconds of the reading, those of the whole process, and its peak memory in MB.
PROGRAM = """
import resource, sys, time
{imports}
begin = time.process_time()
rows = len({call})
usage = resource.getrusage(resource.RUSAGE_SELF)
print(rows, time.process_time() - begin, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
"""
OURS = ("from src.agents.market import load_candles", "load_candles(sys.argv[1])")
PANDAS = ("import pandas", "pandas.read_csv(sys.argv[1], {})")
FILES = {
    "header, ISO times": (
        OURS,
        (PANDAS[0], PANDAS[1].format("")),
        (PANDAS[0], PANDAS[1].format("parse_dates=['time']")),
    ),
    "Binance klines": (OURS, (PANDAS[0], PANDAS[1].format("header=None"))),
    "HistData": (OURS, (PANDAS[0], PANDAS[1].format("header=None, sep=';'"))),
    "MetaTrader 4": (OURS, (PANDAS[0], PANDAS[1].format("header=None"))),
    "decimal commas": (OURS, (PANDAS[0], PANDAS[1].format("sep=';', decimal=','"))),
    "quoted, thousands": (OURS, (PANDAS[0], PANDAS[1].format("thousands=','"))),
}


def write(folder: Path, rows: int) -> dict[str, Path]:
    """Write the same walk in each kind of file."""
    source = random.Random(1)  # noqa: S311 - a walk of prices
    paths = {name: folder / f"{place}.csv" for place, name in enumerate(FILES)}
    streams = {name: path.open("w", encoding="utf-8") for name, path in paths.items()}
    streams["header, ISO times"].write("time,open,high,low,close,volume\n")
    streams["decimal commas"].write("time;open;high;low;close;volume\n")
    streams["quoted, thousands"].write("time,open,high,low,close,volume\n")
    time, price = datetime(2022, 1, 1, tzinfo=UTC), 40_000.0
    for _ in range(rows):
        close = max(100.0, price + source.gauss(0, 10))
        high, low = max(price, close) + source.random() * 5, min(price, close) - source.random() * 5
        values = [f"{value:.2f}" for value in (price, high, low, close)] + [f"{source.random() * 50:.8f}"]
        plain = ",".join(values)
        opened = int(time.timestamp()) * 1000
        streams["header, ISO times"].write(f"{time:%Y-%m-%d %H:%M:%S},{plain}\n")
        streams["Binance klines"].write(f"{opened},{plain},{opened + 59_999},400000.1,70,6.1,200000.2,0\n")
        streams["HistData"].write(f"{time:%Y%m%d %H%M%S};{';'.join(values)}\n")
        streams["MetaTrader 4"].write(f"{time:%Y.%m.%d,%H:%M},{plain}\n")
        streams["decimal commas"].write(f"{time:%d.%m.%Y %H:%M};{';'.join(values).replace('.', ',')}\n")
        streams["quoted, thousands"].write(
            f'"{time:%m/%d/%Y %H:%M}",' + ",".join(f'"{float(v):,.2f}"' for v in values) + "\n"
        )
        time, price = time + timedelta(minutes=1), close
    for stream in streams.values():
        stream.close()
    return paths


def measured(reading: tuple[str, str], path: Path) -> tuple[float, float, float]:
    """Return the CPU seconds of reading, those of the process, and its peak memory in MB."""
    program = PROGRAM.format(imports=reading[0], call=reading[1])
    done = subprocess.run([sys.executable, "-c", program, path], cwd=ROOT, capture_output=True, text=True, check=True)
    _, reading_s, process_s, memory_mb = map(float, done.stdout.split())
    return reading_s, process_s, memory_mb


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rows", type=int, default=1_000_000)
    arguments.add_argument("--runs", type=int, default=3)
    options = arguments.parse_args()
    table = Table("file", "reader", "reading", "process", "peak memory", "reading, times pandas")
    table.title = f"{options.rows:,} rows, CPU time, median of {options.runs} runs"
    with tempfile.TemporaryDirectory() as folder:
        paths = write(Path(folder), options.rows)
        for name, readings in FILES.items():
            runs = [[measured(reading, paths[name]) for reading in readings] for _ in range(options.runs)]
            medians = [
                [statistics.median(run[place][part] for run in runs) for part in range(3)]
                for place in range(len(readings))
            ]
            for reading, (reading_s, process_s, memory_mb) in zip(readings, medians, strict=True):
                ratio = f"{reading_s / medians[1][0]:.1f}"
                table.add_row(
                    name, reading[1], f"{reading_s:.2f} s", f"{process_s:.2f} s", f"{memory_mb:.0f} MB", ratio
                )
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
