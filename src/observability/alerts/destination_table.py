"""Read where messages go. Secrets are in the environment; the file names the variables that hold them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from src.observability.alerts import fields
from src.observability.alerts.fields import FieldProblem
from src.observability.alerts.rules import DESTINATION_KINDS, LOG, Destination

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Wrong = Callable[[str, str, str], ValueError]

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LONGEST_TIMEOUT_S: Final = 60.0
# The keys of each kind besides `kind` and `timeout`: those that must be there, and those that may.
_KEYS: Final[Mapping[str, tuple[frozenset[str], frozenset[str]]]] = {
    "log": (frozenset(), frozenset()),
    "command": (frozenset({"command"}), frozenset()),
    "slack": (frozenset({"url_env"}), frozenset()),
    "discord": (frozenset({"url_env"}), frozenset()),
    "telegram": (frozenset({"token_env", "chat_id"}), frozenset({"url"})),
    "webhook": (frozenset(), frozenset({"url", "url_env", "token_env"})),
}


def read_destinations(table: Any, wrong: Wrong) -> dict[str, Destination]:
    """Return the destinations of a file by name, the log first.

    Args:
        table: The table `destination` of the file.
        wrong: Makes the error of a place, a key and a problem.

    Raises:
        ValueError: as `wrong` makes it.
    """
    destinations = {LOG: Destination(name=LOG, kind="log")}
    if not isinstance(table, dict):
        raise wrong("", "destination", "must be tables such as [destination.team]")
    for name, row in table.items():
        if name == LOG:
            raise wrong("", f"destination.{name}", "is always there: take it out, or name it otherwise")
        if not isinstance(row, dict):
            raise wrong("", f"destination.{name}", "is no table: write [destination.team] above its keys")
        destinations[name] = _destination(name, row, wrong)
    return destinations


def _destination(name: str, row: Mapping[str, Any], wrong: Wrong) -> Destination:
    section = f"destination.{name}"
    kind = row.get("kind")
    if kind not in DESTINATION_KINDS:
        problem = "is missing" if kind is None else f"is {kind!r:.60}"
        raise wrong("", f"{section}.kind", f"{problem}: give one of {', '.join(DESTINATION_KINDS)}")
    needed, possible = _KEYS[kind]
    for key in row:
        if key not in {"kind", "timeout"} | needed | possible:
            advice = "name the variable that holds it, in url_env: the address is a secret" if key == "url" else (
                f"use {', '.join(sorted(needed | possible | {'timeout'}))}"
            )  # fmt: skip
            raise wrong("", f"{section}.{key}", f"is no key of {kind}: {advice}")
    for key in sorted(needed):
        if key not in row:
            raise wrong("", f"{section}.{key}", "is missing")
    if kind == "webhook" and ("url" in row) == ("url_env" in row):
        raise wrong("", section, "needs either url, or url_env where the address is a secret")
    return Destination(name=name, kind=kind, **_values(section, row, wrong))


def _values(section: str, row: Mapping[str, Any], wrong: Wrong) -> dict[str, Any]:
    """Return the fields of a destination."""
    readers: dict[str, tuple[str, Callable[[Any], Any]]] = {
        "url": ("url", fields.text),
        "url_env": ("url_env", _variable),
        "token_env": ("token_env", _variable),
        "chat_id": ("chat_id", _chat),
        "command": ("command", fields.texts),
        "timeout": ("timeout_s", _timeout),
    }
    values = {}
    for key, (field, read) in readers.items():
        if key in row:
            try:
                values[field] = read(row[key])
            except FieldProblem as problem:
                raise wrong("", f"{section}.{key}", str(problem)) from problem
    return values


def _variable(value: Any) -> str:
    """Return the name of a variable; a value that looks like a secret is not repeated."""
    if isinstance(value, str) and _VARIABLE.fullmatch(value):
        return value
    raise FieldProblem("is no variable's name: give the name of the variable that holds it, such as SLACK_WEBHOOK_URL")


def _chat(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return fields.text(value)


def _timeout(value: Any) -> float:
    seconds = fields.duration(value)
    if not 0 < seconds <= _LONGEST_TIMEOUT_S:
        raise FieldProblem(f"is {value!r:.60}: give more than 0s, and at most 60s")
    return seconds
