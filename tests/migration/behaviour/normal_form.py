"""Bring requests of equal meaning into one form, so that they compare equal.

Two spellings count as the same only where this module says so, with the reason:

- numbers by their value, as JSON has them: the factory sends a temperature of 1 as 1.0;
- `stream: false` is the default; one stop word is a list of one;
- `stream_options` beside a stream (the factory asks for the usage, which nothing else changes);
- `usage: {include: true}` at OpenRouter (the same for its own accounting);
- DeepSeek's address with and without `/v1`: api-docs.deepseek.com says that they are one;
- Gemini's harms and thresholds by number, as the old SDK sends them, and by name: ai.google.dev/api/generate-content;
- Gemini's API versions, and `user` where a turn names no role: the factory speaks v1beta;
- Ollama's three endpoints (`/api/chat`, `/api/generate` whose prompt is one user message, `/v1/chat/completions`),
  which run the same template, and `num_ctx`, which the factory says so that a long prompt is not cut;
- the Responses API's `instructions` is its system message, and an `input` of text one user message;
- `store: false` there: the factory lets OpenAI keep nothing. A program that goes on from a kept response names it
  (`previous_response_id`), and is not to be migrated.

Anything else that a request holds is compared as it is. Headers are not, but for those of the key and the account.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers import Received

_ACCOUNT = ("openai-organization", "openai-project")
_NATIVE = {"max_tokens": "num_predict", "max_completion_tokens": "num_predict"}
_HARMS = {7: "HARM_CATEGORY_HARASSMENT", 8: "HARM_CATEGORY_HATE_SPEECH"}
_THRESHOLDS = {3: "BLOCK_ONLY_HIGH", 4: "BLOCK_NONE"}
_OPTIONS = ("temperature", "top_p", "stop", "seed", "num_predict", "presence_penalty", "frequency_penalty")


def normalize(request: Received) -> dict[str, Any]:
    """Return the content of a request in the common form."""
    url = urlsplit(request.path)
    host = request.headers.get("host", "").replace("127.0.0.1", "localhost")
    head: dict[str, Any] = {"host": host, "path": url.path, "key": _key(request, parse_qs(url.query))}
    head |= {name: request.headers[name] for name in _ACCOUNT if name in request.headers}
    if not request.headers.get("content-type", "").startswith("application/json"):
        return head | {"bytes": len(request.body)}
    body = {name: _numbers(value) for name, value in request.json.items() if value is not None}
    if body.get("stream") is False and "ollama" not in _kind(host, url.path):
        del body["stream"]
    read = READERS.get(_kind(host, url.path))
    content = read(head, body) if read else head | body
    if "stop" in content:
        content["stop"] = [content["stop"]] if isinstance(content["stop"], str) else content["stop"]
    return content


def _numbers(value: Any) -> Any:
    """Return a value whose whole numbers are integers."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: _numbers(inner) for name, inner in value.items()}
    return [_numbers(inner) for inner in value] if isinstance(value, list) else value


def _kind(host: str, path: str) -> str:
    if host.endswith(":11434") and path.endswith(("/chat", "/generate", "/chat/completions")):
        return "ollama"
    ends = {"/chat/completions": "chat", "/messages": "claude", "GenerateContent": "gemini", "/responses": "responses",
            "generateContent": "gemini"}  # fmt: skip
    return next((kind for end, kind in ends.items() if path.endswith(end)), "other")


def _key(request: Received, query: dict[str, list[str]]) -> str:
    headers = request.headers
    bearer = headers.get("authorization", "").removeprefix("Bearer ")
    return bearer or headers.get("x-api-key") or headers.get("x-goog-api-key") or "".join(query.get("key", ()))


def _chat(head: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    host = head["host"]
    if host == "api.deepseek.com":
        head["path"] = head["path"].removeprefix("/v1")
    if host == "openrouter.ai" and body.get("usage") == {"include": True}:
        del body["usage"]
    body.pop("stream_options", None)
    return head | body


def _text(content: Any) -> Any:
    """Return a content of one text part as that text, as which the Responses API takes it."""
    only = content[0] if isinstance(content, list) and len(content) == 1 else None
    return only["text"] if isinstance(only, dict) and set(only) == {"type", "text"} else content


def _responses(head: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    question = body.pop("input")
    messages = (
        [{"role": "user", "content": question}] if isinstance(question, str) else [dict(item) for item in question]
    )
    if body.get("store") is False and "previous_response_id" not in body:
        del body["store"]
    if "instructions" in body:
        messages.insert(0, {"role": "system", "content": body.pop("instructions")})
    for item in messages:
        if isinstance(item["content"], list):
            parts = [{**part, "type": "text"} if part["type"] == "input_text" else part for part in item["content"]]
            item["content"] = _text(parts)
    return head | body | {"messages": messages}


def _gemini(head: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    turns = body.pop("contents")
    contents = [{"role": turn.get("role", "user"), "parts": turn["parts"]} for turn in turns]
    system = body.pop("systemInstruction", None)
    if system is not None:
        body["system"] = [part["text"] for part in system["parts"]]
    for turn in contents:
        for part in turn["parts"]:
            if "inlineData" in part:  # two alphabets of base64, padded or not
                data = re.sub("=+$", "", part["inlineData"]["data"]).replace("-", "+").replace("_", "/")
                part["inlineData"] = {**part["inlineData"], "data": data}
    for setting in body.get("safetySettings") or ():
        setting["category"] = _HARMS.get(setting["category"], setting["category"])
        setting["threshold"] = _THRESHOLDS.get(setting["threshold"], setting["threshold"])
    config = body.pop("generationConfig", None) or {}
    head["path"] = re.sub(r"^/v1(beta)?/", "/", head["path"])
    return head | body | ({"config": config} if config else {}) | {"messages": contents}


def _ollama(head: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    native = "/v1/" not in head["path"]
    if native:
        body.setdefault("stream", True)
    options = dict(body.pop("options", None) or {})
    options |= {_NATIVE.get(name, name): body.pop(name) for name in (*_NATIVE, *_OPTIONS) if name in body}
    options.pop("num_ctx", None)
    body.pop("stream_options", None)
    if body.get("tools") == []:  # Ollama's own package says that there are none
        del body["tools"]
    if "prompt" in body:
        system = [{"role": "system", "content": body.pop("system")}] if body.get("system") else []
        body["messages"] = [*system, {"role": "user", "content": body.pop("prompt")}]
    if body.get("response_format") == {"type": "json_object"}:
        body["format"] = "json"
        del body["response_format"]
    body["messages"] = [{name: value for name, value in item.items() if value} for item in body["messages"]]
    if isinstance(options.get("stop"), str):
        options["stop"] = [options["stop"]]
    if not body.get("stream"):
        body.pop("stream", None)
    head |= {"path": "ollama", "key": ""}  # its own server takes none, whatever the openai SDK is made to send
    return head | body | {"options": options}


READERS: dict[str, Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]] = {
    "chat": _chat, "gemini": _gemini, "ollama": _ollama, "responses": _responses,
}  # fmt: skip
