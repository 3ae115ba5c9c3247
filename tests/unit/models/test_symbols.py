"""The symbol of a call is known only where the call's own arguments leave no doubt."""

from __future__ import annotations

from typing import Any

import pytest

from src.models.call.symbols import symbol_of
from src.models.types import Message, ModelRequest

MINT = "9BB6NFEcjBCtnNLFko2FqVQBq8HHM13kCyYcdQbgpump"
OTHER_MINT = "DitHyRMQiSDhn5cnKMJV2CDDt6sVct96YrECiM49pump"
EVM = "0x6982508145454Ce325dDbE47a25d4ec3d2311933"


def asked(*texts: str, system: str | None = None, **options: Any) -> str | None:
    messages = [Message(role="system", content=system)] if system else []
    messages += [Message(role="user", content=text) for text in texts]
    return symbol_of(ModelRequest(model="m", messages=tuple(messages), options=options))


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("Symbol: BTC-USD\nclose 42,000", "BTC-USD"),
        ("  • Symbol: ETH\n  RSI: 61", "ETH"),
        ("Look.\n**Ticker:** $WIF\n", "WIF"),
        (f"TOKEN: {MINT}\nMARKET DATA:\n  close 0.012", MINT),
        (f"Token Address: {EVM}\r\nprice 1", EVM),
        ("Pair = SOL/USDT\nSolana is up", "SOL/USDT"),
        ("Symbol: BTC-USD\nBitcoin fell. BTC is weak; BTCUSDT volume 3", "BTC-USD"),
        ("Symbol: BTC-USD\n...\nSymbol: BTC-USD", "BTC-USD"),
        ("trading pair: BTC-USD", "BTC-USD"),
        ("Closed bars\n\n- trading_PAIR: BTC-USD", "BTC-USD"),
        (f"> * CONTRACT ADDRESS= {EVM}", EVM),
        ("# ticker: BTC-USD", "BTC-USD"),
    ],
)
def test_a_line_that_names_the_only_market_counts(text: str, symbol: str) -> None:
    assert asked(text) == symbol
    assert asked("Closed bars only.", text, system="You trade.") == symbol


@pytest.mark.parametrize(
    "text",
    [
        "What about BTC-USD?",
        "Symbol: BTC-USD, ETH-USD",
        "Symbol: BTC-USD\nSymbol: ETH-USD",
        "Symbol: ETH-USD\nBTC leads the market",
        "Symbol: SOL\nEthereum is flat",
        f"Symbol: WIF\nmint {MINT}",
        f"Token: {MINT}\nPool {OTHER_MINT}",
        "Symbol: UNKNOWN",
        "Token: BUY",
        "Symbol: None",
        "Symbol: the one below",
        "Symbol: {symbol}",
        "Symbol:",
        "Analyze the data. Respond in this format:\nSymbol: BTC-USD\nAction: BUY",
        "Example:\nSymbol: BTC-USD",
        "```\nSymbol: BTC-USD\n```",
        "My symbol: BTC-USD",
        "Tokens: 512",
        "Symbol: BTC-USD\n" + "x" * 40_000,
    ],
)
def test_where_another_reading_is_possible_there_is_none(text: str) -> None:
    assert asked(text) is None


def test_other_markets_in_the_system_prompt_make_it_doubtful() -> None:
    assert asked("Symbol: ETH-USD", system="You trade BTC-USD.") is None
    assert asked("Trend?", system="Symbol: ETH-USD") is None


def test_metadata_of_the_call_name_it() -> None:
    assert asked("Trend?", metadata={"symbol": "BTC-USD", "loop": "7"}) == "BTC-USD"
    assert asked("Trend?", metadata={"symbol": "BTC-USD", "pair": "ETH-USD"}) is None
    assert asked("Trend?", metadata={"symbol": "all of them"}) is None
    assert asked("Trend?", metadata=["symbol"]) is None


def test_hostile_texts_take_linear_time() -> None:
    for text in (
        "Symbol: " + " " * 30_000 + "x",
        "Symbol " * 4_000,
        "-" * 32_000 + "Symbol",
        "A-" * 16_000 + "\nToken: X",
    ):
        assert asked(text) is None
