"""Questions and replies of the shapes that the public checkout's agents have, asked of a real model on loopback."""

from __future__ import annotations

import json
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from src.models.errors import EmptyResponse
from src.models.model_factory import ModelFactory
from src.models.retry import RetryPolicy
from tests.servers import Received, Reply, Server, chat_reply

if TYPE_CHECKING:
    from collections.abc import Iterator

MINT = "9BB6NFEcjBCtnNLFko2FqVQBq8HHM13kCyYcdQbgpump"
OTHER_MINT = "DitHyRMQiSDhn5cnKMJV2CDDt6sVct96YrECiM49pump"


class Desk:
    """Asks in the name of agents; the next reply is what `reply` says."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.reply = ""

    def answer(self, _: Received) -> Reply:
        return chat_reply(self.reply)

    def ask(self, agent: str, prompt: str, reply: str, system: str = "Be brief.", **options: Any) -> None:
        """Ask one question and get one reply; both are recorded."""
        self.reply = reply
        model = ModelFactory.get_model(
            "openai", "gpt-4o", api_key="sk-test-0123456789abcdefghij", base_url=f"{self._server.url}/v1", agent=agent,
            retry_policy=RetryPolicy(max_attempts=1),
        )  # fmt: skip
        with suppress(EmptyResponse):
            model.generate_response(system, prompt, **options)


@contextmanager
def desk() -> Iterator[Desk]:
    """Yield a desk with its server."""
    holder: list[Desk] = []
    with Server(lambda request: holder[0].answer(request)) as server:  # noqa: PLW0108 - made below
        holder.append(Desk(server))
        yield holder[0]


FUNDING = "Look at this.\n\nAnalyze FARTCOIN with -12.50% funding rate:\n\nBTC bars\n"
LIQUIDATION = "Analyze market\n\nCurrent Long Liquidations: $1,000.00 (+5.0% change)\n"
WHALE = "Analyze BTC with 1.52% OI change in 15m:\nCurrent OI: $5 billion\n"
CHART = "Analyze the chart data for BTC 15m:\n\nbars\nCurrent price: 64000.50\n24h High: 65000.00\n"
TRADING = "Market Data to Analyze:\n     open  close\n0    1     2"
SWARM = "\nTOKEN: BTC\nTIMEFRAME: 1H bars\n"
SWARM_SYSTEM = "RESPOND WITH ONLY ONE WORD: Buy, Sell, or Do Nothing"
COIN = (
    "Coin Information:\n- Name: Pepe\n- Symbol: PEPE\n- Source: NEW\n\nMarket Data (USD):\n"
    "- Current Price: $0.00001234\n- 24h Open: $0.00001200\n"
)
LISTING = "Token Information:\n- Name: Foo (FOO)\n- Token ID: foo-coin\n- Current Price: $1,234.50000000\n"


def _json(value: object) -> str:
    return json.dumps(value, indent=2)


_SIGNAL = {"token": MINT, "strategy_name": "cross", "signal": 0.8, "direction": "SELL", "metadata": {"a": 1}}
SIGNAL = f"Strategy Signals:\n{_json([_SIGNAL])}\n\nContext\n"
TWO_SIGNALS = f"Strategy Signals:\n{_json([_SIGNAL, _SIGNAL])}\n\nContext\n"
_POSITION = {"value_usd": 10.5, "data": {"nested": {}}}
POSITION = f"Current Positions and Data:\n{_json({MINT: _POSITION})}\n"
TWO_POSITIONS = f"Current Positions and Data:\n{_json({MINT: _POSITION, OTHER_MINT: _POSITION})}\n"
BREACH = "Current Positions:\n- " + MINT + ": 1500.0 ($12.50)\n\nShould we?\n"
COPY = "  Mint Address name Amount\n0 " + MINT + " Fart 12.5\n"
THREE_LINES = "BUY\nShorts pay longs.\nConfidence: 75%"

# Agent, prompt, system prompt, reply; then symbol, action, confidence and price of the decision.
DECISIONS: list[tuple[tuple[str, str, str, str], tuple[str, str, float | None, float | None]]] = [
    (("funding_agent", FUNDING, "", THREE_LINES), ("FARTCOIN-USD", "BUY", 75, None)),
    (("funding_agent", FUNDING, "", "sell\n\nToo dear.\r\n\nconfidence: 5%\n"), ("FARTCOIN-USD", "SELL", 5, None)),
    (("liquidation_agent", LIQUIDATION, "", THREE_LINES), ("BTC-USD", "BUY", 75, None)),
    (("whale_agent", WHALE, "", "NOTHING\nQuiet.\nConfidence: 100%"), ("BTC-USD", "NOTHING", 100, None)),
    (("chartanalysis_agent", CHART, "", THREE_LINES), ("BTC-USD", "BUY", 75, 64_000.5)),
    (("chartanalysis_agent", CHART.replace("64000.50", "0.35"), "", THREE_LINES), ("BTC-USD", "BUY", 75, None)),
    (("swarm_agent", SWARM, SWARM_SYSTEM, "Do Nothing"), ("BTC", "NOTHING", None, None)),
    (("swarm_agent", SWARM, SWARM_SYSTEM, " Sell\n"), ("BTC", "SELL", None, None)),
    (("new_or_top_agent", COIN, "", "RECOMMENDATION: DO NOTHING\n\nThin."), ("PEPE-USD", "NOTHING", None, 0.00001234)),
    (("listingarb_agent", LISTING, "You are the Technical Analysis Agent", "RECOMMENDATION: BUY\nUp."),
     ("FOO-USD", "BUY", None, 1234.5)),
    (("listingarb_agent", LISTING, "You are the Fundamental Analysis Agent", "RECOMMENDATION: SELL"),
     ("FOO-USD", "SELL", None, 1234.5)),
    (("strategy_agent", SIGNAL, "", "EXECUTE signal_1\nIt fits."), (MINT, "SELL", None, None)),
    (("strategy_agent", SIGNAL, "", "REJECT signal_1\nIt does not."), (MINT, "NOTHING", None, None)),
    (("risk_agent", POSITION, "", "RESPECT_LIMIT: it falls"), (MINT, "SELL", None, None)),
    (("risk_agent", POSITION, "", "OVERRIDE: it turns"), (MINT, "NOTHING", None, None)),
    (("risk_agent", BREACH, "", "CLOSE_ALL\nNow."), (MINT, "SELL", None, None)),
    (("copybot_agent", COPY, "", "BUY\nGrowing.\nConfidence level: 80%"), (MINT, "BUY", 80, None)),
]  # fmt: skip

# What is no decision, with its reason.
OTHERS: list[tuple[tuple[str, str, str, str], str]] = [
    (("funding_agent", FUNDING, "", "BUY\nShorts pay longs."), "the reply does not match"),
    (("funding_agent", FUNDING, "", "BUY now\nShorts pay longs.\nConfidence: 75%"), "the reply does not match"),
    (("funding_agent", FUNDING, "", "I would not BUY\nNo.\nConfidence: 75%"), "the reply does not match"),
    (("funding_agent", FUNDING, "", "BUY\nShorts pay.\nConfidence: 175%"), "a number in it cannot be"),
    (("funding_agent", FUNDING, "", THREE_LINES + "\nor SELL"), "the reply does not match"),
    (("funding_agent", FUNDING + FUNDING.replace("FARTCOIN", "WIF"), "", THREE_LINES), "it names several markets"),
    (("funding_agent", "What is funding?", "", THREE_LINES), "no rule is about its question"),
    (("trading_agent", TRADING, "", "BUY\nTrend is up.\nConfidence: 70%"), "its market is not known"),
    (("swarm_agent", SWARM, SWARM_SYSTEM, "do not buy"), "the reply does not match"),
    (("swarm_agent", SWARM, SWARM_SYSTEM, "Buy or Sell"), "the reply does not match"),
    (("swarm_agent", SWARM, "You are helpful.", "Buy"), "no rule is about its question"),
    (("new_or_top_agent", COIN, "", "**RECOMMENDATION: BUY**"), "the reply does not match"),
    (("new_or_top_agent", COIN, "", "RECOMMENDATION: BUY\nRECOMMENDATION: SELL\n"), "the reply says two things"),
    (("strategy_agent", TWO_SIGNALS, "", "EXECUTE signal_1, REJECT signal_2\n"), "no rule is about its question"),
    (("risk_agent", TWO_POSITIONS, "", "RESPECT_LIMIT: both"), "it names several markets"),
    (("risk_agent", POSITION, "", "I will not OVERRIDE: no"), "the reply does not match"),
    (("risk_agent", POSITION, "", "OVERRIDE: a\nRESPECT_LIMIT: b"), "the reply says two things"),
    (("copybot_agent", COPY + OTHER_MINT, "", "BUY\nGrowing."), "it names several markets"),
]
