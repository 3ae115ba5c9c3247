"""Reply as the requested provider does, in success and in each kind of failure."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.contract.dialects import chat, claude, gemini, ollama, openai__responses
from tests.servers import Received, Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.contract.dialects.base import Dialect, Says

JSON = {"content-type": "application/json"}
PLAIN_CHAT = chat.ChatDialect()
DIALECTS: tuple[tuple[str, Dialect], ...] = (
    ("/chat/completions", PLAIN_CHAT),
    ("/responses", openai__responses.Dialect()),
    ("/messages", claude.Dialect()),
    (":generateContent", gemini.Dialect()),
    (":streamGenerateContent", gemini.Dialect()),
    ("/api/chat", ollama.Dialect()),
    ("/api/generate", ollama.Dialect()),
)
CATEGORIES = {"401": "authentication", "429": "rate_limit", "500": "server"}
STATUSES = {**CATEGORIES, "503": "overloaded"}
SCENARIOS = ("reply", *CATEGORIES, "malformed", "html")  # what every program meets
# Replies with status 200 that are not as a program hopes; in a short run a third of the programs meet one each.
ODD_REPLIES = ("empty", "null", "nothing", "think", "cut", "refused", "tool", "blank", "503")
OTHERS = ("timeout", "reset")  # for programs that bound their patience, or say that they care


def answering(scenario: str, says: Says) -> Callable[[Received], Reply]:
    """Return what answers all requests of one run."""

    def answer(request: Received) -> Reply:
        dialect = next((speaker for end, speaker in DIALECTS if _path(request).endswith(end)), None)
        if dialect is None:
            return _besides(_path(request))
        if scenario == "reply":
            return _good(dialect, request, says)
        if scenario in STATUSES:
            return dialect.error(STATUSES[scenario])
        if scenario == "blank":
            return Reply(body=b"", headers=JSON)
        if scenario in ODD_REPLIES:
            return _odd(scenario, dialect, request, says)
        if scenario == "timeout":
            return Reply(hang=True)
        if scenario == "reset":
            return Reply(body=b"{", headers=JSON, reset=True)
        if scenario == "malformed":
            return Reply(body=b'{"unexpected": true}', headers=JSON)
        return Reply(body=b"<html><body>Bad gateway</body></html>", headers={"content-type": "text/html"})

    return answer


def _path(request: Received) -> str:
    return request.path.partition("?")[0]


def _good(dialect: Dialect, request: Received, says: Says) -> Reply:
    path, body = _path(request), request.json
    says = replace(says, model=body.get("model", ""))
    if path.endswith("/api/generate"):
        return _generated(says, stream=body.get("stream", True))
    if path.endswith("/api/chat"):
        return dialect.stream(says) if body.get("stream", True) else dialect.reply(says)
    if ":streamGenerateContent" in path and "alt=sse" not in request.path:
        whole = [json.loads(line[5:]) for line in dialect.stream(says).body.splitlines() if line.startswith(b"data:")]
        return Reply(body=json.dumps(whole).encode(), headers=JSON)
    if dialect is PLAIN_CHAT and not (body.get("stream_options") or {}).get("include_usage"):
        says = replace(says, tokens=None) if body.get("stream") else says  # OpenAI tells the usage to those who ask
    if body.get("stream") or ":streamGenerateContent" in path:
        return dialect.stream(says)
    return _several(dialect.reply(says), body.get("n") or 1) if dialect is PLAIN_CHAT else dialect.reply(says)


def _odd(scenario: str, dialect: Dialect, request: Received, says: Says) -> Reply:
    """Return a reply that is empty, holds thoughts, was cut or refused, calls a tool, or lacks its text."""
    text = says.text
    changed = {
        "empty": replace(says, text=""),
        "think": replace(says, text=f"<think>SELL? No.</think>\n\n{text}"),
        "cut": replace(says, text=text[: len(text) // 2], finish="length"),
        "refused": replace(says, text="", finish="content_filter"),
        "tool": replace(says, text="", tools=(("lookup", {"symbol": "BTC"}),)),
    }.get(scenario)
    if changed is not None:
        return _good(dialect, request, changed)
    whole = _good(dialect, request, says)
    if not whole.body.startswith(b"{"):
        return _good(dialect, request, replace(says, text=""))  # a stream without text
    return replace(whole, body=json.dumps(_without_text(json.loads(whole.body), scenario)).encode())


def _without_text(body: dict[str, Any], scenario: str) -> dict[str, Any]:
    """Return a reply whose text is null, or that has no choice, block, candidate or message with a text at all."""
    is_null = scenario == "null"
    for choice in body.get("choices", ()):
        choice["message"]["content"] = None
    for candidate in body.get("candidates", ()):
        candidate["content"].pop("parts")
    for name in ("choices", "candidates", "content", "output"):
        if isinstance(body.get(name), list) and not (is_null and name in ("choices", "candidates")):
            body[name] = []
    if isinstance(body.get("message"), dict):  # Ollama says an empty text
        body["message"]["content"] = ""
    return body | ({"response": ""} if "response" in body else {})


def _several(reply: Reply, count: int) -> Reply:
    """Return a chat reply with that many choices; the text of the second and later ones ends with their number."""
    body: dict[str, Any] = json.loads(reply.body)
    first = body["choices"][0]
    text = first["message"]["content"]
    body["choices"] += [
        {**first, "index": at, "message": {**first["message"], "content": f"{text} #{at}"}} for at in range(1, count)
    ]
    return replace(reply, body=json.dumps(body).encode())


def _generated(says: Says, *, stream: bool) -> Reply:
    """Answer as Ollama's generate does: docs.ollama.com/api/generate."""
    head = {"model": says.model, "created_at": "2026-01-01T00:00:00Z"}
    last = {"done": True, "done_reason": "stop", "prompt_eval_count": 25, "eval_count": 10}
    if not stream:
        return Reply(body=json.dumps({**head, "response": says.text, **last}).encode(), headers=JSON)
    pieces = [{**head, "response": piece, "done": False} for piece in says.pieces]
    return Reply(body=ollama.lines([*pieces, {**head, "response": "", **last}]), headers=ollama.LINES)


def _besides(path: str) -> Reply:
    """Reply to requests other than chat: speech, embeddings, images, transcriptions, lists, health checks."""
    body: dict[str, Any] = {"models": [{"name": "llama3.2", "model": "llama3.2"}], "data": [], "object": "list"}
    if path.endswith("/audio/speech"):
        return Reply(body=b"ID3-sound", headers={"content-type": "audio/mpeg"})
    if path.endswith("/embeddings"):
        body = {"object": "list", "model": "e", "usage": {"prompt_tokens": 1, "total_tokens": 1},
                "data": [{"object": "embedding", "index": 0, "embedding": [0.25, 0.5]}]}  # fmt: skip
    elif path.endswith("/images/generations"):
        body = {"created": 1, "data": [{"url": "https://images.example/1.png"}]}
    elif path.endswith("/audio/transcriptions"):
        body = {"text": "buy the dip"}
    elif path.endswith("/api/embed"):
        body = {"model": "e", "embeddings": [[0.25, 0.5]]}
    return Reply(body=json.dumps(body).encode(), headers=JSON)
