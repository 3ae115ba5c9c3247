"""Read and fill templates with {{variables}}, as Langfuse writes them, but strictly."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_VARIABLE: Final = re.compile(r"\{\{\s*([A-Za-z_]\w*)\s*\}\}")
# Words in braces that are no name. Anything else, such as JSON in two braces, is text, as it is for Langfuse.
_MISSPELLED: Final = re.compile(r"\{\{\s*([\w.-][\w .-]*?)\s*\}\}")


def variables_of(text: str) -> tuple[str, ...]:
    """Return the names of a template's variables, each once, in their order."""
    return tuple(dict.fromkeys(_VARIABLE.findall(text)))


def misspelled(text: str) -> str | None:
    """Return what stands in double braces as a variable would, and is no name of one; None where nothing does."""
    return next((words for words in _MISSPELLED.findall(text) if not re.fullmatch(r"[A-Za-z_]\w*", words)), None)


def filled(text: str, values: Mapping[str, str]) -> str:
    """Return a template with its variables replaced; what is put in is not looked through again."""
    return _VARIABLE.sub(lambda match: values[match[1]], text)
