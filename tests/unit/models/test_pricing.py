from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from src.models.pricing import catalogue_prices, prices, user_prices
from src.models.pricing.reported import reported_cost
from src.models.usage import Cost, Usage

if TYPE_CHECKING:
    from pathlib import Path

THOUSAND = Usage(input=1000, output=1000)
NOVEMBER = datetime(2026, 11, 1, 12, tzinfo=UTC).timestamp()


@pytest.fixture(autouse=True)
def fresh() -> None:
    user_prices._table.cache_clear()


def _usd(provider: str, model: str, usage: Usage, **more: object) -> float | None:
    return _cost(provider, model, usage, **more).total


def _cost(provider: str, model: str, usage: Usage | None, **more: object) -> Cost:
    return prices.price(provider, (model,), usage, at=NOVEMBER, **more)  # type: ignore[arg-type] # a tier


def test_the_price_that_the_provider_reports_wins() -> None:
    cost = _cost("openrouter", "openai/gpt-4o", THOUSAND, reported=reported_cost("openrouter", {"cost": 0.5}))
    assert (cost.total, cost.source, cost.date, cost.details) == (0.5, "provider", "2026-11-01", {"total": 0.5})


def test_each_bucket_has_its_rate() -> None:
    assert _usd("openai", "gpt-4o", Usage(input=1000)) is None  # output unknown
    assert _usd(
        "openai", "gpt-4o", Usage(input=1000, input_cached_tokens=0, input_cache_creation=None, output=0)
    ) == pytest.approx(0.0025)
    assert _usd(
        "openai", "gpt-4o", Usage(input=0, input_cached_tokens=1000, input_cache_creation=None, output=0)
    ) == pytest.approx(0.00125)
    assert _usd(
        "openai", "gpt-4o", Usage(input=0, input_cached_tokens=0, input_cache_creation=None, output=1000)
    ) == pytest.approx(0.01)
    assert _usd(
        "openai",
        "gpt-4o",
        Usage(input=0, input_cached_tokens=0, input_cache_creation=None, output=0, output_reasoning_tokens=1000),
    ) == pytest.approx(0.01)  # reasoning is output


def test_the_cost_has_its_source_and_date() -> None:
    cost = prices.price("openai", ("gpt-4o",), THOUSAND, at=NOVEMBER)
    assert (cost.source or "").startswith("genai-prices ")
    assert cost.date == "2026-11-01"
    assert cost.details == pytest.approx({"input": 0.0025, "output": 0.01, "total": 0.0125})


def test_the_replys_model_is_priced_else_the_requested_one() -> None:
    both = prices.price("openai", ("gpt-4o-mini", "gpt-4o"), THOUSAND, at=NOVEMBER)
    unknown = prices.price("openai", ("no-such-model", "gpt-4o"), THOUSAND, at=NOVEMBER)
    assert (both.total, unknown.total) == (0.00075, 0.0125)


def test_an_unknown_price_is_none_and_never_zero() -> None:
    for provider, model, usage, unknown in (
        ("openai", "no-such-model", THOUSAND, ("input", "output")),
        ("no-such-provider", "gpt-4o", THOUSAND, ("input", "output")),
        ("openai", "gpt-4o", None, ("usage",)),
        ("ollama", "llama3.2", THOUSAND, ("input", "output")),
    ):
        cost = _cost(provider, model, usage)
        assert (cost.total, cost.known, cost.unknown) == (None, 0, unknown)


def test_a_price_that_depends_on_the_hour_is_looked_up_for_that_hour() -> None:
    day = datetime(2026, 11, 1, 12, tzinfo=UTC).timestamp()
    night = datetime(2026, 11, 1, 20, tzinfo=UTC).timestamp()
    by_day = prices.price("deepseek", ("deepseek-chat",), THOUSAND, at=day)
    by_night = prices.price("deepseek", ("deepseek-chat",), THOUSAND, at=night)
    assert (by_day.total, by_night.total) == (0.00137, 0.000685)


def test_a_service_tier_has_its_own_rates() -> None:
    standard, priority = (_usd("openai", "gpt-5", THOUSAND, tier=tier) for tier in ("default", "priority"))
    assert (standard, priority) == (0.01125, 0.0225)


def test_a_price_in_tiers_depends_on_the_prompts_length() -> None:
    short, long = (
        _usd("xai", "grok-4.3", Usage(input=100_000, output=0)),
        _usd("xai", "grok-4.3", Usage(input=300_000, output=0)),
    )
    assert short is not None
    assert long == pytest.approx(6 * short)


def test_rates_are_cached() -> None:
    catalogue_prices._prices.cache_clear()
    for _ in range(5):
        _usd("openai", "gpt-4o", THOUSAND)
    assert catalogue_prices._prices.cache_info().misses == 1


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "prices.toml"
    path.write_text('["openai:ft:*"]\ninput = 2\noutput = 4\ncached_input = 1\n["*:gpt-4o"]\ninput = 99\noutput = 99\n')
    monkeypatch.setenv("MOONDEV_PRICES", str(path))
    return path


def test_the_users_table_prices_models_that_no_catalogue_lists(table: Path) -> None:
    cost = prices.price(
        "openai",
        ("FT:mine-7",),
        Usage(
            input=1000, input_cached_tokens=1000, input_cache_creation=None, output=1000, output_reasoning_tokens=1000
        ),
    )
    assert cost.total == 0.011
    assert (cost.source, cost.date) == (
        "own table",
        datetime.fromtimestamp(table.stat().st_mtime, UTC).date().isoformat(),
    )


def test_the_catalogue_comes_before_the_users_table(table: Path) -> None:
    assert _usd("openai", "gpt-4o", THOUSAND) == pytest.approx(0.0125)


def test_the_users_table_may_be_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "prices.json"
    path.write_text('{"mine:*": {"input": 1, "output": 1}}')
    monkeypatch.setenv("MOONDEV_PRICES", str(path))
    assert _usd("mine", "m", THOUSAND) == pytest.approx(0.002)


@pytest.mark.parametrize(
    "text", ["[", '["a"]\ninput = 1', '["a"]\ninput = "x"\noutput = 1', '["a"]\ninptu = 1\noutput = 1']
)
def test_a_broken_table_costs_a_warning_not_the_reply(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(text)
    monkeypatch.setenv("MOONDEV_PRICES", str(path))
    for _ in range(3):
        assert prices.price("openai", ("no-such-model",), THOUSAND).total is None
    assert prices.price("openai", ("gpt-4o",), THOUSAND, at=NOVEMBER).total == 0.0125
    assert caplog.text.count("prices.toml") == 1
