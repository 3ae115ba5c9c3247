from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from src.models import catalogue
from src.models.model_factory import PROVIDERS, ModelFactory
from src.models.pricing.prices import price
from src.models.usage import Usage

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", ["claude", "openai", "deepseek", "groq", "gemini", "xai", "openrouter"])
def test_each_provider_has_known_models_with_context_and_prices(name: str) -> None:
    models = catalogue.models(name)
    assert len(models) > 3
    assert PROVIDERS[name].default_model in {item.name for item in models}
    assert [item.name for item in models] == sorted({item.name for item in models})
    assert any(item.context for item in models)
    default = next(item for item in models if item.name == PROVIDERS[name].default_model)
    assert not default.deprecated
    assert default.input_price
    assert default.output_price


def test_models_that_do_not_answer_with_text_are_left_out() -> None:
    names = {item.name for item in catalogue.models("openai")}
    assert "gpt-4o" in names
    assert not names & {"whisper-1", "tts-1", "text-embedding-3-small", "davinci-002", "gpt-image-1", "gpt-realtime"}
    assert {item.name.partition("-")[0] for item in catalogue.models("gemini")} <= {"gemini", "gemma"}
    assert not [item for item in catalogue.models("gemini") if "tts" in item.name or "image" in item.name]


def test_an_agent_reads_description_and_prices_by_the_models_name() -> None:
    entry = ModelFactory.get_model("openai").AVAILABLE_MODELS.get("gpt-4o", {})
    assert entry["description"]
    assert entry["input_price"] == "$2.5/1M tokens"
    assert entry["output_price"] == "$10/1M tokens"
    assert entry["context_window"] == 128_000


def test_a_known_model_has_its_capabilities() -> None:
    model = next(model for model in catalogue.models("openai") if model.name == "o3-mini")
    assert not model.can("openai").temperature


def test_a_provider_that_no_catalogue_lists_has_its_default() -> None:
    assert [item.name for item in catalogue.models("ollama")] == [PROVIDERS["ollama"].default_model]
    assert catalogue.models("nobody") == ()
    (embedded,) = catalogue.models("local")
    assert (embedded.input_price, embedded.output_price) == (0, 0)


def test_the_list_has_the_prices_by_which_calls_are_priced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    table = tmp_path / "prices.toml"
    table.write_text('["openai:gpt-4o"]\noverride = true\ninput = 7\noutput = 9\n')
    monkeypatch.setenv("MOONDEV_PRICES", str(table))
    assert next(item for item in catalogue.models("openai") if item.name == "gpt-4o").input_price == 7
    for provider in ("deepseek", "openai", "gemini"):
        for item in catalogue.models(provider):
            cost = price(provider, (item.name,), Usage(input=1, output=1)).total
            known = item.input_price is not None and item.output_price is not None
            assert (cost is not None) == known, item.name
            if item.input_price is not None and item.output_price is not None:
                assert cost == pytest.approx((item.input_price + item.output_price) / 1e6), item.name
    assert next(item for item in catalogue.models("deepseek") if item.name == "deepseek-chat").input_price is None
