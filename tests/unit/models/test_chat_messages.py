"""What is sent for a conversation where models differ."""

from __future__ import annotations

from typing import Any

import pytest

from src.models.errors import Unsupported
from src.models.model_factory import ModelFactory
from src.models.types import ImagePart, Message
from tests.servers import Server, chat_reply

CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def _sent(provider_name: str, model_name: str, messages: list[Any], **options: Any) -> dict[str, Any]:
    with Server(lambda _: chat_reply("hi")) as server:
        ModelFactory.get_model(provider_name, model_name, api_key="k", base_url=server.url + "/v1").chat(
            messages, **options
        )
    return server.received[0].json  # type: ignore[no-any-return] # JSON


def test_reasoning_goes_back_only_where_it_must() -> None:
    turn = {"role": "assistant", "content": None, "tool_calls": [CALL], "reasoning_content": "hm"}
    messages = [{"role": "user", "content": "q"}, turn, {"role": "tool", "tool_call_id": "c1", "content": "5"}]
    assert _sent("deepseek", "deepseek-flash", messages)["messages"][1]["reasoning_content"] == "hm"
    assert "reasoning_content" not in _sent("openai", "gpt-4o", messages)["messages"][1]


def test_a_system_prompt_gets_the_role_that_the_model_knows() -> None:
    messages = [Message(role="system", content="be kind"), Message(role="user", content="hi")]
    assert [item["role"] for item in _sent("openai", "gpt-4o", messages)["messages"]] == ["system", "user"]
    assert [item["role"] for item in _sent("openai", "o3-mini", messages)["messages"]] == ["developer", "user"]
    assert _sent("openai", "o1-mini", messages)["messages"] == [{"role": "user", "content": "be kind\n\nhi"}]


def test_a_merged_system_prompt_comes_before_an_image_too() -> None:
    messages = [
        Message(role="system", content="be kind"),
        Message(role="user", content=(ImagePart(url="http://x/y.png"),)),
    ]
    sent = _sent("openai", "o1-preview", messages)["messages"]
    assert sent[0] == {"role": "user", "content": "be kind"}
    assert sent[1]["content"][0]["image_url"]["url"] == "http://x/y.png"


def test_unknown_options_go_to_the_provider_unchanged() -> None:
    sent = _sent(
        "openai",
        "gpt-4o",
        [Message(role="user", content="hi")],
        presence_penalty=0.5,
        extra_body={"x": 1},
        logit_bias={"1": 2},
    )
    assert (sent["presence_penalty"], sent["x"], sent["logit_bias"]) == (0.5, 1, {"1": 2})


def test_openrouter_is_asked_for_its_cost_in_addition_to_the_callers_options() -> None:
    sent = _sent(
        "openrouter", "google/gemini-2.5-flash", [Message(role="user", content="hi")], provider={"order": ["x"]}
    )
    assert sent["usage"] == {"include": True}
    assert sent["provider"] == {"order": ["x"]}


def test_effort_is_sent_only_to_models_that_reason() -> None:
    messages = [Message(role="user", content="hi")]
    assert _sent("openai", "o3-mini", messages, reasoning_effort="low")["reasoning_effort"] == "low"
    assert "reasoning_effort" not in _sent("openai", "gpt-4o", messages, reasoning_effort="low")


def test_a_model_of_the_responses_api_is_called_through_it() -> None:
    reply = {"id": "r", "object": "response", "model": "gpt-5-pro", "status": "completed", "error": None,
             "output": [{"type": "message", "id": "m", "role": "assistant", "status": "completed",
                         "content": [{"type": "output_text", "text": "hi", "annotations": []}]}]}  # fmt: skip
    import json

    from tests.servers import Reply

    response = Reply(body=json.dumps(reply).encode(), headers={"content-type": "application/json"})
    with Server(lambda _: response) as server:
        model = ModelFactory.get_model("openai", "gpt-5-pro", api_key="k", base_url=server.url + "/v1")
        assert model.generate_response("be kind", "hi", reasoning_effort="high", max_tokens=3).content == "hi"
    (request,) = server.received
    assert request.path == "/v1/responses"
    assert request.json["reasoning"] == {"effort": "high"}
    assert request.json["max_output_tokens"] == 16
    assert request.json["store"] is False


def test_parts_of_other_types_and_an_images_detail_are_sent_unchanged() -> None:
    parts = [
        {"type": "text", "text": "What is said?"},
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
        {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "high"}},
    ]
    assert _sent("openai", "gpt-4o", [{"role": "user", "content": parts}])["messages"][0]["content"] == parts


@pytest.mark.parametrize("provider", ["gemini", "ollama", "claude"])
def test_a_part_that_a_provider_does_not_accept_is_refused_before_anything_is_sent(provider: str) -> None:
    sound = {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "UklGRg=="}}]}
    with Server(lambda _: chat_reply("hi")) as server:
        model = ModelFactory.get_model(provider, api_key="k", base_url=server.url)
        with pytest.raises(Unsupported, match="input_audio"):
            model.chat([sound])
        assert server.received == []
