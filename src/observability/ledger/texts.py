"""Check the texts of a decision: other types are refused, and a single model's name is not split into letters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from src.observability.redaction import redact_text

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
    items: list[object] = list(models) if isinstance(models, Iterable) and not isinstance(models, str) else [models]
    names = [item for item in items if isinstance(item, str)]
    if len(names) < len(items):
        raise ValueError(f"its models are {models!r:.60}: give their names as texts, such as openai:gpt-4o.")
    return names


def checked_id(decision_id: object) -> str:
    """Return a decision's id.

    Raises:
        ValueError: it looks like a secret: two of them would become one id without their secrets.
    """
    text = str(decision_id)
    if redact_text(text) != text:
        raise ValueError("its decision_id looks like a secret: give an id that holds none.")
    return text
