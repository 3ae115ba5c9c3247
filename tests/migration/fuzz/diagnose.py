"""Name the cause of a fault: the change that makes it vanish, or else where the client lives."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.migration.fuzz.judge import BROKEN, OTHER
from tests.migration.fuzz.keys import VARIABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

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
    for name, change in CAUSES.items():
        changed = change(program)
        if changed != program and judge.judge_once(changed).kind not in (OTHER, BROKEN):
            return name
    places = [tag for tag in program.tags if tag.startswith(("place:", "pair:", "looped:", "dictionary:", "sequence:"))]
    return " ".join(places)


def calmed(program: Program, names: Collection[str]) -> Program:
    """Return a program without the named causes of differences: keys of `CAUSES`."""
    for name in names:
        program = CAUSES[name](program)
    return program


def _without(events: Collection[str]) -> Callable[[Program], Program]:
    def change(program: Program) -> Program:
        scripts = {
            mark: tuple(event for event in script if event not in events) or ("sell",)
            for mark, script in program.scripts.items()
        }
        return replace(program, scripts=scripts)

    return change


def _with_equal_keys(program: Program) -> Program:
    return replace(program, environment=dict.fromkeys(VARIABLES, "key-same"))


CAUSES: dict[str, Callable[[Program], Program]] = {
    **{name: _without(events) for name, events in _EVENTS.items()},
    "keys": _with_equal_keys,
}
