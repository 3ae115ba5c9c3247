"""Speak as Gemini does: ai.google.dev/api/generate-content."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, ClassVar

from tests.contract.dialects import base
from tests.contract.dialects.base import RequestContent, Says, Tokens
from tests.servers import Received, Reply

if TYPE_CHECKING:
    from collections.abc import Sequence

JSON = {"content-type": "application/json"}
FINISH = {"stop": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY", "tool_calls": "STOP"}
QUOTA = {
    "@type": "type.googleapis.com/google.rpc.QuotaFailure",
    "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}],
}
ERRORS: dict[str, tuple[int, str, str, list[Any]]] = {
    "authentication": (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.",
                       [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]),
    "permission": (403, "PERMISSION_DENIED", "The caller does not have permission", []),
    "model_not_found": (404, "NOT_FOUND", "models/x is not found for API version v1beta", []),
    "invalid_request": (400, "INVALID_ARGUMENT", "Invalid value for parameter 'temperature'", []),
    "context_length": (400, "INVALID_ARGUMENT", "The input token count exceeds the maximum number of tokens", []),
    "rate_limit": (429, "RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan", []),
    "quota": (429, "RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan", [QUOTA]),
    "overloaded": (503, "UNAVAILABLE", "The model is overloaded. Please try again later.", []),
    "server": (500, "INTERNAL", "An internal error has occurred.", []),
}  # fmt: skip


class Dialect(base.Dialect):
    model: ClassVar[str] = "gemini-3.5-flash-lite"
    unsaid: ClassVar[frozenset[str]] = frozenset({"content_blocked"})

    def body(self, says: Says, parts: list[dict[str, Any]], *, last: bool) -> dict[str, Any]:
        candidate: dict[str, Any] = {"index": 0, "content": {"role": "model", "parts": parts}}
        body: dict[str, Any] = {"candidates": [candidate], "modelVersion": says.model or self.model, "responseId": "r1"}
        if last:
            candidate["finishReason"] = FINISH.get(says.finish, says.finish)
            body["usageMetadata"] = _usage(says.tokens or Tokens(None, None, None, None))
        return body

    def reply(self, says: Says) -> Reply:
        return Reply(body=json.dumps(self.body(says, _parts(says, [says.text]), last=True)).encode(), headers=JSON)

    def stream(self, says: Says) -> Reply:
        parts = _parts(says, says.pieces)
        events = [self.body(says, [part], last=at == len(parts) - 1) for at, part in enumerate(parts)]
        return self.events(events or [self.body(says, [], last=True)])

    def events(self, bodies: Sequence[dict[str, Any]]) -> Reply:
        return Reply(body=events_of(bodies), headers={"content-type": "text/event-stream"})

    def error(self, category: str) -> Reply:
        status, name, message, details = ERRORS[category]
        body = {"error": {"code": status, "message": message, "status": name, "details": details}}
        return Reply(status, json.dumps(body).encode(), JSON)

    def stream_error(self) -> Reply:
        first = self.body(Says(), [{"text": "hel"}], last=False)
        failure = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}
        return self.events([first, failure])

    def zero_usage(self, text: str) -> Reply:
        return self.reply(Says(text=text, tokens=Tokens(0, 0, 0, 0)))

    def listing(self, names: Sequence[str]) -> Reply:
        rows = [{"name": f"models/{name}", "supportedGenerationMethods": ["generateContent"]} for name in names]
        return Reply(body=json.dumps({"models": rows}).encode(), headers=JSON)

    def blocked(self) -> Reply | None:
        body = {
            "promptFeedback": {"blockReason": "SAFETY"},
            "usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 3},
        }
        return Reply(body=json.dumps(body).encode(), headers=JSON)

    def parse_request(self, request: Received) -> RequestContent:
        body = request.json
        config = body.get("generationConfig", {})
        parts = [part for turn in body["contents"] for part in turn["parts"]]
        system = "".join(part["text"] for part in body.get("systemInstruction", {}).get("parts", ()))
        images: list[bytes | str] = [
            base64.b64decode(part["inlineData"]["data"] + "==", altchars=b"-_")
            for part in parts
            if "inlineData" in part
        ]
        images += [part["fileData"]["fileUri"] for part in parts if "fileData" in part]
        schema = config.get("responseJsonSchema") or config.get("responseSchema")
        return RequestContent(
            model=request.path.partition("/models/")[2].partition(":")[0],
            system=system or None,
            texts=[part["text"] for part in parts if "text" in part],
            images=images,
            max_tokens=config.get("maxOutputTokens"),
            temperature=config.get("temperature"),
            stop=config.get("stopSequences"),
            tools=[item["name"] for tool in body.get("tools", ()) for item in tool["functionDeclarations"]],
            schema=schema,
            stream=":streamGenerateContent" in request.path,
        )


def events_of(bodies: Sequence[dict[str, Any]]) -> bytes:
    """Write server-sent events."""
    return b"".join(b"data: " + json.dumps(item).encode() + b"\r\n\r\n" for item in bodies)


def _parts(says: Says, texts: Sequence[str]) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = [{"text": says.reasoning, "thought": True}] if says.reasoning else []
    parts += [{"text": text} for text in texts if text]
    return parts + [{"functionCall": {"name": name, "args": arguments}} for name, arguments in says.tools]


def _usage(tokens: Tokens) -> dict[str, int]:
    if tokens.input is None and tokens.output is None:
        return {}
    counts = {
        "promptTokenCount": (tokens.input or 0) + (tokens.cached or 0),
        "cachedContentTokenCount": tokens.cached,
        "candidatesTokenCount": tokens.output,
        "thoughtsTokenCount": tokens.reasoning,
        "totalTokenCount": sum(n or 0 for n in (tokens.input, tokens.cached, tokens.output, tokens.reasoning)),
    }
    return {name: count for name, count in counts.items() if count is not None}
