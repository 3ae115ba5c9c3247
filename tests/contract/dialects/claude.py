"""Speak as Claude does: docs.anthropic.com/en/api/messages."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, ClassVar

from tests.contract.dialects import base
from tests.contract.dialects.base import RequestContent, Says, Tokens
from tests.servers import Received, Reply

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

JSON = {"content-type": "application/json"}
FINISH = {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal", "tool_calls": "tool_use"}
ERRORS = {
    "authentication": (401, "authentication_error", "invalid x-api-key"),
    "permission": (403, "permission_error", "Your API key does not have permission to use the specified resource."),
    "model_not_found": (404, "not_found_error", "model: claude-x"),
    "invalid_request": (400, "invalid_request_error", "temperature: Input should be less than or equal to 1"),
    "context_length": (400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
    "rate_limit": (429, "rate_limit_error", "This request would exceed your rate limit"),
    "quota": (400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API."),
    "overloaded": (529, "overloaded_error", "Overloaded"),
    "server": (500, "api_error", "Internal server error"),
    "content_blocked": (400, "invalid_request_error", "Output blocked by content filtering policy"),
}


class Dialect(base.Dialect):
    model: ClassVar[str] = "claude-haiku-4-5"

    def message(self, says: Says, content: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": "msg_1", "type": "message", "role": "assistant", "model": says.model or self.model,
            "content": content, "stop_sequence": None,
            "stop_reason": "tool_use" if says.tools else FINISH.get(says.finish, says.finish),
            "usage": _usage(says.tokens or Tokens(0, None, 0, None)),
        }  # fmt: skip

    def reply(self, says: Says) -> Reply:
        return Reply(body=json.dumps(self.message(says, _blocks(says))).encode(), headers=JSON)

    def stream(self, says: Says) -> Reply:
        return Reply(body=events_of(self.events(says)), headers={"content-type": "text/event-stream"})

    def events(self, says: Says) -> Iterable[dict[str, Any]]:
        whole = self.message(says, [])
        opening = {**whole, "stop_reason": None, "usage": {**whole["usage"], "output_tokens": 1}}
        yield {"type": "message_start", "message": opening}
        yield {"type": "ping"}
        for at, block in enumerate(_blocks(says)):
            yield {"type": "content_block_start", "index": at, "content_block": _opened(block)}
            for delta in _deltas(block, says):
                yield {"type": "content_block_delta", "index": at, "delta": delta}
            yield {"type": "content_block_stop", "index": at}
        usage = {name: count for name, count in whole["usage"].items() if name.startswith("output")}
        yield {"type": "message_delta", "delta": {"stop_reason": whole["stop_reason"]}, "usage": usage}
        yield {"type": "message_stop"}

    def error(self, category: str) -> Reply:
        status, kind, message = ERRORS[category]
        body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}
        return Reply(status, json.dumps(body).encode(), JSON)

    def stream_error(self) -> Reply:
        first_events = list(self.events(Says()))[:4]
        failure = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
        return Reply(body=events_of([*first_events, failure]), headers={"content-type": "text/event-stream"})

    def zero_usage(self, text: str) -> Reply:
        return self.reply(Says(text=text, tokens=Tokens(0, 0, 0, None)))

    def listing(self, names: Sequence[str]) -> Reply:
        rows = [
            {"type": "model", "id": name, "display_name": name, "created_at": "2026-01-01T00:00:00Z"} for name in names
        ]
        return Reply(body=json.dumps({"data": rows, "has_more": False}).encode(), headers=JSON)

    def parse_request(self, request: Received) -> RequestContent:
        body = request.json
        blocks = [block for turn in body["messages"] for block in _listed(turn["content"])]
        images = [block["source"] for block in blocks if block["type"] == "image"]
        output_format = body.get("output_config", {}).get("format")
        return RequestContent(
            model=body["model"],
            system=body.get("system"),
            texts=[block["text"] for block in blocks if block["type"] == "text"],
            images=[base64.b64decode(item["data"]) if "data" in item else item["url"] for item in images],
            max_tokens=body["max_tokens"],
            temperature=body.get("temperature"),
            stop=body.get("stop_sequences"),
            tools=[tool["name"] for tool in body.get("tools", ())],
            schema=output_format["schema"] if output_format else None,
            stream=bool(body.get("stream")),
        )


def events_of(events: Iterable[dict[str, Any]]) -> bytes:
    """Write server-sent events with their names."""
    return b"".join(f"event: {item['type']}\ndata: {json.dumps(item)}\n\n".encode() for item in events)


def _listed(content: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def _blocks(says: Says) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if says.reasoning:
        blocks.append({"type": "thinking", "thinking": says.reasoning, "signature": "s"})
    if says.text:
        blocks.append({"type": "text", "text": says.text})
    return blocks + [
        {"type": "tool_use", "id": f"toolu_{at}", "name": name, "input": arguments}
        for at, (name, arguments) in enumerate(says.tools)
    ]


def _opened(block: dict[str, Any]) -> dict[str, Any]:
    empty: dict[str, dict[str, Any]] = {
        "thinking": {"thinking": "", "signature": ""},
        "text": {"text": ""},
        "tool_use": {"input": {}},
    }
    return {**block, **empty[block["type"]]}


def _deltas(block: dict[str, Any], says: Says) -> Iterable[dict[str, Any]]:
    if block["type"] == "thinking":
        yield {"type": "thinking_delta", "thinking": block["thinking"]}
    elif block["type"] == "text":
        yield from ({"type": "text_delta", "text": piece} for piece in says.pieces)
    else:
        text = json.dumps(block["input"])
        yield from ({"type": "input_json_delta", "partial_json": piece} for piece in (text[:4], text[4:]) if piece)


def _usage(tokens: Tokens) -> dict[str, Any]:
    counts: dict[str, Any] = {
        "input_tokens": tokens.input,
        "cache_read_input_tokens": tokens.cached,
        "output_tokens": None if tokens.output is None else tokens.output + (tokens.reasoning or 0),
    }
    if tokens.reasoning is not None:
        counts["output_tokens_details"] = {"thinking_tokens": tokens.reasoning}
    return {name: count for name, count in counts.items() if count is not None}
