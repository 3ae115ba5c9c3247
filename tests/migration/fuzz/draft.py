"""A program while it is being drawn, and as it is afterwards."""

from __future__ import annotations

import functools
import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

T = TypeVar("T")


@dataclass(frozen=True)
class Program:
    """A program to run before and after its migration.

    Attributes:
        seed: The number that it was drawn from.
        files: Its files by name; `main.py` is run.
        scripts: What the server does for each question, such as `Q1`: an event for each request, the last repeated.
        environment: The variables that it is started with.
        calls: How many of its calls ask a model for text.
        tags: The kinds that were drawn.
        traced: Whether its migrated form records its calls.
    """

    seed: int
    files: dict[str, str]
    scripts: dict[str, tuple[str, ...]]
    environment: dict[str, str]
    calls: int
    tags: tuple[str, ...]
    traced: bool


@dataclass
class Draft:
    """A program in the making.

    Attributes:
        random: The source of all choices.
        imports: The import statements of `main.py`.
        constants: Its constants, each a statement.
        helpers: Its functions and classes that come before the client.
        files: Its other files.
        environment: The variables that it is started with.
        tags: The kinds that were drawn so far.
        asynchronous: Whether its calls are awaited.
        setup: The statements that the client's construction needs before it.
    """

    random: random.Random
    imports: list[str] = field(default_factory=list)
    constants: list[str] = field(default_factory=list)
    helpers: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    asynchronous: bool = False
    setup: str = ""

    def chance(self, probability: float) -> bool:
        """Draw yes or no."""
        return self.random.random() < probability

    def pick(self, **weights: float) -> str:
        """Draw one of some names by their weights."""
        return self.random.choices(list(weights), list(weights.values()))[0]

    def choose(self, *values: T) -> T:
        """Draw one of some values of equal weight."""
        return self.random.choice(values)

    def draw(self, what: str, kinds: dict[Callable[..., T], float]) -> Callable[..., T]:
        """Draw a kind by its weight, and note it."""
        kind: Callable[..., T] = self.random.choices(list(kinds), list(kinds.values()))[0]
        self.tag(what, getattr(kind, "__name__", str(kind)).lstrip("_"))
        return kind

    def tag(self, what: str, kind: str) -> None:
        """Note what was drawn."""
        self.tags.append(f"{what}:{kind}")

    def add_import(self, *lines: str) -> None:
        """Import something in `main.py`, once."""
        for line in lines:
            if line not in self.imports:
                self.imports.append(line)

    @property
    def define(self) -> str:
        """Return `def` or `async def`."""
        return "async def" if self.asynchronous else "def"

    @property
    def wait(self) -> str:
        """Return what stands before a call that is awaited."""
        return "await " if self.asynchronous else ""


def code(text: str, **blocks: str) -> str:
    """Return a text without its common indentation, with blocks of lines put in at the depth of their names' lines.

    A line that consists of `<name>` is replaced by the block of that name; `<name>` within a line by its text.
    """
    lines = []
    for line in textwrap.dedent(text).strip("\n").split("\n"):
        name = line.strip()[1:-1] if line.strip().startswith("<") and line.strip().endswith(">") else ""
        if name in blocks:
            depth = line[: len(line) - len(line.lstrip())]
            lines.append(textwrap.indent(blocks[name], depth))
            continue
        lines.append(functools.reduce(lambda text, key: text.replace(f"<{key}>", blocks[key]), blocks, line))
    return "\n".join(lines)
