"""Speak Chat Completions, as OpenAI defined it and most providers do."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, ClassVar

from tests.contract.dialects.base import Dialect, RequestContent, Says, Tokens
from tests.servers import Received, Reply

if TYPE_CHECKING:
    from collections.abc import Iterable

JSON = {"content-type": "application/json", "x-request-id": "req_test"}
EVENTS = {"content-type": "text/event-stream"}

# Status, error code, error type, message, parameter: platform.openai.com/docs/guides/error-codes
ERRORS: dict[str, tuple[int, str | None, str, str, str | None]] = {
    "authentication": (401, "invalid_api_key", "invalid_request_error", "Incorrect API key provided: sk-x.", None),
    "permission": (403, None, "insufficient_permissions", "You are not allowed to use this endpoint.", None),
    "model_not_found": (404, "model_not_found", "invalid_request_error", "The model `x` does not exist.", None),
    "invalid_request": (400, "unsupported_value", "invalid_request_error",
                        "Unsupported value: 'temperature' does not support 0.2 with this model.", "temperature"),
    "context_length": (400, "context_length_exceeded", "invalid_request_error",
                       "This model's maximum context length is 8192 tokens.", "messages"),
    "rate_limit": (429, "rate_limit_exceeded", "requests", "Rate limit reached for requests per min.", None),
    "quota": (429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota.", None),
    "overloaded": (503, None, "server_error", "The engine is currently overloaded, please try again later.", None),
    "server": (500, None, "server_error", "The server had an error while processing your request.", None),
    "content_blocked": (400, "content_policy_violation", "invalid_request_error",
                        "Your request was rejected as a result of our safety system.", None),
}  # fmt: skip


class ChatDialect(Dialect):
    """Speak Chat Completions."""

    model: ClassVar[str] = "test-model"
    priced: ClassVar[bool] = False
    prefix: ClassVar[str] = "/v1"

    def usage(self, tokens: Tokens | None) -> dict[str, Any] | None:
        if tokens is None:
            return None
        prompt, completion = (tokens.input or 0) + (tokens.cached or 0), (tokens.output or 0) + (tokens.reasoning or 0)
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": tokens.cached},
            "completion_tokens_details": {"reasoning_tokens": tokens.reasoning},
        }

    def message(self, says: Says) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": says.text}
        if says.reasoning:
            message["reasoning_content"] = says.reasoning
        if says.tools:
            message["tool_calls"] = [
                {"id": f"call_{n}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
                for n, (name, arguments) in enumerate(says.tools)
            ]
        return message

    def head(self, says: Says, kind: str) -> dict[str, Any]:
        return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": says.model or self.model}

    def reply(self, says: Says) -> Reply:
        finish = "tool_calls" if says.tools else says.finish
        choice = {"index": 0, "finish_reason": finish, "message": self.message(says)}
        body = {**self.head(says, "chat.completion"), "choices": [choice], "usage": self.usage(says.tokens)}
        return Reply(body=json.dumps(body).encode(), headers=JSON)

    def stream(self, says: Says) -> Reply:
        return Reply(body=events(self.chunks(says)), headers=EVENTS)

    def chunks(self, says: Says) -> Iterable[dict[str, Any]]:
        def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
            choice = {"index": 0, "delta": delta, "finish_reason": finish}
            return {**self.head(says, "chat.completion.chunk"), "choices": [choice]}

        yield chunk({"role": "assistant", "content": ""})
        if says.reasoning:
            yield chunk({"reasoning_content": says.reasoning})
        for piece in says.pieces:
            yield chunk({"content": piece})
        for n, call in enumerate(self.message(says).get("tool_calls", ())):
            whole = call["function"]["arguments"]
            first = {**call, "index": n, "function": {"name": call["function"]["name"], "arguments": whole[:3]}}
            yield chunk({"tool_calls": [first]})
            yield chunk({"tool_calls": [{"index": n, "function": {"arguments": whole[3:]}}]})
        yield chunk({}, "tool_calls" if says.tools else says.finish)
        usage = self.usage(says.tokens)
        if usage is not None:
            yield {**self.head(says, "chat.completion.chunk"), "choices": [], "usage": usage}

    def error(self, category: str) -> Reply:
        status, code, kind, message, parameter = ERRORS[category]
        body = {"error": {"message": message, "type": kind, "code": code, "param": parameter}}
        return Reply(status, json.dumps(body).encode(), JSON)

    def stream_error(self) -> Reply:
        first_chunks = list(self.chunks(Says()))[:2]
        error = {"error": {"code": 503, "message": "Overloaded", "type": "server_error"}}
        return Reply(body=events([*first_chunks, error]), headers=EVENTS)

    def zero_usage(self, text: str) -> Reply:
        return self.reply(Says(text=text, tokens=Tokens(0, 0, 0, 0)))

    def parse_request(self, request: Received) -> RequestContent:
        body = request.json
        system = [item["content"] for item in body["messages"] if item["role"] in ("system", "developer")]
        others = [item for item in body["messages"] if item["role"] not in ("system", "developer")]
        schema = (body.get("response_format") or {}).get("json_schema", {}).get("schema")
        return RequestContent(
            model=body["model"],
            system="\n\n".join(system) or None,
            texts=[text for item in others for text in texts_of(item.get("content"))],
            images=[image for item in others for image in images_of(item.get("content"))],
            max_tokens=body.get("max_completion_tokens", body.get("max_tokens")),
            temperature=body.get("temperature"),
            stop=body.get("stop"),
            tools=[tool["function"]["name"] for tool in body.get("tools", ())],
            schema=schema,
            stream=bool(body.get("stream")),
        )


def events(chunks: Iterable[dict[str, Any]]) -> bytes:
    """Write server-sent events."""
    return b"".join(b"data: " + json.dumps(item).encode() + b"\n\n" for item in chunks) + b"data: [DONE]\n\n"


def texts_of(content: Any) -> list[str]:
    if isinstance(content, str):
        return [content]
    return [part["text"] for part in content or () if part["type"] == "text"]


def images_of(content: Any) -> list[bytes | str]:
    if not isinstance(content, list):
        return []
    addresses = [part["image_url"]["url"] for part in content if part["type"] == "image_url"]
    return [base64.b64decode(url.partition(",")[2]) if url.startswith("data:") else url for url in addresses]
