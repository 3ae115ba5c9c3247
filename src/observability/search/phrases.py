"""Search an observation's input, output and error for a text, ignoring case."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from src.observability import attributes as names
from src.observability.spans import otlp
from src.observability.store.compression import DamagedSpan, decompress

if TYPE_CHECKING:
    from collections.abc import Callable

# Signs whose small form is or has an ASCII letter: the signs of Kelvin and of a long s, ligatures, dotted I, sharp s.
_BECOME_ASCII: Final = tuple(
    sign.encode() for sign in "\u212a\u017f\u0130\u00df\u1e9e\ufb00\ufb01\ufb02\ufb03\ufb04\ufb05\ufb06"
)


def holds_text(text: str) -> Callable[[bytes, str | None], bool]:
    """Return a predicate: does a stored span, or its error, contain a text, as it is or escaped as in JSON?

    Args:
        text: The text; not empty.
    """
    whole = text.casefold()
    needles = tuple(dict.fromkeys((whole, json.dumps(text, ensure_ascii=False)[1:-1].casefold())))
    quick = tuple(needle.encode() for needle in needles) if all(map(str.isascii, needles)) else ()

    def holds(payload: bytes, status_message: str | None) -> bool:
        if status_message is not None and any(needle in status_message.casefold() for needle in needles):
            return True
        span = decompress(payload)
        if quick:
            lowered = span.lower()
            if not any(needle in lowered for needle in quick) and not any(sign in span for sign in _BECOME_ASCII):
                return False
        try:
            attributes = otlp.decode_span(span).attributes
        except DamagedSpan:
            return False
        texts = (attributes.get(name) for name in names.TEXTS)
        return any(needle in held.casefold() for held in texts if isinstance(held, str) for needle in needles)

    return holds
