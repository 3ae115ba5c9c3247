from __future__ import annotations

import pytest

from src.models import catalogue
from src.models.model_factory import PROVIDERS, ModelFactory


@pytest.mark.parametrize("name", ["claude", "openai", "deepseek", "groq", "gemini", "xai", "openrouter"])
def test_each_provider_has_known_models_with_context_and_prices(name: str) -> None:
    found = catalogue.models(name)
    assert len(found) > 3
    assert PROVIDERS[name].default_model in {item.name for item in found}
    assert [item.name for item in found] == sorted({item.name for item in found})
    assert any(item.context for item in found)
    default = next(item for item in found if item.name == PROVIDERS[name].default_model)
    assert not default.deprecated
    assert default.input_price
    assert default.output_price


def test_models_that_answer_with_no_text_are_left_out() -> None:
    names = {item.name for item in catalogue.models("openai")}
    assert "gpt-4o" in names
    assert not names & {"whisper-1", "tts-1", "text-embedding-3-small", "davinci-002", "gpt-image-1", "gpt-realtime"}
    assert {item.name.partition("-")[0] for item in catalogue.models("gemini")} <= {"gemini", "gemma"}
    assert not [item for item in catalogue.models("gemini") if "tts" in item.name or "image" in item.name]


def test_an_agent_finds_description_and_prices_by_the_models_name() -> None:
    told = ModelFactory.get_model("openai").AVAILABLE_MODELS.get("gpt-4o", {})
    assert told["description"]
    assert told["input_price"] == "$2.5/1M tokens"
    assert told["output_price"] == "$10/1M tokens"
    assert told["context_window"] == 128_000


def test_a_model_tells_what_it_can_do() -> None:
    item = next(item for item in catalogue.models("openai") if item.name == "o3-mini")
    assert not item.can("openai").temperature


def test_a_provider_that_no_catalogue_lists_has_its_default() -> None:
    assert [item.name for item in catalogue.models("ollama")] == [PROVIDERS["ollama"].default_model]
    assert catalogue.models("nobody") == ()
    (embedded,) = catalogue.models("local")
    assert (embedded.input_price, embedded.output_price) == (0, 0)
