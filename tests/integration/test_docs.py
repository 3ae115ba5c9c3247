"""The examples of the documentation run as they stand, and print what it says."""

from __future__ import annotations

import contextlib
import io
import json
import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.servers import Received, Reply, Server, chat_reply, decision

if TYPE_CHECKING:
    from collections.abc import Iterator

    from src.observability.store.spool import Spool

DOCS = Path(__file__).resolve().parents[2] / "docs"
# A block of code, and the indented lines after the word "prints".
EXAMPLE = re.compile(r"```python\n(?P<code>.*?)```\n\nprints[^\n]*\n\n(?P<output>(?:    [^\n]*\n)+)", re.DOTALL)


def example(page: str) -> tuple[str, str]:
    match = EXAMPLE.search((DOCS / page).read_text(encoding="utf-8"))
    assert match is not None, f"{page} has no example"
    return match["code"], textwrap.dedent(match["output"])


def _answer(request: Received) -> Reply:
    """Answer as a model would that does what the examples ask for."""
    body = request.json
    text = json.dumps(body["messages"])
    if "get_price" in json.dumps(body.get("tools", "")):
        return _tool_reply(body)
    if "support" in json.dumps(body.get("response_format", "")):
        return chat_reply(json.dumps({"support": 60_000, "resistance": 65_000, "note": ""}))
    if "BTC fell" in text:
        return chat_reply("Wait for the next close.")
    return chat_reply(decision("BUY" if body["model"] == "gpt-4o" else "SELL", 60), model=body["model"])


def _tool_reply(body: dict[str, Any]) -> Reply:
    last = body["messages"][-1]
    if last["role"] == "tool":
        return chat_reply(f"BTC costs {float(last['content']):,.0f} EUR.")
    call = {"name": "get_price", "arguments": json.dumps({"symbol": "BTC-USD", "currency": "EUR"})}
    message = {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function", "function": call}]}
    reply = json.loads(chat_reply("").body)
    reply["choices"] = [{"index": 0, "finish_reason": "tool_calls", "message": message}]
    return Reply(body=json.dumps(reply).encode(), headers={"content-type": "application/json"})


@pytest.fixture
def openai(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with Server(_answer) as server:
        monkeypatch.setenv("OPENAI_KEY", "sk-test-0123456789abcdef")
        monkeypatch.setenv("OPENAI_BASE_URL", server.url + "/v1")
        yield


@pytest.mark.usefixtures("openai")
@pytest.mark.parametrize("page", ["structured-output.md", "tools.md", "fallbacks.md", "members.md"])
def test_an_example_prints_what_its_page_says(page: str) -> None:
    code, expected = example(page)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, page, "exec", dont_inherit=True), {"__name__": "example"})  # noqa: S102 - our own example
    assert printed.getvalue() == expected


def _stream_of_words(request: Received) -> Reply:
    if not request.json.get("stream"):
        return chat_reply("Wait.", model="gpt-4o")
    words = [{"delta": {"content": word}, "finish_reason": None} for word in ("Wait", " for", " the close.")]
    events: list[dict[str, Any]] = [
        {"id": "c", "model": "gpt-4o", "choices": [{"index": 0, **choice}]} for choice in words
    ]
    last = {"index": 0, "delta": {}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    events.append({"id": "c", "model": "gpt-4o", "choices": [last], "usage": usage})
    body = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events) + b"data: [DONE]\n\n"
    return Reply(body=body, headers={"content-type": "text/event-stream"})


def test_a_traced_client_does_what_its_page_says(spool: Spool) -> None:
    code, expected = example("sdk-clients.md")
    printed = io.StringIO()

    def generations(trace_id: str) -> list[tuple[str, str | None, int]]:
        return [(row.name, row.model, (row.input_tokens or 0) + (row.output_tokens or 0))
                for row in spool.rows_after(0) if row.trace_id == trace_id and row.type == "generation"]  # fmt: skip

    def reply_to(reply: Any) -> list[dict[str, str]]:
        return [{"role": "assistant", "content": reply.choices[0].message.content}, {"role": "user", "content": "Why?"}]

    with Server(_stream_of_words) as server, contextlib.redirect_stdout(printed):
        names = {"openai_url": server.url + "/v1", "generations": generations, "reply_to": reply_to}
        exec(compile(code, "sdk-clients.md", "exec", dont_inherit=True), {"__name__": "example", **names})  # noqa: S102 - our own example
    assert printed.getvalue() == expected


def test_pages_link_to_pages_that_exist() -> None:
    for page in (*DOCS.glob("*.md"), *DOCS.parent.glob("*.md")):
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_architecture_names_files_that_exist() -> None:
    root = DOCS.parent
    table = (
        (root / "ARCHITECTURE.md").read_text(encoding="utf-8").partition("## Find it")[2].partition("## Decisions")[0]
    )
    paths = re.findall(r"`([a-z_]+/[a-z_/.]+)`", table)
    assert len(paths) > 20
    assert [path for path in paths if not (root / "src" / path).exists()] == []
