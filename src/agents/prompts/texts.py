"""Read the text files of this folder."""

from __future__ import annotations

from functools import cache
from importlib import resources


@cache
def prompt(name: str) -> str:
    """Return the prompt in `name`.md, byte for byte but for the newline at its end.

    Raises:
        FileNotFoundError: there is no such prompt.
    """
    return (resources.files(__package__) / f"{name}.md").read_text(encoding="utf-8").rstrip("\n")
