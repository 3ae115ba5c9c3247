"""The harness itself: programs work before they are migrated, the same is found equal, a difference is found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.migration.behaviour.answers import STATUSES
from tests.migration.behaviour.cases import CASES, Case
from tests.migration.behaviour.running import differences

if TYPE_CHECKING:
    from pathlib import Path

    from tests.migration.behaviour.conftest import Before, Run

# By hand, what a migration of some programs would write.
ATTRIBUTE = CASES["openai_attribute"]
ATTRIBUTE_PAIRS = (
    ("from openai import OpenAI", "from src.models import ModelFactory"),
    ('OpenAI(api_key=os.getenv("OPENAI_KEY"))', 'ModelFactory.get_model("openai", self.model, compat="openai")'),
    ("self.client.chat.completions.create(", "self.client.chat("),
    ("                model=self.model,\n", ""),
    ("response.choices[0].message.content", "response.content"),
)  # fmt: skip
CLAUDE = CASES["claude_attribute"]
CLAUDE_PAIRS = (
    ("import anthropic", "from src.models import ModelFactory"),
    ('self.client = anthropic.Anthropic(api_key=os.getenv("ANTHROPIC_KEY"))', "pass"),
    (
        "self.client.messages.create(",
        'ModelFactory.get_model("claude", "claude-haiku-4-5", compat="anthropic").generate_response(',
    ),
    ('                model="claude-haiku-4-5",\n', ""),
    ("system=", "system_prompt="),
    ('messages=[{"role": "user", "content": prompt}]', "user_content=prompt"),
    ("message.content[0].text", "message.content"),
)
RAW = CASES["raw_ollama_generate"]
RAW_PAIRS = (("import requests", "from src.models import ModelFactory"), ("requests.post(", "ModelFactory.post("))
BY_HAND = [(ATTRIBUTE, ATTRIBUTE_PAIRS), (CLAUDE, CLAUDE_PAIRS), (RAW, RAW_PAIRS)]


def by_hand(case: Case, pairs: tuple[tuple[str, str], ...], folder: Path) -> str:
    """Write a program with texts replaced, each of which it must have."""
    program = case.write(folder)
    text = case.files["main.py"]
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    program.write_text(text, encoding="utf-8")
    return text


def test_every_program_works_before_it_is_migrated(case: Case, before: Before) -> None:
    outcome = before(case, "reply")
    assert outcome.code == 0, outcome.err
    assert outcome.out
    assert "failed" not in outcome.out, outcome
    assert outcome.traced == 0
    assert outcome.requests or not case.sites or "OPENAI_KEY" in case.env or outcome.out.startswith("no key: ")
    for scenario in STATUSES.keys() & set(case.scenarios) if outcome.requests and case.sites else ():
        assert before(case, scenario) != outcome, "the program does not show that it failed"


@pytest.mark.parametrize(("case", "pairs"), BY_HAND, ids=lambda value: getattr(value, "name", ""))
def test_a_program_that_is_migrated_well_does_the_same(
    case: Case, pairs: tuple[tuple[str, str], ...], before: Before, run: Run, tmp_path: Path
) -> None:
    by_hand(case, pairs, tmp_path / "after")
    for scenario in case.scenarios:
        after = run(case, tmp_path / "after", scenario)
        assert differences(before(case, scenario), after) == []
        assert after.traced == 1


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ("temperature=0.7,", "", "asked"),
        ("max_tokens=50,", "max_tokens=51,", "asked"),
        ('{"role": "system", "content": "You watch whales. Answer BUY, SELL or NOTHING."},', "", "asked"),
        ("You watch whales.", "You watch  whales.", "asked"),
        ("temperature=0.7,", "temperature=0.7, top_p=0.5,", "asked"),
        ("lines[0].strip()", "lines[0].strip().lower()", "printed"),
        ('print("analysis failed")', "raise", "ended with"),
        ("return None", "return {}", "printed"),
        ('get_model("openai", self.model,', 'get_model("openai", "gpt-4o-mini",', "asked"),
        ('get_model("openai", self.model,', 'get_model("openrouter", self.model,', "asked"),
        ("text = response", "self.client.chat('again'); text = response", "asked"),
        ('get_model("openai", self.model,', 'get_model("openai", self.model, api_key="key-other",', "asked"),
    ],
)  # fmt: skip
def test_a_difference_is_found(old: str, new: str, kind: str, before: Before, run: Run, tmp_path: Path) -> None:
    by_hand(ATTRIBUTE, (*ATTRIBUTE_PAIRS, (old, new)), tmp_path / "after")
    lines = [
        line
        for scenario in ATTRIBUTE.scenarios
        for line in differences(before(ATTRIBUTE, scenario), run(ATTRIBUTE, tmp_path / "after", scenario))
    ]
    assert any(f": {kind}" in line for line in lines), lines


def test_a_call_that_is_not_traced_is_found(before: Before, run: Run, tmp_path: Path) -> None:
    ATTRIBUTE.write(tmp_path / "after")
    (line,) = differences(before(ATTRIBUTE, "reply"), run(ATTRIBUTE, tmp_path / "after", "reply"))
    assert "traced" in line
