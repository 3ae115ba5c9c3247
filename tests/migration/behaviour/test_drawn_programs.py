"""Programs that a fuzzer draws do the same before and after their migration, or the report says `review`.

The same programs in each run: `python -m tests.migration.fuzz` draws as many others as wanted.
"""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.long import IS_LONG, rounds
from tests.migration.behaviour.running import Outcome
from tests.migration.fuzz.draft import Program
from tests.migration.fuzz.grow import grow
from tests.migration.fuzz.judge import BROKEN, OTHER, REVIEWED, SAME, Judge, Migration, in_any_order, migrate
from tests.migration.fuzz.minimize import minimized

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.migration.behaviour.running import Runner

PROGRAMS_OF_A_TEST = 4
PROGRAMS = rounds(24, 4_000)
DRAWN_FOR_A_SHORT_RUN = 400  # of these the programs are chosen that have the most kinds between them
CALL = "client.chat.completions.create(model='gpt-4o', messages=[{'role': 'user', 'content': prompt}], temperature=0.5)"
TEXT = f"""import os

from openai import OpenAI

client = OpenAI(api_key=os.getenv("OPENAI_KEY"))
UNUSED = 1


def ask(prompt):
    return {CALL}.choices[0].message.content


PROMPTS = ["Q1: Trend?", "Q2: Risk?"]
for prompt in PROMPTS:
    print(ask(prompt))
"""
PROGRAM = Program(
    seed=0, files={"main.py": TEXT}, scripts={"Q1": ("buy",), "Q2": ("sell",)}, calls=1, tags=(), traced=True,
    environment={"OPENAI_KEY": "key-openai"},
)  # fmt: skip


@pytest.fixture(scope="session")
def judge(runner: Runner, tmp_path_factory: pytest.TempPathFactory) -> Judge:
    return Judge(runner, tmp_path_factory.mktemp("drawn"))


@pytest.fixture(scope="session")
def seeds() -> Sequence[int]:
    """Return the numbers of the programs that are judged: in a long run the first ones, else those of most kinds."""
    if IS_LONG:
        return range(PROGRAMS)
    kinds = {seed: set(grow(seed).tags) for seed in range(DRAWN_FOR_A_SHORT_RUN)}
    chosen: list[int] = []
    missing = set().union(*kinds.values())
    while len(chosen) < PROGRAMS:
        chosen.append(max(kinds, key=lambda seed: len(kinds[seed] & missing)))
        missing -= kinds.pop(chosen[-1])
    return chosen


@pytest.mark.parametrize("first", range(0, PROGRAMS, PROGRAMS_OF_A_TEST))
def test_drawn_programs_do_the_same(first: int, seeds: Sequence[int], judge: Judge) -> None:
    for seed in seeds[first : first + PROGRAMS_OF_A_TEST]:
        verdict = judge.judge(grow(seed))
        assert verdict.kind not in (OTHER, BROKEN), f"program {seed}: {verdict.lines}"


def test_a_number_draws_the_same_program_each_time() -> None:
    for seed in range(300):
        program = grow(seed)
        assert program == grow(seed)
        for name, text in program.files.items():
            ast.parse(text, name)
    assert grow(1) != grow(2)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("temperature=0.5", "temperature=0.6", "now asked"),
        ("print(", "print('now', ", "printed"),
        ("print(", "import sys; sys.exit(3); print(", "ended with 0, now with 3"),
        ("    return ", "    client.generate_response(None, prompt, temperature=0.5); return ", "asked 1 times, now 2"),
        ("client = ", 'import os; os.environ["OPENAI_KEY"] = "another"; client = ', "now asked"),
    ],
)  # fmt: skip
def test_a_difference_is_a_fault_unless_the_report_says_review(
    old: str, new: str, line: str, judge: Judge, tmp_path: Path
) -> None:
    good = migrate(PROGRAM.files, tmp_path / "migrated")
    assert judge.compare(PROGRAM, good, tmp_path / "good").kind == SAME
    text = good.files["main.py"]
    assert old in text
    other = Migration({"main.py": text.replace(old, new, 1)}, good.sites)
    verdict = judge.compare(PROGRAM, other, tmp_path / "other")
    assert verdict.kind == OTHER
    assert any(part.startswith(line) for part in verdict.lines), verdict.lines
    reviewed = Migration(other.files, tuple({**site, "status": "review"} for site in good.sites))
    assert judge.compare(PROGRAM, reviewed, tmp_path / "reviewed").kind == REVIEWED


def test_a_crash_is_a_broken_program(judge: Judge, tmp_path: Path) -> None:
    good = migrate(PROGRAM.files, tmp_path / "migrated")
    crashing = Migration({"main.py": good.files["main.py"].replace("ask(prompt))", "asked(prompt))")}, good.sites)
    assert judge.compare(PROGRAM, crashing, tmp_path / "crashing").kind == BROKEN


def test_a_call_that_nobody_reports_is_a_fault(judge: Judge, tmp_path: Path) -> None:
    verdict = judge.compare(PROGRAM, Migration(PROGRAM.files, ()), tmp_path / "silent")
    assert verdict.kind == OTHER


def test_streams_that_are_printed_at_once_may_mix() -> None:
    def printed(text: str, code: str) -> str:
        program = Program(0, {"main.py": code}, {}, {}, 1, ("driver:async gather",), traced=True)
        return in_any_order(program, Outcome([], text, 0, "", 0, "reply"))

    in_pieces = 'print(chunk, end="")'
    assert printed("71} {SELL\n\n", in_pieces) == printed("71}{SELL\n\n", in_pieces)
    assert printed("71} {SELL\n", in_pieces) != printed("72} {SELL\n", in_pieces)
    assert printed("71} {SELL\n", "print(text)") != printed("71}{SELL\n", "print(text)")


def test_a_program_with_a_fault_is_made_smaller_while_the_fault_stays() -> None:
    def fault_of(program: Program) -> str | None:
        return "it asks" if "create(model=" in program.files["main.py"] and "Q2" in program.scripts else None

    smaller = minimized(replace(PROGRAM, files={"main.py": TEXT}), fault_of, 200)
    assert set(smaller.scripts) == {"Q2"}
    assert "UNUSED" not in smaller.files["main.py"]
    assert "temperature" not in smaller.files["main.py"]
    assert fault_of(smaller)
