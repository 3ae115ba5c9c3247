"""Print what redaction costs in CPU time: both engines, many kinds of text, at 1 KB, 10 KB and 100 KB.

Each redactor reads each text once, since it remembers long clean texts. The best of several runs is taken, so that a
machine with other work tells about the same as an idle one.

Run: python -m benchmarks.redaction
"""

from __future__ import annotations

import functools
import html
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


def unicode_escapes(size: int, rng: random.Random) -> str:
    """Return prose in another script as JSON in ASCII writes it."""
    words = ["цена", "растёт", "объём", "падает", "покупать", "осторожно", "рынок", "спокоен"]
    return filled(size, lambda: json.dumps(" ".join(rng.choices(words, k=12)))[1:-1] + ". ")


def percent_escapes(size: int, rng: random.Random) -> str:
    """Return prose as URLs write it."""
    return filled(size, lambda: quote(f" price is {rng.random():.4f} & rising; buy? yes/no, maybe ") + " ")


def urls(size: int, rng: random.Random) -> str:
    """Return a list of addresses with ordinary parameters."""
    hosts = ["api.binance.com/api/v3/klines", "dexscreener.com/solana/pairs", "docs.example.org/guide/orders"]
    return filled(
        size, lambda: f"https://{rng.choice(hosts)}?symbol=BTCUSDT&interval=15m&limit={rng.randrange(1000)}&page=2\n"
    )


def keys_in_code(size: int, rng: random.Random) -> str:
    """Return code of which every line has a key or a token that is none."""
    lines = [
        "for key, value in settings.items(): print(key, value)\n",
        'api_key = os.environ["OPENAI_KEY"]\n',
        "if key == 'close': return candles[key]; tokens = text.split(); token = tokens[0]\n",
        "usage = {'prompt_tokens': 12, 'completion_tokens': 34, 'total_tokens': 46}\n",
        "client = OpenAI(api_key=api_key, base_url=base_url)\n",
    ]
    return filled(size, lambda: rng.choice(lines))


def signatures(size: int, rng: random.Random) -> str:
    """Return transactions of Solana, each with its signature: 64 bytes, the last below 16."""
    return filled(
        size,
        lambda: f"signature {base58(rng.randbytes(63) + bytes([rng.randrange(16)]))} slot {rng.randrange(10**8)}\n",
    )


def base58(data: bytes) -> str:
    """Return bytes as base58 writes them."""
    digits = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = digits[digit] + text
    return text


def filled(size: int, part: Callable[[], str]) -> str:
    """Return parts until they have this size."""
    parts: list[str] = []
    length = 0
    while length < size:
        parts.append(part())
        length += len(parts[-1])
    return "".join(parts)[:size]


def prose(size: int, rng: random.Random) -> str:
    """Return text of this project's own pages, from a random position."""
    start = rng.randrange(len(PAGES))
    return (PAGES[start:] + PAGES * (1 + size // len(PAGES)))[:size]


WORDS = {
    "German": "Der Preis steigt, für größer über weil und die Märkte fallen. nicht mit dem Umsatz",
    "Russian": "цена растёт объём падает покупать осторожно, рынок спокоен. что не выше",
    "Chinese": "价格上涨 成交量、 下跌、 谨慎买入。 市场平静、 的趋势 在这里 是最重要的。",
}


def in_language(size: int, rng: random.Random, *, language: str) -> str:
    """Return words of a language in any order; Chinese has no blanks between them."""
    blank = "" if language == "Chinese" else " "
    words = WORDS[language].split()
    return filled(size, lambda: rng.choice(words) + blank)


def pages(size: int, rng: random.Random) -> str:
    """Return prose as paragraphs of HTML, with blanks at which no line breaks."""
    text = prose(size, rng)
    starts = iter(range(0, size, 300))
    return filled(size, lambda: f"<p>{html.escape(text[(at := next(starts)) : at + 300])}&nbsp;USD</p>\n")


def microseconds(redactor: Callable[[], Redactor], texts: list[str]) -> float:
    """Return the time for one text: the best of five runs, each by a redactor that has not seen the texts."""
    runs = []
    for _ in range(5):
        text = redactor().text
        start = time.process_time()
        for each in texts:
            text(each)
        runs.append((time.process_time() - start) / len(texts) * 1e6)
    return min(runs)


def main() -> None:
    rng = random.Random(1)  # noqa: S311 - made-up texts
    print(f"{'engine':8} {'text':15} " + " ".join(f"{size // 1000:>5} KB (us)" for size in SIZES))
    engines: tuple[Literal["fast", "plain"], ...] = ("fast", "plain")
    for engine in engines:
        secrets = tuple(f"own-secret-{number}-{rng.random()}" for number in range(12))
        redactor = functools.partial(Redactor, secrets=secrets, engine=engine)
        if "redaction_failed" in redactor().text("is it there"):
            print(f"{engine:8} not installed")
            continue
        kinds: tuple[tuple[str, Callable[[int, random.Random], str]], ...] = (
            ("prompts", ordinary), ("prose", prose), ("hashes", hashes), ("escapes", escapes),
            ("unicode escapes", unicode_escapes), ("percent", percent_escapes), ("URLs", urls),
            ("keys in code", keys_in_code), ("signatures", signatures), ("with secrets", with_secrets),
            *((language, functools.partial(in_language, language=language)) for language in WORDS), ("HTML", pages),
        )  # fmt: skip
        for label, make in kinds:
            row = [microseconds(redactor, [make(size, rng) for _ in range(max(3, 300_000 // size))]) for size in SIZES]
            print(f"{engine:8} {label:15} " + " ".join(f"{value:>13.1f}" for value in row))
    short = min(timeit.repeat(lambda: redact_text("buy"), number=10_000, repeat=5)) / 10_000 * 1e6
    print(f"following the environment: {short:.2f} us a call")


if __name__ == "__main__":
    main()
