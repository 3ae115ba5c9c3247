"""Check the texts of a decision: what is no text is refused, and a single model is not taken for its letters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_TEXTS: Final = ("venue", "timeframe", "agent", "agent_version", "environment")


def check_texts(fields: Mapping[str, object]) -> None:
    """Refuse fields that are no texts.

    Raises:
        ValueError: one is none; the message names it.
    """
    for name in _TEXTS:
        value = fields.get(name)
        if value is not None and not isinstance(value, str):
            raise ValueError(f"its {name} is {value!r:.40}: give a text, or nothing.")


def model_names(models: object) -> list[str]:
    """Return the models that were asked; a single text is one of them.

    Raises:
        ValueError: they are no texts.
    """
    if models is None:
        return []
    is_several = isinstance(models, Iterable) and not isinstance(models, str)
    items: list[object] = list(models) if isinstance(models, Iterable) and is_several else [models]
    names = [name for name in items if isinstance(name, str)]
    if len(names) < len(items):
        raise ValueError(f"its models are {models!r:.60}: give their names as texts, such as openai:gpt-4o.")
    return names
