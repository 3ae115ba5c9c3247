"""Speak as OpenAI's Responses API does: platform.openai.com/docs/api-reference/responses."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, ClassVar

from tests.contract.dialects import chat
from tests.contract.dialects.base import RequestContent, Says, Tokens
from tests.servers import Received, Reply

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Dialect(chat.ChatDialect):
    model: ClassVar[str] = "gpt-4o"
    text_only_model: ClassVar[str | None] = "o3-mini"
    stops: ClassVar[bool] = False
    priced: ClassVar[bool] = True
    settings: ClassVar[Mapping[str, Any]] = {"api": "responses"}

    def usage(self, tokens: Tokens | None) -> dict[str, Any] | None:
        counts = super().usage(tokens)
        if counts is None:
            return None
        return {
            "input_tokens": counts["prompt_tokens"],
            "input_tokens_details": counts["prompt_tokens_details"],
            "output_tokens": counts["completion_tokens"],
            "output_tokens_details": counts["completion_tokens_details"],
            "total_tokens": counts["total_tokens"],
        }

    def body(self, says: Says, *, status: str = "completed") -> dict[str, Any]:
        output: list[dict[str, Any]] = []
        if says.reasoning:
            summary = [{"type": "summary_text", "text": says.reasoning}]
            output.append({"type": "reasoning", "id": "rs_1", "summary": summary})
        if says.text:
            content = [{"type": "output_text", "text": says.text, "annotations": []}]
            output.append(
                {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content}
            )
        for n, (name, arguments) in enumerate(says.tools):
            text = json.dumps(arguments)
            output.append(
                {"type": "function_call", "id": f"fc_{n}", "call_id": f"call_{n}", "name": name, "arguments": text}
            )
        reason = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(says.finish)
        return {
            "id": "resp_1", "object": "response", "created_at": 1, "model": says.model or self.model,
            "status": "incomplete" if reason else status, "output": output, "usage": self.usage(says.tokens),
            "incomplete_details": {"reason": reason} if reason else None, "error": None,
        }  # fmt: skip

    def reply(self, says: Says) -> Reply:
        return Reply(body=json.dumps(self.body(says)).encode(), headers=chat.JSON)

    def stream(self, says: Says) -> Reply:
        return Reply(body=_events(self.events(says)), headers=chat.EVENTS)

    def events(self, says: Says) -> Iterable[dict[str, Any]]:
        whole = self.body(says)
        yield {"type": "response.created", "response": {**whole, "status": "in_progress", "output": [], "usage": None}}
        if says.reasoning:
            yield {"type": "response.reasoning_summary_text.delta", "output_index": 0, "delta": says.reasoning}
        for piece in says.pieces:
            yield {"type": "response.output_text.delta", "output_index": 1, "content_index": 0, "delta": piece}
        for at, item in enumerate(whole["output"]):
            if item["type"] == "function_call":
                yield {"type": "response.output_item.added", "output_index": at, "item": {**item, "arguments": ""}}
                text = item["arguments"]
                for piece in (text[:3], text[3:]):
                    yield {"type": "response.function_call_arguments.delta", "output_index": at, "delta": piece}
        kind = "response.incomplete" if whole["status"] == "incomplete" else "response.completed"
        yield {"type": kind, "response": whole}

    def stream_error(self) -> Reply:
        first_events = list(self.events(Says()))[:2]
        failed = {
            **self.body(Says(text="")),
            "status": "failed",
            "error": {"code": "server_error", "message": "Failed."},
        }
        return Reply(
            body=_events([*first_events, {"type": "response.failed", "response": failed}]), headers=chat.EVENTS
        )

    def parse_request(self, request: Received) -> RequestContent:
        body = request.json
        messages = [item for item in body["input"] if "role" in item]
        system = [item["content"] for item in messages if item["role"] in ("system", "developer")]
        parts = [
            part for item in messages if item["role"] not in ("system", "developer") for part in _parts(item["content"])
        ]
        text_format = (body.get("text") or {}).get("format", {})
        return RequestContent(
            model=body["model"],
            system="\n\n".join(system) or None,
            texts=[part["text"] for part in parts if part["type"] == "input_text"],
            images=[_image(part["image_url"]) for part in parts if part["type"] == "input_image"],
            max_tokens=body.get("max_output_tokens"),
            temperature=body.get("temperature"),
            stop=body.get("stop"),
            tools=[tool["name"] for tool in body.get("tools", ())],
            schema=text_format.get("schema"),
            stream=bool(body.get("stream")),
        )


def _parts(content: Any) -> list[dict[str, Any]]:
    return [{"type": "input_text", "text": content}] if isinstance(content, str) else list(content)


def _image(url: str) -> bytes | str:
    return base64.b64decode(url.partition(",")[2]) if url.startswith("data:") else url


def _events(events: Iterable[dict[str, Any]]) -> bytes:
    return b"".join(
        b"event: " + item["type"].encode() + b"\ndata: " + json.dumps({**item, "sequence_number": n}).encode() + b"\n\n"
        for n, item in enumerate(events)
    )
