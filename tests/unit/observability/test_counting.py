"""What is counted stands in the singular where there is one of it."""

from __future__ import annotations

import pytest

from src.observability.commands.counting import counted


@pytest.mark.parametrize(
    ("n", "things", "text"),
    [
        (1, "calls", "1 call"), (0, "calls", "0 calls"), (2_000, "calls", "2,000 calls"),
        (1, "calls that told", "1 call that told"), (1, "streamed calls", "1 streamed call"),
        (1, "replies", "1 reply"), (2, "replies", "2 replies"), (1, "judged trades", "1 judged trade"),
    ],
)  # fmt: skip
def test_one_thing_is_in_the_singular(n: int, things: str, text: str) -> None:
    assert counted(n, things) == text


def test_another_singular_is_taken_as_it_is() -> None:
    assert counted(1, "calls have", "call has") == "1 call has"
    assert counted(3, "calls have", "call has") == "3 calls have"
