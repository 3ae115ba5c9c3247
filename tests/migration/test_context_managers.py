"""What an SDK cannot open or close as a program asks fails after the migration as before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.migration.test_judge import migrated

if TYPE_CHECKING:
    from pathlib import Path

_CALL = "client.chat.completions.create(model='gpt-4o', messages=[{'role': 'user', 'content': 'q'}])"
ASK = f"{_CALL}.choices[0].message.content"
AWAITED = f"(await {_CALL}).choices[0].message.content"
ASK_GEMINI = "client.generate_content('q').text"
IMPORTS = "import google.generativeai as genai\nfrom openai import AsyncOpenAI, OpenAI\n"


def program(*, client: str, opened: str, ask: str, closed: str = "pass") -> str:
    """Return a program with one call, in a function of asyncio where it says `async` or `await`."""
    is_asynchronous = any(text.startswith(("async", "await", "(await")) for text in (opened, ask, closed))
    head = f"{'async ' if is_asynchronous else ''}def ask():"
    opening = f"    {opened} {client} as client:" if opened else f"    client = {client}\n    if True:"
    return f"{IMPORTS}{head}\n{opening}\n        reply = {ask}\n        {closed}\n        return reply\n"


@pytest.mark.parametrize(
    ("client", "opened", "ask", "closed"),
    [
        ("genai.GenerativeModel('gemini-2.5-flash')", "with", ASK_GEMINI, "pass"),
        ("genai.GenerativeModel('gemini-2.5-flash')", "", ASK_GEMINI, "client.close()"),
        ("AsyncOpenAI()", "with", AWAITED, "pass"),
        ("OpenAI()", "async with", ASK, "pass"),
        ("OpenAI()", "", ASK, "await client.close()"),
        ("OpenAI()", "", ASK, "client.aclose()"),
        ("AsyncOpenAI()", "", AWAITED, "await client.aclose()"),
    ],
)
def test_what_fails_to_open_or_close_stays(client: str, opened: str, ask: str, closed: str, tmp_path: Path) -> None:
    text = program(client=client, opened=opened, ask=ask, closed=closed)
    outcome = migrated(tmp_path, main=text)
    after = (outcome.after or outcome.before).decode()
    assert "nullcontext" not in after
    assert (f"    {opened} " if opened else closed) in after


@pytest.mark.parametrize(
    ("client", "opened", "ask", "closed"),
    [
        ("genai.GenerativeModel('gemini-2.5-flash')", "", ASK_GEMINI, "pass"),
        ("AsyncOpenAI()", "async with", AWAITED, "pass"),
        ("OpenAI()", "with", ASK, "pass"),
        ("OpenAI()", "", ASK, "client.close()"),
        ("AsyncOpenAI()", "", AWAITED, "await client.close()"),
    ],
)
def test_a_client_that_is_opened_or_closed_as_the_sdk_allows_moves(
    client: str, opened: str, ask: str, closed: str, tmp_path: Path
) -> None:
    outcome = migrated(tmp_path, main=program(client=client, opened=opened, ask=ask, closed=closed))
    assert [site.status for site in outcome.sites] == ["migrated"], outcome.sites
