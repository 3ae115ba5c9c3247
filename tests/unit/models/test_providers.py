from __future__ import annotations

from pathlib import Path

import pytest

from src.models import providers
from src.models.adapters.openai_compatible import OpenAICompatibleModel
from src.models.errors import InvalidRequest
from src.models.model_factory import PROVIDERS, ModelFactory, Provider, model_factory
from tests.servers import Server, chat_reply

# Each provider's key variables and base URL variable, as users' .env files have them.
PUBLISHED = {
    "claude": (("ANTHROPIC_KEY", "ANTHROPIC_API_KEY"), "CLAUDE_BASE_URL"),
    "openai": (("OPENAI_KEY", "OPENAI_API_KEY"), "OPENAI_BASE_URL"),
    "deepseek": (("DEEPSEEK_KEY", "DEEPSEEK_API_KEY"), "DEEPSEEK_BASE_URL"),
    "groq": (("GROQ_API_KEY",), "GROQ_BASE_URL"),
    "gemini": (("GEMINI_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY"), "GEMINI_BASE_URL"),
    "xai": (("GROK_API_KEY", "XAI_API_KEY"), "XAI_BASE_URL"),
    "ollama": (("OLLAMA_API_KEY",), "OLLAMA_HOST"),
    "openrouter": (("OPENROUTER_API_KEY",), "OPENROUTER_BASE_URL"),
    "local": ((), None),
}


def test_the_nine_providers_and_their_variables() -> None:
    assert {name: (row.keys, row.base_url) for name, row in PROVIDERS.items()} == PUBLISHED
    assert list(model_factory.MODEL_IMPLEMENTATIONS) == list(model_factory.DEFAULT_MODELS) == list(PROVIDERS)


@pytest.mark.parametrize("name", [name for name, (keys, _) in PUBLISHED.items() if len(keys) > 1])
def test_the_first_key_that_is_set_wins(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    row = PROVIDERS[name]
    monkeypatch.setenv(row.keys[-1], "last")
    assert row.key() == "last"
    monkeypatch.setenv(row.keys[0], "first")
    assert row.key() == "first"
    monkeypatch.setenv(row.keys[0], "  ")
    assert row.key() == "last"


def test_a_plain_provider_needs_only_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(lambda _: chat_reply("hello", model="small")) as server:
        row = Provider(name="mine", url=server.url + "/v1", keys=("MINE_KEY",), default_model="small",
                       capabilities={"structured": "json_schema", "images": False})  # fmt: skip
        ModelFactory.register(row)
        assert not ModelFactory.get_model("mine")
        monkeypatch.setenv("MINE_KEY", "key-4711")
        model = ModelFactory.get_model("mine")
        reply = model.generate_response(None, "hi")
    assert (reply.content, reply.provider, reply.model_name) == ("hello", "mine", "small")
    assert server.received[0].headers["authorization"] == "Bearer key-4711"
    assert isinstance(model, OpenAICompatibleModel)
    assert type(model) is ModelFactory.MODEL_IMPLEMENTATIONS["mine"]
    assert model.capabilities.structured == "json_schema"
    assert not model.capabilities.images
    assert model_factory.DEFAULT_MODELS["mine"] == "small"
    assert "mine" in model_factory.available_models


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (Provider(name="openai", url="http://x"), "built in"),
        (Provider(name="Open AI", url="http://x"), "lower-case"),
        (Provider(name="mine", url="http://x", capabilities={"imagse": False}), "imagse"),
    ],
)
def test_a_wrong_row_is_refused(row: Provider, problem: str) -> None:
    with pytest.raises(InvalidRequest, match=problem):
        ModelFactory.register(row)
    assert PROVIDERS.get(row.name) is not row


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rows.toml", '[together]\nurl = "https://t.test/v1"\nkeys = ["T_KEY"]\ncapabilities = { images = false }\n'),
        (
            "rows.json",
            '{"together": {"url": "https://t.test/v1", "keys": ["T_KEY"], "capabilities": {"images": false}}}',
        ),
    ],
)
def test_a_users_file_adds_rows(name: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / name).write_text(text)
    monkeypatch.setenv("MOONDEV_PROVIDERS", str(tmp_path / name))
    row = PROVIDERS["together"]
    assert (row.url, row.keys, row.needs_key) == ("https://t.test/v1", ("T_KEY",), True)
    assert "together" in list(PROVIDERS)
    assert not ModelFactory.get_model("together", "m").capabilities.images


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[x", "cannot be read"),
        ("[x]\nkeys = []", "needs a url"),
        ('[x]\nurl = "u"\nlurl = "v"', "lurl"),
        ("x = 1", "x"),
    ],
)
def test_a_broken_file_names_itself(text: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rows.toml"
    path.write_text(text)
    monkeypatch.setenv("MOONDEV_PROVIDERS", str(path))
    with pytest.raises(InvalidRequest, match=problem):
        list(PROVIDERS)


def test_a_missing_file_names_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOONDEV_PROVIDERS", "/nowhere/rows.toml")
    with pytest.raises(InvalidRequest, match="nowhere"):
        providers.rows_of(Path("/nowhere/rows.toml"))


def test_a_row_without_a_default_model_asks_for_a_name() -> None:
    ModelFactory.register(Provider(name="nameless", url="http://127.0.0.1:1/v1", needs_key=False))
    with pytest.raises(InvalidRequest, match="nameless has no default model") as raised:
        ModelFactory.get_model("nameless")
    assert raised.value.parameter == "model_name"
