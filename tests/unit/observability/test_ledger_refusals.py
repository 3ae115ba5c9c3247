"""A decision with two readings, or that would be stopped at once, does not go into the ledger."""

from __future__ import annotations

import json
import time
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from src.agents.market import sample_candles
from src.agents.trading_agent import TradingAgent
from src.cli.start import main
from src.observability import decision, outcome
from tests.commands import run_app

if TYPE_CHECKING:
    from collections.abc import Iterator

NAIVE = datetime(2024, 1, 2, 9, 0)  # noqa: DTZ001 - the case


@pytest.fixture
def clock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the machine's clock be that of a zone."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield
    time.tzset()


def listed() -> list[tuple[str, str]]:
    return [(row["id"], row["as_of"]) for row in json.loads(run_app(main, "decisions", "list", "--json").out)]


@pytest.mark.parametrize("clock", ["Asia/Tokyo"], indirect=True)
@pytest.mark.usefixtures("clock")
def test_a_time_without_a_zone_is_refused_where_it_has_two_readings(caplog: pytest.LogCaptureFixture) -> None:
    assert decision("BTC-USD", "BUY", as_of=NAIVE) is None
    assert "2024-01-02 09:00:00+09:00 by this machine's clock, and 2024-01-02 09:00:00+00:00 in UTC" in caplog.text
    with pytest.raises(ValueError, match="states no zone"):
        TradingAgent(members=["local"]).decide("EURUSD", sample_candles("EURUSD"), now=NAIVE)
    name = decision("BTC-USD", "BUY", as_of=NAIVE.replace(tzinfo=timezone(timedelta(hours=9))))
    assert listed() == [(name, "2024-01-02T00:00:00+00:00")]


@pytest.mark.parametrize("clock", ["UTC"], indirect=True)
@pytest.mark.usefixtures("clock")
def test_a_time_without_a_zone_is_utc_where_the_machine_s_is() -> None:
    name = decision("BTC-USD", "BUY", as_of=NAIVE)
    assert listed() == [(name, "2024-01-02T09:00:00+00:00")]


@pytest.mark.parametrize(
    ("action", "price", "target", "stop"),
    [
        ("BUY", 100.0, 90.0, 110.0),
        ("BUY", 100.0, None, 110.0),
        ("BUY", 100.0, 90.0, None),
        ("BUY", 100.0, None, 100.0),
        ("BUY", None, 90.0, 110.0),
        ("SELL", 100.0, 110.0, 90.0),
        ("SELL", 100.0, None, 90.0),
        ("SELL", None, 110.0, 110.0),
    ],
)
def test_a_stop_that_would_be_reached_at_once_is_refused(
    caplog: pytest.LogCaptureFixture, action: str, price: float | None, target: float | None, stop: float | None
) -> None:
    assert decision("BTC-USD", action, price=price, target=target, stop=stop) is None
    assert "a BUY has its stop below and its target above, a SELL the other way round" in caplog.text


@pytest.mark.parametrize(
    ("action", "price", "target", "stop"),
    [
        ("BUY", 100.0, 110.0, 90.0),
        ("BUY", None, 110.0, None),
        ("SELL", 100.0, 90.0, 110.0),
        ("SELL", 100.0, None, 110.0),
        ("NOTHING", 100.0, 90.0, 110.0),
    ],
)
def test_a_stop_on_the_right_side_is_kept(
    action: str, price: float | None, target: float | None, stop: float | None
) -> None:
    name = decision("BTC-USD", action, price=price, target=target, stop=stop)
    assert name is not None
    assert outcome(name, pnl_usd=1.5, time_s=1_704_240_000.0)
