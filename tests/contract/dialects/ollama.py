"""Speak as Ollama does: docs.ollama.com/api/chat. Streams are lines of JSON; an error is a bare text."""

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
LINES = {"content-type": "application/x-ndjson"}
ERRORS = {
    "authentication": (401, "unauthorized"),
    "permission": (403, "you do not have access to this model"),
    "model_not_found": (404, "model 'x' not found"),
    "invalid_request": (400, "invalid value for 'temperature': must be between 0 and 2"),
    "context_length": (400, "input length exceeds the context length"),
    "rate_limit": (429, "too many requests"),
    "quota": (402, "you have used up your plan's credits"),
    "overloaded": (503, "server busy, please try again. maximum pending requests exceeded"),
    "server": (500, "llama runner process has terminated: exit status 2"),
}


class Dialect(base.Dialect):
    model: ClassVar[str] = "gemma4"
    text_only_model: ClassVar[str | None] = "llama3.2"
    unsaid: ClassVar[frozenset[str]] = frozenset({"content_blocked"})
    reported_counts: ClassVar[frozenset[str]] = frozenset({"input", "output"})

    def body(self, says: Says, text: str, *, done: bool) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": text}
        body: dict[str, Any] = {"model": says.model or self.model, "created_at": "2026-01-01T00:00:00Z"}
        body |= {"message": message, "done": done}
        if done:
            body["done_reason"] = says.finish
            tokens = says.tokens or Tokens(None, None, None, None)
            counts = {"prompt_eval_count": tokens.input, "eval_count": tokens.output}
            body |= {name: count for name, count in counts.items() if count is not None}
        return body

    def reply(self, says: Says) -> Reply:
        body = self.body(says, says.text, done=True)
        if says.reasoning:
            body["message"]["thinking"] = says.reasoning
        if says.tools:
            body["message"]["tool_calls"] = _calls(says)
        return Reply(body=json.dumps(body).encode(), headers=JSON)

    def stream(self, says: Says) -> Reply:
        return Reply(body=lines(self.events(says)), headers=LINES)

    def events(self, says: Says) -> Iterable[dict[str, Any]]:
        if says.reasoning:
            thought = self.body(says, "", done=False)
            thought["message"]["thinking"] = says.reasoning
            yield thought
        for piece in says.pieces:
            yield self.body(says, piece, done=False)
        if says.tools:
            called = self.body(says, "", done=False)
            called["message"]["tool_calls"] = _calls(says)
            yield called
        yield self.body(says, "", done=True)

    def error(self, category: str) -> Reply:
        status, message = ERRORS[category]
        return Reply(status, json.dumps({"error": message}).encode(), JSON)

    def stream_error(self) -> Reply:
        first_lines = list(self.events(Says()))[:1]
        return Reply(
            body=lines([*first_lines, {"error": "an error was encountered while running the model"}]), headers=LINES
        )

    def zero_usage(self, text: str) -> Reply:
        return self.reply(Says(text=text, tokens=Tokens(0, 0, 0, 0)))

    def listing(self, names: Sequence[str]) -> Reply:
        return Reply(body=json.dumps({"models": [{"model": name} for name in names]}).encode(), headers=JSON)

    def blocked(self) -> Reply | None:
        return None

    def parse_request(self, request: Received) -> RequestContent:
        body = request.json
        options = body.get("options", {})
        system = [item["content"] for item in body["messages"] if item["role"] == "system"]
        others = [item for item in body["messages"] if item["role"] != "system"]
        schema = body.get("format")
        return RequestContent(
            model=body["model"],
            system="\n\n".join(system) or None,
            texts=[item["content"] for item in others],
            images=[base64.b64decode(image) for item in others for image in item.get("images") or ()],
            max_tokens=options.get("num_predict"),
            temperature=options.get("temperature"),
            stop=options.get("stop"),
            tools=[tool["function"]["name"] for tool in body.get("tools") or ()],
            schema=schema if isinstance(schema, dict) else None,
            stream=bool(body.get("stream")),
        )


def lines(bodies: Iterable[dict[str, Any]]) -> bytes:
    """Write lines of JSON."""
    return b"".join(json.dumps(item).encode() + b"\n" for item in bodies)


def _calls(says: Says) -> list[dict[str, Any]]:
    return [{"function": {"name": name, "arguments": arguments}} for name, arguments in says.tools]
