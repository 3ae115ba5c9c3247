"""What the server does for each question of a program."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.contract.dialects.base import Says
from tests.migration.behaviour.answers import DIALECTS, answering

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.migration.fuzz.draft import Draft
    from tests.servers import Received, Reply

TEXTS = {
    "buy": "BUY\nConfidence: 80%\nMomentum is strong.",
    "sell": "SELL. Do not BUY here: 35% risk.",
    "json": '{"action": "SELL", "confidence": 71}',
    "fenced": '```json\n{"action": "BUY", "confidence": 64}\n```',
    "padded": "\n\n  NOTHING  \n",
    "unicode": "Kaufen \u2014 \U0001f680 \"quoted\" 'single' \\ back",
    "thought": "<think>\nMaybe BUY? No.\n</think>\n\nSELL",
    "long": "HOLD " * 400,
}
_ERRORS = {"401": "authentication", "403": "permission", "404": "model_not_found", "400": "invalid_request",
           "429": "rate_limit", "quota": "quota", "500": "server", "503": "overloaded"}  # fmt: skip
_REPLIES: dict[str, dict[str, Any]] = {
    "empty": {"text": ""}, "null": {"text": ""}, "blank": {"text": " \n"},
    "cut": {"text": "BUY because the", "finish": "length"}, "refused": {"text": "", "finish": "content_filter"},
    "reasoned": {"text": "SELL", "reasoning": "Perhaps BUY."}, "no_usage": {"tokens": None},
    "tools": {"text": "", "tools": (("price", {"of": "BTC"}), ("price", {"of": "ETH"}))},
    "tools and text": {"text": "Let me see.", "tools": (("price", {"of": "BTC"}),)},
}  # fmt: skip
_MARK = re.compile(rb"\bQ\d+\b")
# Events after which an SDK or a program may ask again.
PASSING = ("429", "500", "503")
FAILURES = frozenset(_ERRORS) | {"malformed", "html"}


def draw_scripts(draft: Draft, questions: int, *, with_tools: bool = False) -> dict[str, tuple[str, ...]]:
    """Draw for each question what its requests meet: with tools, first the calls of some."""
    scripts: dict[str, tuple[str, ...]] = {"Q1": (draft.choose("buy", "sell", "json"),)}
    weights = {**{f"t_{name}": 6.0 for name in TEXTS}, "empty": 7, "null": 5, "cut": 4, "reasoned": 5, "refused": 3,
               "e_401": 5, "e_429": 5, "e_500": 6, "e_400": 2, "e_404": 1, "e_403": 1, "e_503": 2, "e_quota": 2,
               "malformed": 3, "html": 2, "no_usage": 2, "passing": 8, "blank": 3}  # fmt: skip
    for at in range(2, questions + 1):
        event = draft.pick(**weights)
        if event == "passing":
            events = [*([draft.choose(*PASSING)] * draft.choose(1, 2)), draft.choose("buy", "sell")]
        else:
            events = [event.removeprefix("t_").removeprefix("e_")]
        scripts[f"Q{at}"] = tuple(events)
    if with_tools:
        calls = (("tools",), ("tools and text",), ("tools", "tools"), ())
        scripts = {mark: (*draft.choose(*calls), *events) for mark, events in scripts.items()}
    return scripts


class Script:
    """Answers the requests of one run by the question that each asks last."""

    def __init__(self, scripts: Mapping[str, tuple[str, ...]]) -> None:
        self._scripts = scripts
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def answer(self, request: Received) -> Reply:
        """Return the next reply for the request's question."""
        marks = _MARK.findall(request.body)
        mark = marks[-1].decode() if marks else ""
        with self._lock:
            count = self._counts[mark]
            self._counts[mark] += 1
        events = self._scripts.get(mark, ("buy",))
        return reply_to(request, events[min(count, len(events) - 1)])


def reply_to(request: Received, event: str) -> Reply:
    """Return what an event replies to a request, as its provider does."""
    path = request.path.partition("?")[0]
    dialect = next((speaker for end, speaker in DIALECTS if path.endswith(end)), None)
    if dialect is None or event in ("malformed", "html"):
        return answering(event if dialect else "reply", Says())(request)
    if event in _ERRORS:
        return dialect.error(_ERRORS[event] if _ERRORS[event] not in dialect.unsaid else "server")
    says = replace(Says(text=TEXTS.get(event, TEXTS["buy"])), **_REPLIES.get(event, {}))
    body = request.json
    if body.get("stream") and path.endswith("/chat/completions") and not body.get("stream_options"):
        says = replace(says, tokens=None)  # which a stream brings where it is asked for
    reply = answering("reply", says)(request)
    if event == "null" and reply.headers.get("content-type", "").startswith("application/json"):
        content = json.loads(reply.body)
        _to_null(content)
        return replace(reply, body=json.dumps(content).encode())
    return reply


def _to_null(body: Any) -> None:
    """Take the text out of a reply."""
    if not isinstance(body, dict):
        return
    if "choices" in body:
        body["choices"][0]["message"]["content"] = None
    elif isinstance(body.get("content"), list):
        body["content"] = []
    elif "candidates" in body:
        body["candidates"] = []
