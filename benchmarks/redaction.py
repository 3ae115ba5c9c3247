"""Print what redaction costs: both engines, prompts, prose and text with secrets, at 1 KB, 10 KB and 100 KB.

Each redactor reads each text once, since it remembers long clean texts.

Run: python -m benchmarks.redaction
"""

from __future__ import annotations

import functools
import json
import random
import string
import time
import timeit
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

from src.observability.redaction import Redactor, redact_text

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent
PAGES = "".join((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "ARCHITECTURE.md"))
SIZES = (1_000, 10_000, 100_000)
PROMPT = """You are a careful trading agent. Analyse BTC-USD on the 15 minute chart and answer with BUY, SELL or
NOTHING, your confidence from 0 to 100 and a short reason. Support is at 42,000 and resistance at 43,500; price is above
its 200-day moving average, funding is neutral and the long/short ratio is 1.2. Risk at most 2% of equity per trade.
"""


def ordinary(size: int, rng: random.Random) -> str:
    """Return prompts, settings and candles, as an agent sends them."""
    parts: list[str] = []
    while sum(map(len, parts)) < size:
        parts.append(PROMPT)
        parts.append(json.dumps({"symbol": "BTC-USD", "max_tokens": 1000, "position": {"side": "long", "size": 0.25}}))
        for minute in range(12):
            price = 42_000 + rng.random() * 500
            bar = f"{price:.2f},{price + 9:.2f},{price - 9:.2f},{price:.2f},{rng.random():.4f}"
            parts.append(f"2023-01-01 00:{minute:02}:00,{bar}\n")
    return "".join(parts)[:size]


def with_secrets(size: int, rng: random.Random) -> str:
    """Return the same with one key in about every kilobyte."""
    text = ordinary(size, rng)
    step = 1_000
    key = "".join(rng.choices(string.ascii_letters + string.digits, k=60))
    pieces = [f"{text[at : at + step - 80]} OPENAI_KEY=sk-{'proj'}-{key}\n" for at in range(0, size, step)]
    return "".join(pieces)


def hashes(size: int, rng: random.Random) -> str:
    """Return transactions as an explorer lists them, each with three hashes."""
    digits = "0123456789abcdef"
    lines: list[str] = []
    while sum(map(len, lines)) < size:
        transaction, sender, receiver = ("".join(rng.choices(digits, k=count)) for count in (64, 40, 40))
        lines.append(f"tx 0x{transaction} from 0x{sender} to 0x{receiver} value {rng.random():.6f}\n")
    return "".join(lines)[:size]


def escapes(size: int, rng: random.Random) -> str:
    """Return prose in another script as JSON in ASCII writes it, and addresses with percent signs."""
    words = ["цена", "растёт", "объём", "падает", "покупать", "осторожно", "рынок", "спокоен"]
    parts: list[str] = []
    while sum(map(len, parts)) < size:
        parts.append(json.dumps(" ".join(rng.choices(words, k=12)))[1:-1])
        parts.append(quote(f" price is {rng.random():.4f} & rising; buy? yes/no, maybe "))
    return "".join(parts)[:size]


def prose(size: int, rng: random.Random) -> str:
    """Return text of this project's own pages, from a random position."""
    start = rng.randrange(len(PAGES))
    return (PAGES[start:] + PAGES * (1 + size // len(PAGES)))[:size]


def microseconds(redactor: Callable[[], Redactor], texts: list[str]) -> float:
    """Return the time for one text: the best of five runs, each by a redactor that has not seen the texts."""
    runs = []
    for _ in range(5):
        text = redactor().text
        start = time.perf_counter()
        for each in texts:
            text(each)
        runs.append((time.perf_counter() - start) / len(texts) * 1e6)
    return min(runs)


def main() -> None:
    rng = random.Random(1)  # noqa: S311 - made-up texts
    print(f"{'engine':8} {'text':14} " + " ".join(f"{size // 1000:>5} KB (us)" for size in SIZES))
    engines: tuple[Literal["fast", "plain"], ...] = ("fast", "plain")
    for engine in engines:
        secrets = tuple(f"own-secret-{number}-{rng.random()}" for number in range(12))
        redactor = functools.partial(Redactor, secrets=secrets, engine=engine)
        if "redaction_failed" in redactor().text("is it there"):
            print(f"{engine:8} not installed")
            continue
        for label, make in (
            ("prompts", ordinary), ("prose", prose), ("hashes", hashes), ("escapes", escapes),
            ("with secrets", with_secrets),
        ):  # fmt: skip
            row = [microseconds(redactor, [make(size, rng) for _ in range(max(3, 300_000 // size))]) for size in SIZES]
            print(f"{engine:8} {label:14} " + " ".join(f"{value:>13.1f}" for value in row))
    short = min(timeit.repeat(lambda: redact_text("buy"), number=10_000, repeat=5)) / 10_000 * 1e6
    print(f"following the environment: {short:.2f} us a call")


if __name__ == "__main__":
    main()
