"""Read the programs, each in a style in which existing agents call models.

A file of `programs/` is one program. Lines that begin with `#:` are about it and not part of it:

    #: note = "what the style is"
    #: expect = "migrated" (the default), "review" (migrated, and the report says to read it again), "traced" (calls
       stay whose clients are traced), "left" (untouched, with a reason), "either" of migrated and left, or "kept"
       (it is no chat call)
    #: sites = 2             how many calls generate text; 1 where not said
    #: reply = "..."         what the model says
    #: scenarios = ["reset"] besides those that every program meets, or exactly these where "reply" is among them
    #: differs = { malformed = "reason" }  scenarios whose outcome is another one afterwards, on purpose
    #: env = { NAME = "x" }  variables, in place of the usual keys
    #: file helper.py        what follows is another file beside the program

Every program meets a good reply; which of the other scenarios it meets goes by turns, except in a long run, in which it
meets them all.
"""

from __future__ import annotations

import re
import tomllib
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.contract.dialects.base import Says
from tests.long import IS_LONG
from tests.migration.behaviour.answers import ODD_REPLIES, SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

PROGRAMS = Path(__file__).parent / "programs"
REPLY = "BUY\nConfidence: 80%\nMomentum is strong, and volume confirms it."
ALL_SCENARIOS = (*SCENARIOS, *ODD_REPLIES)
FAILURE = "500"
# A handler for a class of errors or one that reads the error, a look at a status, or a retry of the program's own.
_TELLS_FAILURES_APART = re.compile(
    r"except(?! Exception:|:)|suppress|traceback|exc_info|sys\.exc|logging|status|\bcode\b|retr(y|ies)|backoff|tenacity"
)
# What a program names of one failure -> that failure, which it meets in every run.
_NAMED = {
    "401": re.compile(r"AuthenticationError|\b401\b"),
    "429": re.compile(r"RateLimitError|\b429\b"),
    "503": re.compile(r"InternalServerError|ServiceUnavailable|OverloadedError|\b5(?:03|29)\b"),
}
EXPECTED = frozenset({"migrated", "review", "traced", "left", "either", "kept"})


@dataclass(frozen=True)
class Case:
    """One program, and what is expected of its migration."""

    name: str
    files: Mapping[str, str]
    note: str
    expect: str = "migrated"
    sites: int = 1
    reply: str = REPLY
    scenarios: tuple[str, ...] = SCENARIOS
    env: Mapping[str, str] = field(default_factory=dict)
    differs: Mapping[str, str] = field(default_factory=dict)

    @property
    def says(self) -> Says:
        """Return what the model says."""
        return Says(text=self.reply)

    def write(self, folder: Path) -> Path:
        """Write the program's files, and return the one to run."""
        folder.mkdir(parents=True)
        for name, text in self.files.items():
            (folder / name).write_text(text, encoding="utf-8")
        return folder / "main.py"


def read(path: Path) -> Case:
    """Read one program."""
    header: list[str] = []
    files: dict[str, list[str]] = {"main.py": []}
    current = "main.py"
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#: file "):
            current = line.removeprefix("#: file ").strip()
            files[current] = []
        elif line.startswith("#: "):
            header.append(line.removeprefix("#: "))
        else:
            files[current].append(line)
    about: dict[str, Any] = tomllib.loads("\n".join(header))
    texts = {name: "\n".join(lines) + "\n" for name, lines in files.items()}
    named_scenarios = tuple(about.pop("scenarios", ()))
    scenarios = named_scenarios
    if "reply" not in named_scenarios:
        wanted = {*named_scenarios, *about.get("differs", ())}
        chosen = ALL_SCENARIOS if IS_LONG else _some(path.stem, "\n".join(texts.values()), wanted)
        scenarios = (*chosen, *(name for name in named_scenarios if name not in chosen))
    if any("google.generativeai" in text for text in texts.values()):  # it repeats a 503 for ten minutes
        scenarios = tuple(name for name in scenarios if name != "503")
    case = Case(path.stem, texts, scenarios=scenarios, **about)
    assert case.expect in EXPECTED, f"{path.name}: expect is {case.expect!r}"
    assert set(case.differs) <= set(case.scenarios), f"{path.name}: differs names a scenario that it does not meet"
    return case


def _some(name: str, text: str, wanted: Collection[str]) -> tuple[str, ...]:
    """Return the scenarios that a program meets in a short run: a reply, those wanted, and some by turns.

    A program that tells failures apart meets those that it names, and two of all by turns. Of the others, which do one
    thing for all, every second program meets a status 500 and every second another scenario.
    """
    number = zlib.crc32(name.encode())
    turns = [scenario for scenario in ALL_SCENARIOS if scenario != "reply"]
    by_turns = {FAILURE}
    if _TELLS_FAILURES_APART.search(text):
        by_turns = {turns[(number + position * 3) % len(turns)] for position in range(2)}
    elif number % 2:
        by_turns = {turns[number // 2 % len(turns)]}
    by_turns |= {scenario for scenario, names in _NAMED.items() if names.search(text)}
    return tuple(scenario for scenario in ALL_SCENARIOS if scenario in {"reply", *by_turns, *wanted})


CASES = {path.stem: read(path) for path in sorted(PROGRAMS.glob("*.txt"))}
