from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from src.cli.app import app
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
    day = datetime(2025, 3, 1, 12, tzinfo=UTC).timestamp()
    night = datetime(2025, 3, 1, 20, tzinfo=UTC).timestamp()
    by_day = prices.price("deepseek", ("deepseek-chat",), THOUSAND, at=day)
    by_night = prices.price("deepseek", ("deepseek-chat",), THOUSAND, at=night)
    assert (by_day.total, by_night.total) == (0.00137, 0.000685)


@pytest.mark.parametrize("model", ["deepseek-chat", "deepseek-reasoner"])
def test_a_price_that_no_longer_holds_is_none(model: str) -> None:
    """DeepSeek has changed them on 5 September 2025 and since; the catalogue has not."""
    at = [datetime(2025, 9, 5, hour, tzinfo=UTC).timestamp() for hour in (15, 16)]
    costs = [prices.price("deepseek", (model,), THOUSAND, at=moment) for moment in at]
    assert [cost.total is None for cost in costs] == [False, True]
    assert costs[1].unknown == ("input", "output")


@pytest.mark.parametrize(
    ("model", "rate"), [("grok-4-0709", 3), ("grok-4-fast-reasoning", 0.2), ("grok-4-1-fast-non-reasoning", 0.2)]
)
def test_a_prompt_for_which_the_catalogue_has_no_rates_is_not_priced(model: str, rate: float) -> None:
    at = datetime(2026, 5, 1, tzinfo=UTC).timestamp()  # while they were offered
    short, long = (prices.price("xai", (model,), Usage(input=count, output=0), at=at) for count in (128_000, 128_001))
    assert short.total == pytest.approx(128_000 * rate / 1e6)
    assert (long.total, long.known, long.unknown) == (None, 0, ("rates above 128,000 tokens",))


def test_a_long_prompt_of_claude_sonnet_4_is_not_priced_as_a_short_one() -> None:
    short, long = (
        _cost("claude", "claude-sonnet-4-20250514", Usage(input=5, input_cached_tokens=cached, output=0))
        for cached in (199_995, 199_996)
    )
    assert short.total == pytest.approx((5 * 3 + 199_995 * 0.3) / 1e6)
    assert (long.total, long.unknown) == (None, ("rates above 200,000 tokens",))


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("gemini", "gemini-3.8-flash-lite"), ("gemini", "gemini-1.5-flash-8b-001"), ("claude", "claude-opus-4-8-fast"),
        ("claude", "claude-haiku-4-5-mini"), ("deepseek", "deepseek-v4-pro-thinking"),
        ("gemini", "gemini-2.5-flash-preview-05-20"), ("openai", "gpt-4o-realtime-whisper"),
    ],
)  # fmt: skip
def test_a_model_that_the_catalogue_does_not_list_has_no_other_ones_price(provider: str, model: str) -> None:
    cost = _cost(provider, model, THOUSAND)
    assert (cost.total, cost.known, cost.unknown) == (None, 0, ("input", "output"))


@pytest.mark.parametrize(
    ("provider", "model", "expected"),
    [
        ("gemini", "gemini-3.8-flash-preview-11-2026", 0.0045), ("gemini", "gemma-3-27b-it", 0),
        ("claude", "claude-opus-5-5-20260915", 0.024), ("claude", "claude-3-5-sonnet-v2@20241022", 0.018),
        ("claude", "claude-2.1", 0.032), ("openai", "ft:gpt-4o-mini-2024-07-18:mine::9fZk", 0.0015),
        ("openai", "gpt-4o-realtime-preview-2025-06-03", 0.025),
    ],
)  # fmt: skip
def test_a_dated_or_tuned_model_has_its_own_price(provider: str, model: str, expected: float) -> None:
    assert _usd(provider, model, THOUSAND) == pytest.approx(expected)


def test_what_a_tuned_model_reads_from_a_cache_has_no_known_price() -> None:
    cost = _cost("openai", "ft:gpt-4o-2024-08-06:mine::9fZk", Usage(input=1000, input_cached_tokens=1000, output=0))
    assert (cost.known, cost.unknown) == (0.00375, ("input_cached_tokens",))


# DeepSeek's page has peak prices from 01:00 to 04:00 and from 06:00 to 10:00 UTC on weekdays, and half of them
# otherwise; a stored copy of api-docs.deepseek.com/quick_start/pricing was read on 2026-11-30. 2026-11-02 is a Monday.
PEAK, OFF_PEAK = (1000 * 0.30 + 1000 * 1.20) / 1e6, (1000 * 0.15 + 1000 * 0.60) / 1e6


@pytest.mark.parametrize(
    ("day", "hour", "expected"),
    [
        (2, 0, OFF_PEAK), (2, 1, PEAK), (2, 3, PEAK), (2, 4, OFF_PEAK), (2, 6, PEAK), (2, 9, PEAK), (2, 10, OFF_PEAK),
        (6, 9, PEAK), (7, 2, OFF_PEAK), (7, 9, OFF_PEAK), (8, 2, OFF_PEAK), (8, 9, OFF_PEAK), (9, 2, PEAK),
    ],
)  # fmt: skip
def test_deepseeks_peak_hours_are_those_of_its_weekdays(day: int, hour: int, expected: float) -> None:
    moment = datetime(2026, 11, day, hour, 30, tzinfo=UTC).timestamp()
    assert prices.price("deepseek", ("deepseek-flash",), THOUSAND, at=moment).total == pytest.approx(expected)
    assert prices.price("deepseek", ("deepseek-v4-flash",), THOUSAND, at=moment).total == pytest.approx(expected)


def test_a_cache_hit_without_a_known_price_is_not_priced_as_fresh_input() -> None:
    cost = _cost("deepseek", "deepseek-v3.2", Usage(input=1000, input_cached_tokens=500, output=0))
    assert (cost.total, cost.known, cost.unknown) == (None, 0.0002288, ("input_cached_tokens",))


def test_where_the_prompts_length_is_not_known_a_price_in_tiers_is_the_least() -> None:
    cost = _cost("xai", "grok-4.3", Usage(output=1000))
    assert (cost.known, cost.unknown) == (0.0025, ("output above the price for short prompts", "input"))


def test_costs_add_up_to_the_digit() -> None:
    total = sum((_cost("openai", "gpt-4o", Usage(input=1, output=0)) for _ in range(3)), Cost())
    assert (total.total, total.details) == (0.0000075, {"input": 0.0000075, "total": 0.0000075})


def test_a_cost_of_parts_of_which_one_is_unknown_has_no_total() -> None:
    whole, partial = _cost("openai", "gpt-4o", THOUSAND), Cost(unknown=("x",))
    both = whole + partial + partial
    assert (both.total, both.usd, both.is_whole, both.unknown) == (None, None, False, ("x",))
    assert (both.known, both.source) == (0.0125, whole.source)
    assert both.details == {"input": 0.0025, "output": 0.01, "total": 0.0125}


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


UNITS = """
["openai:gpt-4o-mini-audio-preview"]
input_audio = 10
output_audio = 20
["openai:gpt-4.1"]
override = true
input = 1
output = 2
["mine:*"]
input = 1
cached_input = 0.5
cache_write = 1.25
cache_write_1h = 2
output = 4
reasoning = 5
input_audio = 10
output_audio = 20
output_image = 30
web_searches = 14
storage_searches = 2.5
code_executions = 3
requests = 5
above = { tokens = 2000, input = 2, output = 8 }
"""


@pytest.fixture
def units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(UNITS)
    monkeypatch.setenv("MOONDEV_PRICES", str(path))


@pytest.mark.usefixtures("units")
def test_the_users_table_prices_every_unit() -> None:
    usage = Usage(
        input=300, input_cached_tokens=100, input_cache_creation=150, output=400, output_reasoning_tokens=50,
        units={"input_audio_tokens": 200, "input_cache_creation_1h": 50, "output_audio_tokens": 100,
               "output_image_tokens": 200, "web_searches": 2, "storage_searches": 1, "code_executions": 3},
    )  # fmt: skip
    cost = _cost("mine", "m", usage)
    per_token = 100 * 1 + 200 * 10 + 100 * 0.5 + 100 * 1.25 + 50 * 2 + 100 * 4 + 100 * 20 + 200 * 30 + 50 * 5
    assert cost.unknown == ()
    assert cost.total == pytest.approx(per_token / 1e6 + (2 * 14 + 2.5 + 3 * 3 + 5) / 1e3)
    assert _cost("mine", "m", Usage(input=2000, output=100)).total == pytest.approx((2000 + 400) / 1e6 + 0.005)
    assert _cost("mine", "m", Usage(input=2001, output=100)).total == pytest.approx((4002 + 800) / 1e6 + 0.005)


@pytest.mark.usefixtures("units")
def test_the_users_table_adds_what_the_catalogue_lacks_and_may_come_before_it() -> None:
    usage = Usage(input=100, output=80, units={"input_audio_tokens": 70, "output_audio_tokens": 60})
    cost = _cost("openai", "gpt-4o-mini-audio-preview", usage)
    assert cost.total == pytest.approx((30 * 0.15 + 70 * 10 + 20 * 0.6 + 60 * 20) / 1e6)
    assert (cost.source or "").endswith(", own table")
    assert (_cost("openai", "gpt-4.1", THOUSAND).total, _cost("openai", "gpt-4.1", THOUSAND).source) == (
        0.003,
        "own table",
    )
    assert _cost("openai", "gpt-4o", THOUSAND).total == 0.0125


def test_a_table_that_changed_is_read_again(table: Path) -> None:
    assert _usd("openai", "ft:x", Usage(input=1000, output=0)) == 0.002
    table.write_text('["openai:ft:*"]\ninput = 3\noutput = 4\n')
    os.utime(table, ns=(1, 1))
    assert _usd("openai", "ft:x", Usage(input=1000, output=0)) == 0.003


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('["a:b"]\ninput = 1\n', "needs input and output"),
        ('["a:b"]\n', "needs input and output"),
        ('a = 1\n', "is no table"),
        ('["a:b"]\ninput = -1\noutput = 1\n', "has input = -1; a price is a number of dollars, 0 or more"),
        ('["a:b"]\ninput = nan\noutput = 1\n', "has input = nan"),
        ('["a:b"]\ninput = inf\noutput = 1\n', "has input = inf"),
        ('["a:b"]\ninput = true\noutput = 1\n', "has input = True"),
        ('["a:b"]\ninput = "1"\noutput = 1\n', "has input = '1'"),
        ('["a:b"]\ninptu = 1\noutput = 1\n', "has no use for inptu; the units are input, output, cached_input"),
        ('["a:b"]\ninput = 1\noutput = 1\noverride = 1\n', "has override = 1; it is true or false"),
        ('["a:b"]\ninput = 1\noutput = 1\nabove = 5\n', "has above = 5"),
        ('["a:b"]\ninput = 1\noutput = 1\nabove = { input = 5 }\n', "tokens = the longest prompt"),
        ('["a:b"]\ninput = 1\noutput = 1\nabove = { tokens = 5, input = -5 }\n', "has input = -5"),
        ('["a:b"]\ninput = 1\noutput = 1\nabove = { tokens = 5, web_searches = 5 }\n', "has above web_searches"),
        ("[", "cannot be read"),
    ],
)  # fmt: skip
def test_a_bad_table_is_refused_by_its_name_and_reason(
    text: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(text)
    monkeypatch.setenv("MOONDEV_PRICES", str(path))
    assert _cost("a", "b", THOUSAND).unknown == ("input", "output")
    assert str(path) in caplog.text
    assert reason in caplog.text


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


@pytest.mark.parametrize(
    ("text", "ok", "detail"), [(UNITS, True, "3 tables"), ('["a:b"]\nx = 1\n', False, "has no use for x")]
)
def test_the_doctor_shows_a_bad_table(
    text: str, ok: bool, detail: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "prices.toml").write_text(text)
    monkeypatch.setenv("MOONDEV_PRICES", str(tmp_path / "prices.toml"))
    printed = CliRunner().invoke(app, ["doctor", "--offline", "--json"]).stdout
    (finding,) = [finding for finding in json.loads(printed) if finding["name"] == "MOONDEV_PRICES"]
    assert (finding["ok"], detail in finding["detail"]) == (ok, True)


@pytest.mark.parametrize(
    ("provider", "model", "before", "after"),
    [
        ("xai", "grok-4-fast", datetime(2026, 5, 15, 18, tzinfo=UTC), datetime(2026, 5, 15, 20, tzinfo=UTC)),
        ("xai", "grok-code-fast-1", datetime(2026, 5, 15, 18, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)),
        ("openai", "gpt-5.6-sol", datetime(2026, 11, 21, 23, tzinfo=UTC), datetime(2026, 11, 22, 1, tzinfo=UTC)),
        ("openai", "gpt-oss-120b", None, datetime(2026, 12, 1, tzinfo=UTC)),
    ],
)
def test_prices_that_are_not_known_to_hold_are_none(
    provider: str, model: str, before: datetime | None, after: datetime
) -> None:
    if before is not None:
        assert prices.price(provider, (model,), THOUSAND, at=before.timestamp()).total
    assert prices.price(provider, (model,), THOUSAND, at=after.timestamp()).total is None
    assert prices.price("xai", ("grok-4.3", "grok-4-fast"), THOUSAND, at=after.timestamp()).total
    assert prices.price("groq", ("openai/gpt-oss-120b",), THOUSAND, at=after.timestamp()).total == pytest.approx(
        0.00075
    )
