"""Name the cause of a fault: the change of server or environment that makes it vanish, or else where the client lives."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.migration.fuzz.judge import BROKEN, OTHER
from tests.migration.fuzz.keys import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.migration.fuzz.draft import Program
    from tests.migration.fuzz.judge import Judge

_EVENTS = {
    "empty reply": ("empty", "null", "blank", "refused"),
    "thinking": ("thought", "reasoned"),
    "cut reply": ("cut",),
    "no usage": ("no_usage",),
    "no reply": ("malformed", "html"),
    "failure": ("400", "401", "403", "404", "429", "quota", "500", "503"),
}


def cause(program: Program, judge: Judge) -> str:
    """Return the cause of a program's fault, in a few words."""
    for name, change in _changes(program):
        if judge.judge_once(change).kind not in (OTHER, BROKEN):
            return name
    places = [tag for tag in program.tags if tag.startswith(("place:", "pair:", "looped:", "dictionary:", "sequence:"))]
    return " ".join(places)


def _changes(program: Program) -> Iterator[tuple[str, Program]]:
    for name, events in _EVENTS.items():
        scripts = {
            mark: tuple(event for event in script if event not in events) or ("sell",)
            for mark, script in program.scripts.items()
        }
        if scripts != program.scripts:
            yield name, replace(program, scripts=scripts)
    yield "keys", replace(program, environment=dict.fromkeys(VARIABLES, "key-same"))
