"""Redact and encode a span's attributes in one pass, without reading again what was clean before.

Most attributes of a call are those of the call before it: the model, the provider, the session. A short text in which
no secret was found is cached with its encoded form, until the redactor changes.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from src.observability import attributes as names
from src.observability import redaction
from src.observability.redaction import Redactor, redact, redact_text
from src.observability.redaction.judging.scan import PART
from src.observability.spans import otlp
from src.observability.spans.encoding import json_text

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

_WITHHELD = "[REDACTED:redaction_failed]"
_NUMBERS = frozenset({bool, int, float})
_SHORT = 200  # characters up to which a text is cached
_LONG = 4_096  # characters from which a text is scanned alone, so that the redactor recognises it when it comes again
_MOST_CACHED = 4_096
_MOST_RUNS = 128
_TEXTS = frozenset({str, tuple})
_FEW_VALUES = frozenset({names.TYPE, names.LEVEL, names.IS_APP_ROOT})  # attributes that have few different values
_OURS = frozenset(value for key, value in vars(names).items() if key.isupper() and isinstance(value, str))
_NEUTRAL = frozenset({names.INPUT, names.OUTPUT})  # names that do not make a secret of their value


class AttributeEncoder:
    """Redact names, redact and encode attributes; threads share one for each processor."""

    def __init__(self) -> None:
        self._cache = _Cache(redactor=None, encoded={}, names=set(), runs={})

    def encode(
        self,
        attributes: Mapping[str, object],
        safe: Collection[str] = names.SAFE,
        shorten: Callable[[str], str] | None = None,
        of_run: Mapping[str, object] | None = None,
    ) -> tuple[Mapping[str, object], bytes]:
        """Return the attributes without secrets, and their encoded fields of a Span message; never raises.

        Args:
            attributes: The attributes; those of `of_run`, where that is given, stand before all others, and unchanged.
            safe: The names of those whose values need not be scanned.
            shorten: Returns what is stored of a long text, of more than `_LONG` characters.
            of_run: Attributes that many spans have alike; their encoded fields are cached as one.
        """
        try:
            redactor = redaction.current()
            cache = self._cache_of(redactor)
            cached_field = cache.encoded.get
            new = _New(cache, safe, shorten)
            remaining, fields = _after_run(attributes, of_run, cache)
            for item in remaining:
                value = item[1]
                kind = type(value)
                if kind is str:
                    field = cached_field(item) if len(value) <= _SHORT else None  # type: ignore[arg-type] # a str
                else:
                    field = cached_field(item) if kind is bool or (kind is tuple and len(value) <= _SHORT) else None  # type: ignore[arg-type] # a tuple
                fields.append(new.field(*item) if field is None else field)
            if new.shortened:
                attributes = {**attributes, **new.shortened}
            if not new.is_clean(redactor):
                return _encoded(redacted(attributes, safe))
            cache.names.update(new.names)
            _add_short(cache.encoded, new.values)
            return attributes, b"".join(fields)
        except Exception:  # noqa: BLE001 - fail closed: the span stays, its texts do not
            return _encoded(_withheld(attributes, safe))

    def name(self, name: str) -> str:
        """Return a span's name without secrets; never raises. The same few recur, and are cached with the redactor."""
        try:
            redactor = redaction.current()
            clean_names = self._cache_of(redactor).names
            if name in clean_names:
                return name
            text = redactor.text(name)
        except Exception:  # noqa: BLE001 - fail closed: the span stays, its name does not
            return _WITHHELD
        if text == name:
            clean_names.add(name)
        return text

    def _cache_of(self, redactor: Redactor) -> _Cache:
        """Return the cache, which starts empty with each redactor and where it is full."""
        cache = self._cache
        if cache.redactor is not redactor or len(cache.encoded) + len(cache.names) > _MOST_CACHED:
            cache = self._cache = _Cache(redactor=redactor, encoded={}, names=set(), runs={})
        return cache


class _Cache(NamedTuple):
    """What one redactor found clean: attributes with their encoded form, names, and the encoded attributes of runs."""

    redactor: Redactor | None
    encoded: dict[tuple[str, object], bytes]
    names: set[str]
    runs: dict[tuple[tuple[str, object], ...], bytes]


class _New:
    """The attributes of one span that are not cached.

    Args:
        cache: What is cached.
        safe: The names of those whose values need not be scanned.
        shorten: Returns what is stored of a long text.
    """

    __slots__ = ("_cache", "_safe", "_shorten", "names", "shortened", "values")

    def __init__(self, cache: _Cache, safe: Collection[str], shorten: Callable[[str], str] | None) -> None:
        self._cache, self._safe, self._shorten = cache, safe, shorten
        self.values: dict[str, object] = {}  # to be scanned
        self.names: list[str] = []  # to be looked at
        self.shortened: dict[str, object] = {}  # which are stored in another form

    def field(self, name: str, value: object) -> bytes:
        """Return an attribute's encoded field, and note what of it is to be scanned."""
        kind = type(value)
        if kind is str and len(value) > _LONG and self._shorten is not None:  # type: ignore[arg-type] # a str
            stored = self._shorten(value)  # type: ignore[arg-type] # a str
            if stored is not value:
                self.shortened[name] = value = stored
        field = otlp.encode_attribute(name, value)
        if name in _FEW_VALUES and name in self._safe:
            self._cache.encoded[name, value] = field
        elif kind not in _NUMBERS and name not in self._safe:
            self.values[name] = value
        if name not in self._cache.names:
            self.names.append(name)
        return field

    def is_clean(self, redactor: Redactor) -> bool:
        """Tell whether no name and no value holds a secret."""
        if self.names and not _are_clean(redactor, self.names):
            return False
        return not self.values or _have_no_secret(redactor, self.values)


def _after_run(
    attributes: Mapping[str, object], of_run: Mapping[str, object] | None, cache: _Cache
) -> tuple[Iterable[tuple[str, object]], list[bytes]]:
    """Return the attributes that are to be encoded, and the fields of those of the run, where all were clean before."""
    if not of_run:
        return attributes.items(), []
    key = tuple(of_run.items())
    try:
        fields = cache.runs.get(key)
        if fields is None:
            fields = _fields_of_run(key, cache)
    except TypeError:  # a value that has no hash
        fields = None
    if fields is None:
        return attributes.items(), []
    return islice(attributes.items(), len(key), None), [fields]


def _fields_of_run(key: tuple[tuple[str, object], ...], cache: _Cache) -> bytes | None:
    """Return the encoded attributes of a run, and cache them as one; None where not all of them are cached."""
    known = [cache.encoded.get(item) for item in key if type(item[1]) in _TEXTS]
    if len(known) < len(key) or None in known:
        return None
    if len(cache.runs) >= _MOST_RUNS:
        cache.runs.clear()
    fields = cache.runs[key] = b"".join(filter(None, known))
    return fields


def safe_by_shape(attributes: Mapping[str, object]) -> frozenset[str]:
    """Return the names of a user's attributes whose values need not be scanned, because of their shape."""
    shapes = names.SAFE_SHAPES.items()
    return frozenset(
        name for name, shape in shapes if type(value := attributes.get(name)) is str and shape.fullmatch(value)
    )


def _are_clean(redactor: Redactor, attribute_names: list[str]) -> bool:
    """Tell whether no name holds a secret; most are ours, or short words of a user's."""
    return all(name in _OURS or redactor.text(name) == name for name in attribute_names)


def _add_short(encoded: dict[tuple[str, object], bytes], values: Mapping[str, object]) -> None:
    for name, value in values.items():
        if len(value) <= _SHORT if isinstance(value, str) else _is_short_tuple(value):
            encoded[name, value] = otlp.encode_attribute(name, value)


def _is_short_tuple(value: object) -> bool:
    return isinstance(value, tuple) and all(type(item) is str for item in value) and sum(map(len, value)) <= _SHORT


def _have_no_secret(redactor: Redactor, values: Mapping[str, object]) -> bool:
    """Tell whether no value holds a secret: all are scanned as one text, except for the long ones."""
    parts: list[str] = []
    for name, value in values.items():
        text = value if type(value) is str else json_text(value)
        if len(text) < _LONG or name not in _NEUTRAL:
            parts.append(f"{PART}{_last_word(name)}: {text}\n")
        elif redactor.text(text) != text:
            return False
    joined = "".join(parts)
    return redactor.text(joined) == joined


def redacted(attributes: Mapping[str, object], safe: Collection[str] = ()) -> dict[str, object]:
    """Return attributes without secrets in values and names; each value is judged by itself, under its name."""
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
    """Return a placeholder for each value that would have to be scanned; names that are not ours are replaced too."""
    values: dict[str, object] = {}
    for name, value in attributes.items():
        if name in _OURS:
            values[name] = value if type(value) in _NUMBERS or name in safe else _WITHHELD
        else:
            values[f"{names.METADATA}withheld_{len(values)}"] = _WITHHELD
    return values


def _encoded(attributes: dict[str, object]) -> tuple[dict[str, object], bytes]:
    return attributes, otlp.encode_attributes(attributes)


_last_words: dict[str, str] = {}


def _last_word(name: str) -> str:
    """Return the end of an attribute's name, which is the key that a user gave; it is cached, since names recur."""
    word = _last_words.get(name)
    if word is None:
        word = name.rpartition(".")[2]
        if len(_last_words) < 1024:
            _last_words[name] = word
    return word
