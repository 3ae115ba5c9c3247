"""Measure what a program waits for its first reply: imports, the client and one call, beside Langfuse's wrapper.

Every variant asks the same model on a loopback server once, in a fresh process; rounds are interleaved and medians
taken. Wall time is split at two places: after the import of the library that the program names, and after its client
is made. CPU is that of the whole process and all its
threads until the reply is there. Langfuse's wrapper has then stored nothing yet, ours has.

Usage: python benchmarks/first_call.py [--rounds 9] [--variants ours langfuse raw] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

VARIANTS = {
    "raw": "openai SDK alone",
    "langfuse": "langfuse.openai wrapper",
    "ours": "ours, keys of Langfuse set",
    "ours_local": "ours, stored only",
}
COLUMNS = {
    "import_ms": "import",
    "client_ms": "client",
    "call_ms": "first call",
    "total_ms": "together",
    "cpu_ms": "CPU",
}
PROMPT = "BTC-USD 15m close 42,000.00 RSI 61.0; " * 26  # 1 KB


def work(variant: str, url: str) -> None:
    """Make one call; print what it took as JSON."""
    started, cpu_started = time.perf_counter(), time.process_time()
    if variant.startswith("ours"):
        import openai  # noqa: F401 - as the other variants do, so that the columns say the same

        from src.models import ModelFactory

        imported = time.perf_counter()
        model = ModelFactory.get_model("openai", "gpt-4o")
        client_made = time.perf_counter()
        model.generate_response("You trade.", PROMPT, temperature=None)
    else:
        if variant == "langfuse":
            from langfuse.openai import OpenAI  # type: ignore[attr-defined] # a module that stands in for openai
        else:
            from openai import OpenAI
        imported = time.perf_counter()
        client = OpenAI(api_key=os.environ["OPENAI_KEY"], base_url=f"{url}/v1", max_retries=0)
        client_made = time.perf_counter()
        client.chat.completions.create(
            model="gpt-4o",
            messages=[{"role": "system", "content": "You trade."}, {"role": "user", "content": PROMPT}],
        )
    replied, cpu = time.perf_counter(), time.process_time() - cpu_started
    seconds = {
        "import_ms": imported - started,
        "client_ms": client_made - imported,
        "call_ms": replied - client_made,
        "total_ms": replied - started,
        "cpu_ms": cpu,
    }
    print(json.dumps({name: value * 1000 for name, value in seconds.items()}), flush=True)
    time.sleep(1)  # for what was begun in the background, such as a cache that is written once
    os._exit(0)


def measure(options: argparse.Namespace, url: str) -> list[dict[str, Any]]:
    """Run all rounds of all variants; return a row for each variant."""
    from benchmarks.overhead import environment

    rounds: dict[str, list[dict[str, float]]] = {variant: [] for variant in VARIANTS if variant in options.variants}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(options.rounds + 1):
            for variant, timings in rounds.items():
                print(f"\rround {turn} of {options.rounds}, {variant:12}", end="", file=sys.stderr)
                command = [sys.executable, __file__, "--work", variant, "--url", url]
                process = subprocess.run(
                    command, env=environment(variant, url, folder), capture_output=True, text=True, check=False
                )
                if process.returncode:
                    sys.exit(f"\n{variant} failed:\n{process.stderr}")
                if turn:  # the first round fills the file system's cache and ours of compiled patterns
                    timings.append(json.loads(process.stdout.splitlines()[-1]))
    print(file=sys.stderr)
    return [
        {"variant": variant, **{name: statistics.median(row[name] for row in timings) for name in COLUMNS}}
        for variant, timings in rounds.items()
    ]


def show(rows: list[dict[str, Any]]) -> None:
    """Print the table."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("variant", *COLUMNS.values()):
        table.add_column(title, justify="left" if title == "variant" else "right", no_wrap=True)
    for row in rows:
        table.add_row(VARIANTS[row["variant"]], *(f"{row[name]:.0f} ms" for name in COLUMNS))
    Console(width=120).print(table)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=9, help="processes of each variant")
    parser.add_argument("--variants", choices=VARIANTS, nargs="+", default=list(VARIANTS), help="only these")
    parser.add_argument("--json", action="store_true", help="print rows as JSON")
    parser.add_argument("--work", choices=VARIANTS, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.work, options.url)
        return
    server_command = [sys.executable, str(ROOT / "benchmarks" / "overhead.py"), "--serve"]
    with subprocess.Popen(server_command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            rows = measure(options, f"http://127.0.0.1:{server.stdout.readline().strip()}")
        finally:
            server.kill()
    print(json.dumps(rows)) if options.json else show(rows)


if __name__ == "__main__":
    main()
