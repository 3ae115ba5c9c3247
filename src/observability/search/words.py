"""Compare texts by their words, without regard to case, signs between them, and how JSON spells them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import orjson

from src.observability import attributes as names
from src.observability.spans import otlp
from src.observability.store.compression import decompress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_BETWEEN: Final = re.compile(r"[\W_]+")
_BECOME_ASCII: Final = ("\u212a".encode(), "\u0130".encode())  # the signs of Kelvin, and the capital I with a dot


def words_of(text: str) -> str:
    """Return the words of a text in lower case, each between two spaces; a single space where it has none."""
    return f" {_BETWEEN.sub(' ', text.lower()).strip()} ".replace("  ", " ")


def phrase_of(text: str) -> str:
    """Return the words that a search is for, as `words_of` does.

    Raises:
        ValueError: it has no word.
    """
    phrase = words_of(text)
    if not phrase.strip():
        raise ValueError(f"--search {text!r:.60} has no letters or digits: give words that stand in a text.")
    return phrase


def holds_phrase(phrase: str) -> Callable[[bytes], bool]:
    """Return what tells whether the words stand in a stored span in this order, beside one another.

    Args:
        phrase: The words, as `phrase_of` returns them.
    """
    parts = phrase.split()
    quick = [part.encode() for part in parts if part.isascii()]

    def holds(payload: bytes) -> bool:
        span = decompress(payload)
        lowered = span.lower()
        # Letters that are not ASCII have several spellings in JSON and in lower case, so only ASCII words rule out.
        if any(word not in lowered for word in quick) and not _may_hide(lowered):
            return False
        return any(phrase in words_of(text) for text in span_texts(otlp.decode_span(span)))

    return holds


def _may_hide(lowered: bytes) -> bool:
    """Tell whether a span's bytes may hold ASCII letters escaped, or as signs whose small form is one of them."""
    return b"\\u" in lowered or any(sign in lowered for sign in _BECOME_ASCII)


def span_texts(span: otlp.DecodedSpan) -> Iterator[str]:
    """Yield the texts of an observation that a search looks at: name, input, output, metadata, error."""
    yield span.name
    yield span.status_message
    for name, value in span.attributes.items():
        if name in _SEARCHED or name.startswith(names.METADATA):
            yield from _strings(value)


_SEARCHED: Final = frozenset({names.STATUS_MESSAGE, *names.TEXTS})


def _strings(value: Any) -> Iterator[str]:
    """Yield the texts in an attribute's value: of JSON those that it encodes, keys of objects included."""
    if not isinstance(value, str):
        return
    if value[:1] not in ('"', "{", "["):
        yield value
        return
    try:
        decoded = orjson.loads(value)
    except ValueError:
        yield value
        return
    waiting = [decoded]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            waiting.extend(item.keys())
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
        elif item is not None:
            yield str(item)
