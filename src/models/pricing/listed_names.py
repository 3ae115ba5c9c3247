"""Tell whether a name that the catalogue finds by its beginning is that model, or another one that it does not list."""

from __future__ import annotations

import re
from typing import Any, Final

# What may follow a model's name without making it another model: a date, a version, the word for a trial's state.
_SAME: Final = re.compile(r"\d{2,8}|v\d+|\.\d|preview|latest|beta|it|text|customtools", re.IGNORECASE)
_GEMMA: Final = re.compile(r"e?\d+b", re.IGNORECASE)  # its sizes, which are all free
_TUNED: Final = "ft:"  # behind the model stand the organisation and a name of the user's own


def is_model(clause: Any, name: str) -> bool:
    """Tell whether a clause of the catalogue's means this very name: gemini-3.8-flash is not gemini-3.8-flash-lite.

    Args:
        clause: What the catalogue finds a model by: a text that the name begins with, holds or equals, or several.
        name: The model's name.
    """
    several = getattr(clause, "or_", None) or getattr(clause, "and_", None)
    if several:
        return bool(clause.is_match(name)) and any(is_model(part, name) for part in several)
    text = name.lower()
    if hasattr(clause, "equals"):
        return bool(text == clause.equals.lower())
    if hasattr(clause, "ends_with"):
        return text.endswith(clause.ends_with.lower())
    beginning = getattr(clause, "starts_with", None) or getattr(clause, "contains", None)
    if beginning is None:  # a pattern, which says by itself what it means
        return bool(clause.is_match(name)) and not clause.regex.startswith("^(?!")
    place = text.find(beginning.lower())
    if place < 0 or (place and hasattr(clause, "starts_with")):
        return False
    rest = text[place + len(beginning) :]
    return text.startswith(_TUNED) or all(_is_same(part, text) for part in re.split(r"[-@:_]", rest) if part)


def _is_same(part: str, name: str) -> bool:
    return bool(_SAME.fullmatch(part) or (name.startswith("gemma") and _GEMMA.fullmatch(part)))
