"""Back-tests on a file of prices: what thousands of rule-based decisions take, and what is repeated after `kill -9`.

python benchmarks/backtests.py rules BTC-USD-15m.csv      # CPU and memory of 31,000 and of 124,000 decisions
python benchmarks/backtests.py kills BTC-USD-15m.csv      # the embedded model decides 20 bars, killed twice
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROGRAM = [sys.executable, "-c", "from src.cli import main; raise SystemExit(main())", "backtest", "BTC-USD"]
ANSWERED = "SELECT count(*) FROM observations WHERE type = 'generation' AND error_category IS NULL"
RULES = "rule:hold,rule:random#1,rule:momentum,rule:cross"


def environment(store: Path) -> dict[str, str]:
    return {**os.environ, "MOONDEV_TRACE_DB": str(store), "MOONDEV_OFFLINE": "1", "MOONDEV_DOTENV": "off"}


def rules(csv: Path, folder: Path) -> None:
    for every in ("1h", "15m"):
        command = [*PROGRAM, "--csv", str(csv), "--models", RULES, "--every", every, "--json"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment(folder / f"{every}.db"))
        assert process.stdout is not None
        result = json.loads(process.stdout.read())
        _, _, own = os.wait4(process.pid, 0)
        cpu_s = own.ru_utime + own.ru_stime
        print(
            f"{result['decisions']:,} decisions, {result['resolved']:,} outcomes: {cpu_s:.1f} s CPU, "
            f"{own.ru_maxrss / 1024:.0f} MB at most, {1e6 * cpu_s / result['decisions']:.0f} us each"
        )


def kills(csv: Path, folder: Path) -> None:
    store = folder / "kills.db"
    span = ["--every", "4h", "--from", "2023-03-01", "--to", "2023-03-04T04:00:00"]  # 20 times
    command = [*PROGRAM, "--csv", str(csv), "--models", "local", *span, "--json", "--yes"]
    for replies in (5, 12, None):
        started = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment(store))
        if replies is not None:
            await_replies(store, replies, process)
            time.sleep(0.5)  # the next request is under way
            process.send_signal(signal.SIGKILL)
        out, _ = process.communicate()
        print(f"exit {process.returncode} after {time.monotonic() - started:.0f} s, {count(store)} requests answered")
    result = json.loads(out)
    while result["failed"]:  # on a loaded machine the model may be too slow: those are asked for again
        result = json.loads(subprocess.run(command, stdout=subprocess.PIPE, env=environment(store), check=True).stdout)
    print(f"{result['decisions']} decisions, {result['failed']} failed, {result['abstained']} abstained")
    with contextlib.closing(sqlite3.connect(store)) as connection:
        prompts = connection.execute("SELECT count(*), count(DISTINCT key) FROM replies").fetchone()
    assert count(store) == prompts[0] == prompts[1] == result["decisions"] == 20, (count(store), prompts)
    print("No request that was answered was sent again.")


def count(store: Path) -> int:
    """Return how many requests were answered: a generation is stored when it ends."""
    with contextlib.closing(sqlite3.connect(store)) as connection:
        return int(connection.execute(ANSWERED).fetchone()[0])


def await_replies(store: Path, replies: int, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(store)) as connection:
            if connection.execute("SELECT count(*) FROM replies").fetchone()[0] >= replies:
                return
        time.sleep(0.05)
    raise SystemExit(f"the back-test ended by itself with {process.returncode}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trial", choices=["rules", "kills"])
    parser.add_argument("csv", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="moondev-backtests-") as folder:
        {"rules": rules, "kills": kills}[chosen.trial](chosen.csv.resolve(), Path(folder))


if __name__ == "__main__":
    main()
