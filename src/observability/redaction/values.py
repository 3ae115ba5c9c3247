"""Redact a value of any shape without changing it: keys decide first, then every text is scanned."""

from __future__ import annotations

import dataclasses
import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping, MappingView, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import cast

from src.observability.redaction.judging import names
from src.observability.redaction.judging.checks import BIP39_SIZES
from src.observability.redaction.judging.names import Rule, Verdict
from src.observability.redaction.judging.scan import FAILED, MARKER
from src.observability.redaction.rules import seed_phrases

_DEEPEST = 64
_NODES = 2_000_000
_TOO_DEEP = "[REDACTED:too_deep]"
_TOO_LARGE = "[REDACTED:too_large]"
_SCALARS = (int, float, complex, bool, type(None))
# The keys of a JSON schema for a field; they describe the field and do not hold its value.
_SCHEMA_WORDS = frozenset(
    {"type", "description", "title", "format", "minLength", "maxLength", "pattern", "anyOf", "nullable"}
)
_NAME = re.compile(r"[\w.\- ]{2,64}")
_LONGEST_FLAG = 64
_KEY_SIZES = frozenset({32, 64})
_LONGEST_ROW = 6
_FEWEST_WORDS = BIP39_SIZES[0]
_PHRASE = "[REDACTED:seed_phrase]"
_ITEMS = (deque, MappingView, Sequence)
_NAME_KEYS = ("name", "key", "header")

Text = Callable[[str, str], str]
"""Redacts a text; the second argument is the mapping key under which it stands."""


@dataclass(slots=True)
class Walk:
    """The redaction of one value, within bounds: a value can contain itself, or never end."""

    text: Text
    nodes_left: int = _NODES
    path: set[int] = field(default_factory=set)  # the ids of the containers around the current value

    def value(self, value: object, hint: str = "", depth: int = 0) -> object:
        """Return the value without secrets."""
        if isinstance(value, str):
            return self.text(value, hint)
        if isinstance(value, _SCALARS):
            return value
        self.nodes_left -= 1
        if self.nodes_left < 0:
            return _TOO_LARGE
        if isinstance(value, bytes | bytearray | memoryview):
            return self._bytes(bytes(value), hint)
        if depth >= _DEEPEST or id(value) in self.path:
            return _TOO_DEEP
        self.path.add(id(value))
        try:
            return self._within(value, hint, depth)
        finally:
            self.path.discard(id(value))

    def _within(self, value: object, hint: str, depth: int) -> object:
        if isinstance(value, Mapping):
            return self._mapping(value, depth)
        if isinstance(value, list | tuple | set | frozenset):
            return self._items(value, hint, depth)
        return self._object(value, hint, depth)

    def _object(self, value: object, hint: str, depth: int) -> object:
        """Return an object itself if it shows no secret, else its fields, its items or its repr without secrets."""
        fields = _fields(value)
        if fields is not None:
            clean: object = self._mapping(fields, depth)
            return value if _is_same(clean, fields) else clean
        if isinstance(value, _ITEMS):
            items: list[object] = [*cast("Iterable[object]", value)]
            clean = self._items(items, hint, depth)
            return value if _is_same(clean, items) else clean
        try:
            text = repr(value)
        except Exception:  # noqa: BLE001 - its text cannot be checked
            return FAILED
        clean = self.text(text, hint)
        return value if clean == text else clean

    def _mapping(self, value: Mapping[object, object], depth: int) -> dict[object, object]:
        clean: dict[object, object] = {}
        pair_verdict = _pair_verdict(value)
        phrase = seed_phrases.find_in_items([*value.values()]) if len(value) >= _FEWEST_WORDS else ()
        for place, (key, item) in enumerate(value.items()):
            hint = _key_text(key)
            verdict = pair_verdict if pair_verdict and hint == "value" else names.judge(hint) if hint else None
            safe_key = self.text(key, "") if isinstance(key, str) else self._key(key, depth)
            while safe_key in clean:  # two keys that differ in their secrets alone
                safe_key = f"{safe_key}'"
            clean[safe_key] = _PHRASE if place in phrase else self._under(verdict, item, hint, depth)
        return clean

    def _key(self, key: object, depth: int) -> object:
        return self.value(key, "", depth + 1) if isinstance(key, bytes | tuple | frozenset) else key

    def _under(self, verdict: Verdict | None, item: object, hint: str, depth: int) -> object:
        """Return the value of a key without secrets, under the verdict on the key."""
        if verdict is None:
            return self.value(item, hint, depth + 1)
        if isinstance(item, bytes) and item.isascii():
            text, clean = item.decode(), self._under(verdict, item.decode(), hint, depth)
            return item if clean == text else str(clean).encode(errors="surrogatepass")
        if isinstance(item, str):
            if MARKER.fullmatch(item):
                return item
            return (
                self._replaced(verdict, item) if names.is_secret(verdict, item) else self._scanned(verdict, item, hint)
            )
        empty = item is None or isinstance(item, bool) or (isinstance(item, list | tuple | dict | bytes) and not item)
        if empty or verdict.rule is not Rule.ALWAYS or _is_schema(item):
            return self.value(item, hint, depth + 1)
        return f"[REDACTED:{verdict.kind}]"

    def _scanned(self, verdict: Verdict, item: str, hint: str) -> str:
        """Return a value whose key does not make it secret; what remains after redaction may be secret under it."""
        clean = self.text(item, hint)
        if clean == item or MARKER.fullmatch(clean) or not names.is_secret(verdict, clean):
            return clean
        return f"[REDACTED:{verdict.kind}]"

    def _replaced(self, verdict: Verdict, item: str) -> str:
        """Return the marker of the most specific kind: a value's own shape may say more than its key."""
        scanned = self.text(item, "")
        return scanned if MARKER.fullmatch(scanned) else f"[REDACTED:{verdict.kind}]"

    def _items(
        self, value: list[object] | tuple[object, ...] | set[object] | frozenset[object], hint: str, depth: int
    ) -> object:
        whole = self._as_key(value, hint)
        if whole is not None:
            return whole
        ordered = isinstance(value, list | tuple) and len(value) >= _FEWEST_WORDS
        phrase = seed_phrases.find_in_items(cast("Sequence[object]", value), hint) if ordered else ()
        if phrase and len(phrase) == len(value):
            return _PHRASE
        items = [self.value(item, hint, depth + 1) for item in value]
        for place in phrase:
            items[place] = _PHRASE
        for place in _phrase_of_rows(value, hint) if ordered and not phrase else ():
            items[place] = _without_word(items[place])
        if isinstance(value, list | tuple):
            self._after_flags(value, items, depth)
            self._in_pairs(value, items, depth)
        if isinstance(value, tuple):
            if _is_pair(value):
                self._in_pair(value, items, depth)
            make = getattr(type(value), "_make", None)
            return make(items) if make else tuple(items)
        if isinstance(value, list):
            return items
        return type(value)(items) if type(value) in {set, frozenset} else set(items)

    def _after_flags(self, value: Sequence[object], items: list[object], depth: int) -> None:
        """Redact the values after flags in a list of arguments: ["--password", "..."]."""
        for place, flag in enumerate(value[:-1], 1):
            if isinstance(flag, str) and flag.startswith("--") and len(flag) <= _LONGEST_FLAG:
                verdict = names.judge(flag[2:])
                if verdict:
                    items[place] = self._under(verdict, value[place], flag[2:], depth)

    def _in_pairs(self, value: Sequence[object], items: list[object], depth: int) -> None:
        """Redact the values in a list of lists of two, as headers become in JSON: [["X-Api-Key", "..."], ...]."""
        if not value or not all(isinstance(pair, list | tuple) and _is_pair(pair) for pair in value):
            return
        for pair, clean in zip(value, items, strict=True):
            if isinstance(pair, list) and isinstance(clean, list):
                self._in_pair(pair, clean, depth + 1)

    def _in_pair(self, pair: Sequence[object], clean: list[object], depth: int) -> None:
        """Redact the second item of a pair under the first one, its name."""
        name = _key_text(pair[0])
        verdict = names.judge(name)
        if verdict:
            clean[1] = self._under(verdict, pair[1], name, depth)

    def _as_key(self, value: object, hint: str) -> str | None:
        """Return the replacement of a list of the bytes of a key, or None."""
        if (
            not isinstance(value, list | tuple)
            or len(value) not in _KEY_SIZES
            or any(type(item) is not int for item in value)
        ):
            return None
        clean = self.text(f"[{', '.join(map(str, value))}]", hint)
        return clean if MARKER.fullmatch(clean) else None

    def _bytes(self, value: bytes, hint: str) -> bytes:
        """Return bytes that are text without secrets; replace all others, since a raw key has no shape."""
        try:
            text = value.decode()
        except UnicodeDecodeError:
            return b"[REDACTED:binary]"
        clean = self.text(text, hint)
        return value if clean == text else clean.encode(errors="surrogatepass")


def _phrase_of_rows(rows: object, hint: str) -> set[int]:
    """Return the indexes of the rows whose words make up phrases, one a row, such as `{"index": 0, "word": "..."}`."""
    words = [_only_text(row) for row in cast("Sequence[object]", rows)]
    return set() if words.count(None) > len(words) - _FEWEST_WORDS else seed_phrases.find_in_items(words, hint)


def _only_text(row: object) -> str | None:
    """Return the only text in a row; None where it has none, several, or is no row."""
    if not isinstance(row, dict | list | tuple) or len(row) > _LONGEST_ROW:
        return None
    texts = [item for item in (row.values() if isinstance(row, dict) else row) if isinstance(item, str)]
    return texts[0] if len(texts) == 1 else None


def _without_word(row: object) -> object:
    if isinstance(row, dict):
        return {key: _PHRASE if isinstance(item, str) else item for key, item in row.items()}
    items = [_PHRASE if isinstance(item, str) else item for item in cast("Sequence[object]", row)]
    return items if isinstance(row, list) else tuple(items)


def _is_pair(value: Sequence[object]) -> bool:
    return len(value) == 2 and isinstance(value[0], str | bytes) and bool(_NAME.fullmatch(_key_text(value[0])))


def _key_text(key: object) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, tuple):  # of a frame's columns, for instance: the part that names a secret
        judged = [(part, names.judge(part)) for part in key if isinstance(part, str)]
        return next((part for part, verdict in judged if verdict is not None and verdict.rule is Rule.ALWAYS), "")
    return key.decode("ascii", "replace") if isinstance(key, bytes) else ""


def _pair_verdict(value: Mapping[object, object]) -> Verdict | None:
    """Return the verdict on {"name": "X-Api-Key", "value": ...}, as headers and settings are often listed."""
    if "value" not in value or len(value) > 6:
        return None
    label = next((value[key] for key in _NAME_KEYS if isinstance(value.get(key), str)), None)
    return names.judge(label) if isinstance(label, str) else None


def _is_same(clean: object, before: object) -> bool:
    try:
        return bool(clean == before)
    except Exception:  # noqa: BLE001 - arrays, for instance, compare element by element
        return False


def _fields(value: object) -> dict[object, object] | None:
    """Return the fields of a dataclass, a pydantic model or a namespace, else None."""
    if isinstance(value, type):
        return None
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name, None) for field in dataclasses.fields(value)}
    if isinstance(value, SimpleNamespace) or hasattr(type(value), "model_fields"):
        return dict(cast("dict[object, object]", vars(value)))
    return None


def _is_schema(item: object) -> bool:
    return isinstance(item, dict) and "type" in item and set(item) <= _SCHEMA_WORDS
