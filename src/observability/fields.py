"""Clear a span's attributes of secrets and encode them, in one pass; what recurs is neither read nor encoded again.

Most attributes of a call are those of the call before: the model, the provider, the session. A short text that was
found clean is remembered with its encoded form, until the redactor changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from src.observability import attributes as names
from src.observability import otlp, redaction
from src.observability._redaction.scan import PART
from src.observability.redaction import Redactor, redact

if TYPE_CHECKING:
    from collections.abc import Mapping

_WITHHELD = "[REDACTED:redaction_failed]"
_NUMBERS = frozenset({bool, int, float})
_RECURRING = frozenset({str, tuple, bool})
_SHORT = 200  # characters that a text may have to be remembered
_LONG = 4_096  # characters from which a text is scanned alone, so that it is known when it comes again
_MOST_KNOWN = 4_096
# Attributes of few values, which need no reading.
_FEW = frozenset({
    names.TYPE, names.LEVEL, names.ENVIRONMENT, names.IS_APP_ROOT, names.PROVIDER, names.OPERATION,
    names.FINISH_REASONS,
})  # fmt: skip
_NEUTRAL = frozenset({names.INPUT, names.OUTPUT})  # names that do not make a secret of what they name


class Fields:
    """Clear and encode attributes; one for a processor, shared by all threads."""

    def __init__(self) -> None:
        self._known: tuple[Redactor | None, dict[tuple[str, object], bytes], set[str]] = (None, {}, set())

    def encode(self, attributes: Mapping[str, object]) -> tuple[Mapping[str, object], bytes]:
        """Return the attributes without secrets, and their fields of a Span message; never raises."""
        try:
            redactor = redaction.current()
            known, known_names = self._of(redactor)
            if not attributes.keys() <= known_names and not _are_clean(redactor, attributes, known_names):
                return _encoded(redacted(attributes))
            pieces: list[bytes] = []
            fresh: dict[str, object] = {}
            for name, value in attributes.items():
                kind = type(value)
                piece = known.get((name, value)) if kind in _RECURRING else None
                if piece is None:
                    piece = otlp.encode_attribute(name, value)
                    if name in _FEW and kind in _RECURRING and len(piece) <= _SHORT:
                        known[name, value] = piece
                    elif kind not in _NUMBERS and name not in names.SAFE:
                        fresh[name] = value
                pieces.append(piece)
            if fresh:
                if not _is_clean(redactor, fresh):
                    return _encoded(redacted(attributes))
                _remember(known, fresh)
            return attributes, b"".join(pieces)
        except Exception:  # noqa: BLE001 - fail closed: the span stays, its texts do not
            return _encoded(_withheld(attributes))

    def _of(self, redactor: Redactor) -> tuple[dict[tuple[str, object], bytes], set[str]]:
        """Return the values and names that are known to be clean, which begins anew with each redactor."""
        of, known, known_names = self._known
        if of is not redactor or len(known) > _MOST_KNOWN or len(known_names) > _MOST_KNOWN:
            known, known_names = {}, set()
            self._known = (redactor, known, known_names)
        return known, known_names


def _are_clean(redactor: Redactor, attributes: Mapping[str, object], known_names: set[str]) -> bool:
    """Tell whether no name holds a secret, and remember those that do not: programs name metadata as they like."""
    for name in attributes.keys() - known_names:
        if redactor.text(name) != name:
            return False
        known_names.add(name)
    return True


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


def redacted(attributes: Mapping[str, object]) -> dict[str, object]:
    """Return attributes without secrets, each judged by itself under its name."""
    values: dict[str, object] = {}
    try:
        for name, value in attributes.items():
            kept = type(value) in _NUMBERS or name in names.SAFE
            values[redact(name)] = value if kept else next(iter(redact({_last_word(name): value}).values()))
    except Exception:  # noqa: BLE001 - fail closed: the span stays, its texts do not
        return _withheld(attributes)
    return values


def _withheld(attributes: Mapping[str, object]) -> dict[str, object]:
    kept = {name: value for name, value in attributes.items() if type(value) in _NUMBERS or name in names.SAFE}
    return dict.fromkeys(attributes, _WITHHELD) | kept


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
