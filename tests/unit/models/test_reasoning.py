from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.models.call.think_tags import ThinkFilter, split

CASES = [
    ("plain", "plain", ""),
    ("<think>hm</think>42", "42", "hm"),
    ("  \n<think>\nhm\n</think>\n\n42", "42", "hm"),
    ("<think>never closed", "", "never closed"),
    ("<think></think>42", "42", ""),
    ("say <think>x</think>", "say <think>x</think>", ""),
    ("<thinking>x</thinking>", "<thinking>x</thinking>", ""),
    ("<think>a < b </thin </think>c </think>", "c </think>", "a < b </thin"),
    ("<think>a <think>b</think> c</think>42", "42", "a <think>b</think> c"),
    ("<think>I close my <think> block</think>\n42 </thin", "42 </thin", "I close my <think> block"),
    ("<think>a</think>\n <think>b</think>\n42", "42", "ab"),
    ("<think>a</think> <thi", "<thi", "a"),
    ("<", "<", ""),
    ("", "", ""),
]


@pytest.mark.parametrize(("content", "text", "thought"), CASES)
def test_moves_a_leading_block_into_the_reasoning(content: str, text: str, thought: str) -> None:
    assert split(content) == (text, thought or None)


def _streamed(content: str, cuts: list[int]) -> tuple[str, str]:
    bounds = sorted({0, len(content), *(cut % (len(content) + 1) for cut in cuts)})
    think_filter = ThinkFilter()
    parts = [think_filter.feed(content[a:b]) for a, b in pairwise(bounds)]
    parts.append(think_filter.finish())
    return "".join(text for text, _ in parts), "".join(thought for _, thought in parts)


@given(st.sampled_from(CASES), st.lists(st.integers(0, 60), max_size=8))
def test_a_stream_cut_anywhere_gives_the_same(case: tuple[str, str, str], cuts: list[int]) -> None:
    content, text, thought = case
    streamed, reasoned = _streamed(content, cuts)
    assert (streamed, reasoned.strip()) == (text, thought)


@given(st.text(alphabet="<>/think x\n", max_size=40), st.lists(st.integers(0, 60), max_size=8))
def test_a_stream_and_a_whole_reply_agree(content: str, cuts: list[int]) -> None:
    text, thought = _streamed(content, cuts)
    whole, reasoned = split(content)
    assert text == whole
    assert thought.strip() == (reasoned or "")
