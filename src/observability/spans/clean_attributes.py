"""Clear a span's attributes of secrets and encode them, in one pass; what recurs is neither read nor encoded again.

Most attributes of a call are those of the call before: the model, the provider, the session. A short text that was
found clean is remembered with its encoded form, until the redactor changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import orjson

from src.observability import attributes as names
from src.observability import redaction
from src.observability.redaction import Redactor, redact, redact_text
from src.observability.redaction.judging.scan import PART
from src.observability.spans import otlp

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_WITHHELD = "[REDACTED:redaction_failed]"
_NUMBERS = frozenset({bool, int, float})
_RECURRING = frozenset({str, tuple, bool})
_SHORT = 200  # characters that a text may have to be remembered
_LONG = 4_096  # characters from which a text is scanned alone, so that it is known when it comes again
_MOST_KNOWN = 4_096
_FEW = frozenset({names.TYPE, names.LEVEL, names.IS_APP_ROOT})  # attributes of few values
_OURS = frozenset(value for key, value in vars(names).items() if key.isupper() and isinstance(value, str))
_NEUTRAL = frozenset({names.INPUT, names.OUTPUT})  # names that do not make a secret of what they name


class Fields:
    """Clear and encode attributes; one for a processor, shared by all threads."""

    def __init__(self) -> None:
        self._known = _Known(None, {}, set())

    def encode(
        self, attributes: Mapping[str, object], safe: Collection[str] = names.SAFE
    ) -> tuple[Mapping[str, object], bytes]:
        """Return the attributes without secrets, and their fields of a Span message; never raises.

        `safe` names those whose values need no reading.
        """
        try:
            redactor = redaction.current()
            known = self._of(redactor)
            pieces: list[bytes] = []
            fresh: dict[str, object] = {}
            unknown: list[str] = []
            for name, value in attributes.items():
                kind = type(value)
                recurs = kind in _RECURRING and (kind is bool or len(value) <= _SHORT)  # type: ignore[arg-type] # a str or a tuple
                piece = known.pieces.get((name, value)) if recurs else None
                if piece is None:
                    piece = otlp.encode_attribute(name, value)
                    if name in _FEW and name in safe:
                        known.pieces[name, value] = piece
                    elif kind not in _NUMBERS and name not in safe:
                        fresh[name] = value
                    if name not in known.names:
                        unknown.append(name)
                pieces.append(piece)
            if unknown and not _are_clean(redactor, unknown):
                return _encoded(redacted(attributes, safe))
            if fresh and not _is_clean(redactor, fresh):
                return _encoded(redacted(attributes, safe))
            known.names.update(unknown)
            _remember(known.pieces, fresh)
            return attributes, b"".join(pieces)
        except Exception:  # noqa: BLE001 - fail closed: the span stays, its texts do not
            return _encoded(_withheld(attributes, safe))

    def _of(self, redactor: Redactor) -> _Known:
        """Return what is known to be clean, which begins anew with each redactor."""
        known = self._known
        if known.redactor is not redactor or len(known.pieces) + len(known.names) > _MOST_KNOWN:
            known = self._known = _Known(redactor, {}, set())
        return known


class _Known(NamedTuple):
    """Hold what one redactor found clean: attributes with their encoded form, and names."""

    redactor: Redactor | None
    pieces: dict[tuple[str, object], bytes]
    names: set[str]


def plainly_safe(attributes: Mapping[str, object]) -> frozenset[str]:
    """Return the names of a user's attributes whose values need no reading, by how they look."""
    shapes = names.SAFE_SHAPES.items()
    return frozenset(
        name for name, shape in shapes if type(value := attributes.get(name)) is str and shape.fullmatch(value)
    )


def _are_clean(redactor: Redactor, found: list[str]) -> bool:
    """Tell whether no name holds a secret; most are ours, or short words of a user's."""
    return all(name in _OURS or redactor.text(name) == name for name in found)


def _remember(known: dict[tuple[str, object], bytes], fresh: Mapping[str, object]) -> None:
    for name, value in fresh.items():
        if len(value) <= _SHORT if isinstance(value, str) else _is_short(value):
            known[name, value] = otlp.encode_attribute(name, value)


def _is_short(value: object) -> bool:
    return isinstance(value, tuple) and all(type(item) is str for item in value) and sum(map(len, value)) <= _SHORT


def _is_clean(redactor: Redactor, texts: Mapping[str, object]) -> bool:
    """Tell whether no text holds a secret: one scan for all, but for the long ones."""
    parts: list[str] = []
    for name, value in texts.items():
        text = value if type(value) is str else orjson.dumps(value).decode()
        if len(text) < _LONG or name not in _NEUTRAL:
            parts.append(f"{PART}{_last_word(name)}: {text}\n")
        elif redactor.text(text) != text:
            return False
    joined = "".join(parts)
    return redactor.text(joined) == joined


def redacted(attributes: Mapping[str, object], safe: Collection[str] = ()) -> dict[str, object]:
    """Return attributes without secrets, each judged by itself under its name, and the name too."""
    values: dict[str, object] = {}
    try:
        for name, value in attributes.items():
            if type(value) not in _NUMBERS and name not in safe:
                key = _last_word(name)
                value = redact({key: value}).popitem()[1]  # noqa: PLW2901 - the value without its secrets
            values[name if name in _OURS else redact_text(name)] = value
    except Exception:  # noqa: BLE001 - fail closed: the span stays, its texts do not
        return _withheld(attributes, safe)
    return values


def _withheld(attributes: Mapping[str, object], safe: Collection[str]) -> dict[str, object]:
    """Return what needs no reading; of our own names the rest is marked, of others not even the name is kept."""
    kept: dict[str, object] = {}
    for name, value in attributes.items():
        if name in _OURS:
            kept[name] = value if type(value) in _NUMBERS or name in safe else _WITHHELD
        else:
            kept[f"{names.METADATA}withheld_{len(kept)}"] = _WITHHELD
    return kept


def _encoded(attributes: dict[str, object]) -> tuple[dict[str, object], bytes]:
    return attributes, otlp.encode_attributes(attributes)


_last_words: dict[str, str] = {}


def _last_word(name: str) -> str:
    """Return the end of an attribute's name, which is the key that a user gave; our own recur, so they are kept."""
    word = _last_words.get(name)
    if word is None:
        word = name.rpartition(".")[2]
        if len(_last_words) < 1024:
            _last_words[name] = word
    return word
