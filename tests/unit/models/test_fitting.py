from __future__ import annotations

from dataclasses import replace

import pytest

from src.models import capabilities
from src.models.capabilities import ROWS, Capabilities
from src.models.errors import InvalidRequest, Unsupported
from src.models.providers import PROVIDERS
from src.models.request import fitting, messages
from src.models.request.schemas import response_format
from src.models.types import ImagePart, Message, ModelRequest, RawPart, TextPart

QUESTION = (Message(role="system", content="be kind"), Message(role="user", content="hi"))
SCHEMA = response_format({"type": "object", "properties": {"n": {"type": "integer"}}})


def _request(**more: object) -> ModelRequest:
    return ModelRequest(model="m", messages=QUESTION, **more)  # type: ignore[arg-type] # by name


def test_a_request_that_fits_is_unchanged() -> None:
    request = _request(temperature=0.5, max_tokens=100, seed=1, top_p=0.9, stop=("x",), reasoning_effort="low")
    assert fitting.fit(request, Capabilities()) is request


@pytest.mark.parametrize(
    ("name", "value"), [("temperature", 0.0), ("top_p", 0.5), ("seed", 0), ("reasoning_effort", "low")]
)
def test_a_dispensable_parameter_is_dropped_and_noted(name: str, value: object) -> None:
    fitted = fitting.fit(_request(**{name: value}), Capabilities(**{name: False}))  # type: ignore[arg-type] # by name
    assert getattr(fitted, name) is None
    assert fitted.adjusted == {name: "dropped"}
    assert name not in fitted.parameters()


def test_values_are_bounded_and_noted() -> None:
    can = Capabilities(max_output=4096, min_output=16, max_temperature=1.0)
    fitted = fitting.fit(_request(max_tokens=100_000, temperature=1.5), can)
    assert (fitted.max_tokens, fitted.temperature) == (4096, 1.0)
    assert fitted.adjusted == {"max_tokens": "100000 -> 4096", "temperature": "1.5 -> 1"}
    assert fitting.fit(_request(max_tokens=1), can).max_tokens == 16


def test_an_indispensable_argument_is_refused_with_an_alternative() -> None:
    picture = (Message(role="user", content=(TextPart("look"), ImagePart(data=b"x"))),)
    sound = (Message(role="user", content=(RawPart({"type": "input_audio", "input_audio": {"data": "UklGRg=="}}),)),)
    for request, can, parameter, instead in (
        (ModelRequest(model="m", messages=picture), Capabilities(images=False), "messages", "claude"),
        (_request(tools=({"type": "function"},)), Capabilities(tools=False), "tools", "response_format"),
        (_request(stop=("x",)), Capabilities(stop=False), "stop", "max_tokens"),
        (
            ModelRequest(model="m", messages=(*QUESTION, Message(role="assistant", content="{"))),
            Capabilities(continues=False),
            "messages",
            "response_format",
        ),
        (ModelRequest(model="m", messages=sound), Capabilities(parts=frozenset()), "messages", "text or image"),
        (ModelRequest(model="m", messages=sound), Capabilities(parts=frozenset({"document"})), "messages", "document"),
    ):
        with pytest.raises(Unsupported, match=instead) as caught:
            fitting.fit(request, can)
        assert caught.value.parameter == parameter
        assert isinstance(caught.value, InvalidRequest)


def test_a_text_that_is_marked_for_the_cache_is_claudes_alone() -> None:
    marked = RawPart({"type": "text", "text": "rules", "cache_control": {"type": "ephemeral"}})
    request = ModelRequest(model="m", messages=(Message(role="user", content=(marked, TextPart("now"))),))
    assert fitting.fit(request, capabilities.of("claude", "claude-haiku-4-5")).messages == request.messages
    with pytest.raises(Unsupported, match="no part of the type 'text'"):
        fitting.fit(request, capabilities.of("openai", "gpt-4o"))


def test_marks_for_the_cache_of_a_plain_mapping_go_to_claude_and_are_dropped_for_others() -> None:
    marked = {"type": "text", "text": "rules", "cache_control": {"type": "ephemeral"}}
    turns = [{"role": "system", "content": [marked]}, {"role": "user", "content": [marked, "now"]}]
    for written in (messages.prompt_messages([marked], [marked, "now"]), messages.chat_messages(turns)):
        request = ModelRequest(model="m", messages=written)
        assert fitting.fit(request, capabilities.of("claude", "claude-haiku-4-5")) == request
        for provider, name in (("openai", "gpt-4o"), ("gemini", "gemini-3-flash"), ("ollama", "llama3.2")):
            fitted = fitting.fit(request, capabilities.of(provider, name))
            assert [message.content for message in fitted.messages] == ["rules", "rules\nnow"]
            assert fitted.adjusted == {"cache_control": "dropped"}
        older = fitting.fit(replace(request, response_format=SCHEMA), capabilities.of("claude", "claude-3-haiku"))
        assert older.messages[0] == written[0]
        assert '"n"' in (older.system or "")


@pytest.mark.parametrize(
    ("structured", "in_prompt"), [("json_schema", False), ("json_object", True), ("instructed", True)]
)
def test_the_schema_is_in_the_prompt_where_the_provider_takes_none(structured: str, *, in_prompt: bool) -> None:
    fitted = fitting.fit(_request(response_format=SCHEMA), Capabilities(structured=structured))  # type: ignore[arg-type] # a literal
    assert ('"n"' in (fitted.system or "")) is in_prompt
    assert (fitted.system or "").startswith("be kind")
    assert fitted.messages[-1] == QUESTION[-1]


def test_plain_json_needs_an_instruction_only_without_a_json_mode() -> None:
    plain = _request(response_format=response_format({"type": "json_object"}))
    assert fitting.fit(plain, Capabilities(structured="json_object")) is plain
    assert fitting.fit(plain, Capabilities(structured="json_schema")) is plain
    assert fitting.fit(plain, Capabilities(structured="json_schema", json_mode=False)).system != "be kind"


@pytest.mark.parametrize(
    ("choice", "forced"),
    [
        (None, False), ("auto", False), ("none", False), ("required", True), ("any", True), ("price_of", True),
        ({"type": "auto"}, False), ({"type": "any"}, True), ({"type": "tool", "name": "f"}, True),
        ({"type": "function", "function": {"name": "f"}}, True),
    ],
)  # fmt: skip
def test_a_forced_tool_is_recognised_in_any_providers_form(choice: object, *, forced: bool) -> None:
    assert fitting.forces_a_tool(choice) is forced


@pytest.mark.parametrize(
    ("requested", "accepted", "sent"),
    [
        ("high", (), "high"), ("high", ("low", "high"), "high"), ("medium", ("low", "high"), "low"),
        ("minimal", ("low", "high"), "low"), ("none", ("low", "high"), "low"), ("none", ("none", "low"), "none"),
        ("max", ("low", "medium"), "medium"), ("own-word", ("low",), "own-word"),
        ("low", ("none", "default"), "default"), ("none", ("none", "default"), "none"),
    ],
)  # fmt: skip
def test_an_effort_becomes_the_nearest_that_the_model_accepts(
    requested: str, accepted: tuple[str, ...], sent: str
) -> None:
    fitted = fitting.fit(_request(reasoning_effort=requested), Capabilities(efforts=accepted))
    assert fitted.reasoning_effort == sent
    assert fitted.adjusted == ({} if requested == sent else {"reasoning_effort": f"{requested} -> {sent}"})


# The table.


def test_an_unknown_model_of_an_unknown_provider_gets_the_defaults() -> None:
    assert capabilities.of("nobody", "no-such-model") == Capabilities()


@pytest.mark.parametrize(
    ("provider", "model", "expected"),
    [
        ("openai", "gpt-4o", {"temperature": True, "max_tokens_name": "max_completion_tokens",
                              "structured": "json_schema",
                              "max_output": 16_384, "reasoning_effort": False, "images": True}),
        ("openai", "gpt-4o-mini-2024-07-18", {"max_output": 16_384}),
        ("openai", "gpt-4", {"structured": "json_object", "max_output": 8192, "images": False}),
        ("openai", "gpt-4-turbo", {"max_output": 4096, "images": True}),
        ("openai", "gpt-4.1-mini", {"max_output": 32_768, "temperature": True, "structured": "json_schema"}),
        ("openai", "o3-mini", {"temperature": False, "stop": False, "system_role": "developer", "images": False,
                               "reasoning_effort": True}),
        ("openai", "o1-mini", {"system_role": "merged", "structured": "instructed", "tools": False}),
        ("openai", "gpt-5.6-sol", {"temperature": False, "reasoning_effort": True, "api": "chat"}),
        ("openai", "gpt-6-luna", {"temperature": False}),
        ("openai", "gpt-5-chat-latest", {"temperature": True, "reasoning_effort": False}),
        ("openai", "gpt-5-pro", {"api": "responses"}),
        ("openai", "o3-pro-2025-06-10", {"api": "responses"}),
        ("openai", "gpt-5.3-codex", {"api": "responses"}),
        ("deepseek", "deepseek-chat", {"structured": "json_object", "images": False, "temperature": True}),
        ("deepseek", "deepseek-reasoner", {"temperature": False}),
        ("openai", "o4-mini", {"efforts": ("low", "medium", "high")}),
        ("openai", "gpt-5-mini-2025-08-07", {"efforts": ("minimal", "low", "medium", "high")}),
        ("openai", "gpt-5.1", {"efforts": ("none", "low", "medium", "high")}),
        ("openai", "gpt-5-pro", {"efforts": ("high",)}),
        ("openai", "gpt-6-luna", {"efforts": ("none", "low", "medium", "high", "xhigh"), "tools_api": "responses"}),
        ("openai", "gpt-6.1-sol", {"efforts": ("low", "medium", "high", "xhigh"), "tools_api": "responses"}),
        ("openai", "gpt-5.4-mini", {"efforts": ("none", "low", "medium", "high", "xhigh"), "api": "chat",
                                    "tools_api": "responses_to_think"}),
        ("openai", "gpt-5.2-chat-latest", {"efforts": (), "tools_api": "chat"}),
        ("openai", "gpt-5.1-codex", {"efforts": ("low", "medium", "high")}),
        ("openai", "gpt-5.2-pro", {"efforts": ("medium", "high", "xhigh"), "api": "responses"}),
        ("openai", "ft:gpt-4o-mini-2024-07-18:me::x", {"max_output": 16_384, "reasoning_effort": False}),
        ("openai", "openai/gpt-5", {"temperature": False}),
        ("openai", "gpt-35-turbo", {"temperature": True}),
        ("openai", "gpt-4o-search-preview", {"temperature": False, "top_p": False}),
        ("groq", "qwen/qwen3-32b", {"efforts": ("none", "default")}),
        ("groq", "qwen/qwen3.8-27b", {"efforts": ("none", "low", "medium", "high")}),
        ("xai", "grok-4.1-fast", {"reasoning_effort": False}),
        ("xai", "grok-code-fast-1", {"stop": False}),
        ("openrouter", "anthropic/claude-opus-5.5", {"structured": "json_schema"}),
        ("claude", "claude-opus-4-6", {"continues": False}),
        ("claude", "claude-haiku-4-5", {"continues": True}),
        ("xai", "grok-4.5", {"efforts": ("low", "medium", "high")}),
        ("deepseek", "deepseek-flash", {"images": True, "effort_off": "disabled"}),
        ("deepseek", "deepseek-v4-pro", {"images": False, "keep_reasoning": True}),
        ("groq", "openai/gpt-oss-20b", {"efforts": ("low", "medium", "high")}),
        ("claude", "claude-opus-4-1-20250805", {"structured": "instructed", "effort_as": "budget",
                                                "max_output": 32_000}),
        ("claude", "claude-opus-4-20250514", {"structured": "instructed", "max_output": 32_000}),
        ("claude", "claude-sonnet-4-20250514", {"structured": "instructed", "effort_as": "budget",
                                                "max_output": 64_000}),
        ("claude", "claude-haiku-4-5-20251001", {"structured": "json_schema", "effort_as": "budget",
                                                 "temperature": True, "default_max_tokens": 4096}),
        ("claude", "claude-sonnet-4-6", {"structured": "json_schema", "effort_as": "adaptive", "temperature": True}),
        ("claude", "claude-opus-4-8", {"temperature": False, "effort_as": "adaptive", "forced_tools": True}),
        ("claude", "claude-opus-5", {"effort_off": "disabled", "forced_tools": True}),
        ("claude", "claude-sonnet-5-5", {"effort_off": "between_tools", "forced_tools": False}),
        ("claude", "claude-haiku-5-5", {"effort_off": "disabled", "forced_tools": True, "max_output": 128_000}),
        ("claude", "claude-fable-5-1", {"forced_tools": False, "effort_as": "adaptive", "temperature": False}),
        ("claude", "claude-fable-5", {"forced_tools": True}),
        ("claude", "anthropic/claude-3.5-sonnet", {"structured": "instructed"}),
        ("claude", "claude-3-opus-20240229", {"max_output": 4096, "reasoning_effort": False}),
        ("gemini", "gemini-3.5-flash-lite", {"effort_as": "level", "efforts": ("minimal", "low", "medium", "high")}),
        ("gemini", "gemini-3.8-flash", {"effort_as": "level", "efforts": ("low", "medium", "high")}),
        ("gemini", "gemini-2.5-flash-lite", {"effort_as": "budget", "efforts": ()}),
        ("groq", "llama-3.3-70b-versatile", {"structured": "json_object", "images": False, "reasoning_effort": False}),
        ("groq", "openai/gpt-oss-120b", {"structured": "json_schema", "reasoning_effort": True}),
        ("groq", "meta-llama/llama-4-scout-17b-16e-instruct", {"images": True, "structured": "json_object"}),
        ("xai", "grok-4-fast-reasoning", {"stop": False, "reasoning_effort": False, "images": True}),
        ("xai", "grok-4-fast-non-reasoning", {"stop": True}),
        ("xai", "grok-3-mini", {"stop": False, "reasoning_effort": True, "images": False}),
        ("xai", "grok-4.20-reasoning", {"reasoning_effort": False}),
        ("deepseek", "deepseek-flash", {"keep_reasoning": True}),
        ("xai", "grok-4.3", {"efforts": ("none", "low", "medium", "high"), "stop": False}),
        ("openrouter", "google/gemini-2.5-flash", {"structured": "json_schema"}),
        ("openrouter", "meta-llama/llama-3.1-8b-instruct", {"structured": "instructed"}),
        ("ollama", "llama3.2", {"images": False, "tools": True, "reasoning_effort": False}),
        ("ollama", "llama3.2:1b", {"images": False}),
        ("ollama", "llama3.2-vision", {"images": True}),
        ("ollama", "gemma3:4b", {"images": True, "tools": False}),
        ("ollama", "gpt-oss:20b-cloud", {"images": False, "reasoning_effort": True}),
        ("ollama", "somebody/unheard-of:latest", {"images": True, "tools": True, "structured": "json_schema"}),
        ("local", "smollm2-135m-instruct.q4_1", {"images": False, "structured": "json_schema"}),
    ],
)  # fmt: skip
def test_a_models_quirks(provider: str, model: str, expected: dict[str, object]) -> None:
    can = capabilities.of(provider, model)
    assert {name: getattr(can, name) for name in expected} == expected


def test_every_row_is_of_a_provider_and_has_a_source() -> None:
    assert {row.provider for row in ROWS} <= set(PROVIDERS)
    assert all("." in row.source and len(row.source) > 10 for row in ROWS)
