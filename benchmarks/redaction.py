"""Print what redaction costs: both engines, ordinary text and text with secrets, at 1 KB, 10 KB and 100 KB.

Run: python -m benchmarks.redaction
"""

from __future__ import annotations

import json
import random
import string
import timeit
from typing import Literal

from src.observability.redaction import Redactor, redact_text

SIZES = (1_000, 10_000, 100_000)
PROMPT = """You are a careful trading agent. Analyse BTC-USD on the 15 minute chart and answer with BUY, SELL or
NOTHING, your confidence from 0 to 100 and a short reason. Support is at 42,000 and resistance at 43,500; price is above
its 200-day moving average, funding is neutral and the long/short ratio is 1.2. Risk at most 2% of equity per trade.
"""


def ordinary(size: int, rng: random.Random) -> str:
    """Prompts, settings and candles, as an agent sends them."""
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
    """The same with one key in each kilobyte or so."""
    text = ordinary(size, rng)
    step = 1_000
    key = "".join(rng.choices(string.ascii_letters + string.digits, k=60))
    pieces = [f"{text[at : at + step - 80]} OPENAI_KEY=sk-{'proj'}-{key}\n" for at in range(0, size, step)]
    return "".join(pieces)


def microseconds(redactor: Redactor, text: str) -> float:
    """The best of five runs."""
    redactor.text(text)
    rounds = max(3, 300_000 // len(text))
    return min(timeit.repeat(lambda: redactor.text(text), number=rounds, repeat=5)) / rounds * 1e6


def main() -> None:
    rng = random.Random(1)  # noqa: S311 - made-up texts
    print(f"{'engine':8} {'text':14} " + " ".join(f"{size // 1000:>5} KB (us)" for size in SIZES))
    engines: tuple[Literal["fast", "plain"], ...] = ("fast", "plain")
    for engine in engines:
        redactor = Redactor(secrets=tuple(f"own-secret-{number}-{rng.random()}" for number in range(12)), engine=engine)
        if "redaction_failed" in redactor.text("is it there"):
            print(f"{engine:8} not installed")
            continue
        for label, make in (("ordinary", ordinary), ("with secrets", with_secrets)):
            row = [microseconds(redactor, make(size, rng)) for size in SIZES]
            print(f"{engine:8} {label:14} " + " ".join(f"{value:>13.1f}" for value in row))
    short = min(timeit.repeat(lambda: redact_text("buy"), number=10_000, repeat=5)) / 10_000 * 1e6
    print(f"following the environment: {short:.2f} us a call")


if __name__ == "__main__":
    main()
