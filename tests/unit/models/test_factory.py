from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import threading
from typing import Any

import pytest

from src.models import BaseModel, ModelFactory, ModelResponse, model_factory
from src.models.errors import ModelUnavailable, UnknownProvider
from src.models.model_factory import PROVIDERS


def test_works_on_the_class_an_instance_and_the_module_level_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_KEY", "sk-test-0123456789abcdefghij")
    for factory in (ModelFactory, ModelFactory(), model_factory):
        model = factory.get_model("openai", "gpt-4o")
        assert (model.provider, model.model_name, bool(model)) == ("openai", "gpt-4o", True)


def test_an_unknown_provider_raises_with_the_known_names() -> None:
    with pytest.raises(UnknownProvider) as raised:
        ModelFactory.get_model("opnai")
    for name in PROVIDERS:
        assert name in str(raised.value)


@pytest.mark.parametrize("name", [row.name for row in PROVIDERS.values() if row.needs_key])
def test_a_missing_key_gives_a_falsy_model_whose_calls_name_the_variable(name: str) -> None:
    model = ModelFactory.get_model(name)
    assert not model
    assert model is not None
    with pytest.raises(ModelUnavailable) as raised:
        model.generate_response("s", "u")
    assert PROVIDERS[name].keys[0] in str(raised.value)
    assert raised.value.trace_id  # the attempt is on record
    with pytest.raises(ModelUnavailable, match=PROVIDERS[name].keys[0]):
        model.chat([{"role": "user", "content": "u"}])


def test_getting_a_model_does_not_change_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_KEY", "sk-test-0123456789abcdefghij")
    default = ModelFactory.get_model("openai").model_name
    assert ModelFactory.get_model("openai", "gpt-4.1-mini").model_name == "gpt-4.1-mini"
    assert ModelFactory.get_model("openai").model_name == default


def test_provider_and_model_may_come_in_one_string(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-test-0123456789abcdef")
    assert ModelFactory.get_model("claude:claude-opus-4-5").model_name == "claude-opus-4-5"


def test_threads_get_the_same_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_KEY", "sk-test-0123456789abcdefghij")
    models: list[BaseModel] = []
    start = threading.Barrier(8)

    def ask() -> None:
        start.wait()
        models.append(ModelFactory.get_model("openai", "gpt-4o"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(models) == 8
    assert len({id(model) for model in models}) == 1


def test_a_key_that_is_set_later_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not ModelFactory.is_model_available("openai")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789abcdefghij")
    assert ModelFactory.is_model_available("openai")
    assert ModelFactory.get_model("openai")


def test_the_names_that_existing_agents_read_are_there() -> None:
    assert set(model_factory.MODEL_IMPLEMENTATIONS) == set(PROVIDERS)
    assert issubclass(model_factory.MODEL_IMPLEMENTATIONS["openai"], BaseModel)
    assert model_factory.DEFAULT_MODELS["openai"]
    assert "local" in model_factory._models
    assert "openai" not in model_factory._models
    assert model_factory.is_model_available("local")
    assert "local" in model_factory.available_models


def test_a_class_that_overrides_a_public_call_fails_at_definition() -> None:
    def generate_response(self: object) -> None:
        """Go round the tracing."""

    with pytest.raises(TypeError, match="generate_response, which is final"):
        type("Rogue", (BaseModel,), {"generate_response": generate_response})


def test_a_mixin_that_overrides_a_public_call_fails_too() -> None:
    class Mixin:
        async def achat(self) -> None:
            """Go round the tracing."""

    with pytest.raises(TypeError, match="achat"):
        type("Rogue", (Mixin, BaseModel), {})


def test_a_model_never_shows_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_KEY", "sk-test-0123456789abcdefghij")
    assert "sk-test" not in repr(ModelFactory.get_model("openai"))


def test_a_reply_works_where_a_string_was_used() -> None:
    reply: Any = ModelResponse(content="BUY now", model_name="m")
    assert str(reply) == "BUY now"
    assert "BUY" in reply
    assert f"{reply}" == "BUY now"
    assert reply == "BUY now" != reply.lower()
    assert reply.strip().split() == [reply[:3], reply[-3:]]
    assert "I " + reply + "!" == "I BUY now!"
    assert {reply: 1}["BUY now"]
    assert reply == copy.deepcopy(reply) == pickle.loads(pickle.dumps(reply))  # noqa: S301 - one of our own
    assert reply != ModelResponse(content="BUY now", model_name="another")
    with pytest.raises(AttributeError, match="contents"):
        _ = reply.contents


def test_importing_the_models_imports_no_sdk() -> None:
    code = (
        "import sys, src.models; heavy = {'openai', 'anthropic', 'groq', 'google.genai', 'ollama', 'langfuse', "
        "'genai_prices', 'pydantic', 'opentelemetry.sdk', 'httpx', 'httpx2'} & set(sys.modules); print(sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
