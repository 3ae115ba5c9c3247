"""Find where the gates match a text: with Hyperscan where it is installed, else in plain Python, with equal results."""

from __future__ import annotations

import bisect
import functools
import itertools
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from src.observability.redaction.engine import compiled
from src.observability.redaction.judging import nearby_words
from src.observability.redaction.rules.gates import RUN_LENGTH, WIDE, WIDE_LENGTH, Gate, Inspection, gates

Hit = tuple[int, int]
"""The end of a gate's match, and the gate's number."""

Engine = Callable[[bytes], list[Hit]]
"""Returns the hits of a text in order."""

RUN, PAIR = 0, 1
ESCAPES = frozenset(number for number, gate in enumerate(gates()) if gate.inspection is Inspection.ESCAPE)
BROKEN, JOINED, LABELLED, SPELLED, SPELLED_NEARBY, WORD_LIST = (
    frozenset(number for number, gate in enumerate(gates()) if gate.inspection is inspection)
    for inspection in (
        Inspection.BROKEN,
        Inspection.JOINED,
        Inspection.LABELLED,
        Inspection.SPELLED,
        Inspection.SPELLED_NEARBY,
        Inspection.WORD_LIST,
    )
)
ASSIGNMENT, URL = (
    next(number for number, gate in enumerate(gates()) if gate.inspection is inspection)
    for inspection in (Inspection.ASSIGNMENT, Inspection.URL)
)
_FIRST_WITH_SIGN, _FIRST_ESCAPE = min(SPELLED_NEARBY), min(ESCAPES)  # which stand last, in this order


def _shape(kinds: str) -> bytes:
    """Return a translation table: letters, digits and these characters become `a`, everything else a blank."""
    return bytes(
        ord("a") if code < 128 and (chr(code).isalnum() or chr(code) in kinds) else ord(" ") for code in range(256)
    )


_ALNUM = _shape("")
_WIDE = _shape(WIDE)
_WIDE_RUN = b"a" * WIDE_LENGTH
_BASE64 = _shape("+/-_")
_PADDING = b"=="
_LONGEST_PREFIX = 32
_SHORT_WORK = 40_000  # characters times forms; below it, searching for each form is faster than the engine
_LONG = b"a" * RUN_LENGTH
_RARE = 100  # occurrences that are looked at one by one


@functools.cache
def fast_engine() -> Engine | None:
    """Return the Hyperscan engine, or None where it is not installed or does not run on this machine."""
    try:
        # In one database with the other gates, those of escapes cost time at each escape even after the first, and
        # those that need a sign of HTML cost it at each name.
        search = _search(0, _FIRST_WITH_SIGN)
        search_signs = _search(_FIRST_WITH_SIGN, _FIRST_ESCAPE)

        def scan(data: bytes) -> list[Hit]:
            hits: list[Hit] = []
            search(data, hits.append)
            if b"&" in data:
                search_signs(data, hits.append)
            hits += _first_escapes(data)
            hits.sort()
            return hits

        scan(b"self-test & all")
    except Exception:  # noqa: BLE001 - not installed, or an unsupported processor: the plain engine works
        return None
    return scan


def _search(first: int, end: int) -> Callable[[bytes, Callable[[Hit], None]], None]:
    """Return a function that searches for the gates with these numbers and reports the hits."""
    import hyperscan

    database = compiled.database(gates()[first:end], first)
    local = threading.local()

    def search(data: bytes, note: Callable[[Hit], None]) -> None:
        # A scan releases the GIL, so every thread needs its own scratch space.
        scratch = getattr(local, "scratch", None)
        if scratch is None:
            scratch = local.scratch = hyperscan.Scratch(database)
        database.scan(data, _note, context=note, scratch=scratch)

    return search


@functools.cache
def _escapes() -> tuple[tuple[int, bytes, re.Pattern[bytes]], ...]:
    """Return the number, the first character and the pattern of each gate of escapes."""
    rows = [(number, gates()[number]) for number in sorted(ESCAPES)]
    return tuple((number, gate.literals[0][:1].encode(), re.compile(gate.pattern.encode())) for number, gate in rows)


def _first_escapes(data: bytes) -> list[Hit]:
    """Return the first hit of each gate of escapes."""
    hits: list[Hit] = []
    for number, literal, pattern in _escapes():
        match = _first(pattern, literal, data)
        if match:
            hits.append((match.end(), number))
    return hits


def _first(pattern: re.Pattern[bytes], literal: bytes, data: bytes) -> re.Match[bytes] | None:
    """Return the first match of a pattern that begins with a literal; where this is rare, a search for it is faster."""
    position = -1
    for _ in range(_RARE):
        position = data.find(literal, position + 1)
        match = pattern.match(data, position) if position >= 0 else None
        if match or position < 0:
            return match
    return pattern.search(data, position)


def _note(number: int, _start: int, end: int, _flags: int, note: Any) -> None:
    note((end, number))


@dataclass(frozen=True, slots=True)
class _Row:
    number: int
    literals: tuple[bytes, ...]
    expression: bytes
    caseless: bool
    once: bool


@functools.cache
def _plain_rows() -> tuple[tuple[_Row, ...], tuple[_Row, ...]]:
    """Return the gates of token families, which need a wide run, and the other gates that have literals."""
    families: list[_Row] = []
    others: list[_Row] = []
    for number, gate in enumerate(gates()):
        if number in {RUN, PAIR} or number in ESCAPES:
            continue
        row = _Row(
            number=number,
            literals=tuple(literal.encode() for literal in gate.literals),
            expression=gate.pattern.encode(),
            caseless=gate.caseless,
            once=gate.once,
        )
        (families if gate.token else others).append(row)
    return tuple(families), tuple(others)


@functools.cache
def _compiled(expression: bytes, caseless: bool) -> re.Pattern[bytes]:
    """Return a gate's compiled pattern; it is compiled on first use, since all of them take a tenth of a second."""
    return re.compile(expression, re.IGNORECASE if caseless else 0)


def plain_engine(data: bytes) -> list[Hit]:
    """Return the gates' hits with the standard library alone: search for a literal, match the pattern only there."""
    hits: set[Hit] = set()
    families, _ = _plain_rows()
    lower = data.lower()
    for rows in _rows_of_literals():
        _find_rows(rows, data, lower if rows[0].caseless else data, hits)
    hits.update(_first_pair(data))
    stretches = _wide_stretches(data)
    if stretches:
        _find_families(families, data, stretches, hits)
        hits.update(_first_run(data))
    hits.update(_first_escapes(data))
    return sorted(hits)


@functools.cache
def _rows_of_literals() -> tuple[tuple[_Row, ...], ...]:
    """Return the gates without a family, those together that begin with the same literals."""
    by_literals: dict[tuple[tuple[bytes, ...], bool], list[_Row]] = {}
    for row in _plain_rows()[1]:
        by_literals.setdefault((row.literals, row.caseless), []).append(row)
    return tuple(map(tuple, by_literals.values()))


def _find_rows(rows: tuple[_Row, ...], data: bytes, folded: bytes, hits: set[Hit]) -> None:
    """Add the hits of gates with the same literals; `folded` is the text in the case of these."""
    left = list(rows)
    for literal in _shortest(rows[0].literals):
        position = folded.find(literal)
        while position >= 0 and left:
            for row in rows if len(left) == len(rows) else left:
                match = _compiled(row.expression, row.caseless).match(data, position)
                if match:
                    hits.add((match.end(), row.number))
                    if row.once:
                        left.remove(row)
            position = folded.find(literal, position + 1)


@functools.cache
def _shortest(literals: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Return the literals without those that begin with another one, whose places are its places."""
    return tuple(
        literal for literal in literals if not any(literal != each and literal.startswith(each) for each in literals)
    )


def _first_pair(data: bytes) -> list[Hit]:
    """Return a hit for the first padding of base64."""
    place = data.find(_PADDING, RUN_LENGTH)
    while place >= 0:
        if data[place - RUN_LENGTH : place].translate(_BASE64) == _LONG:
            return [(place + len(_PADDING), PAIR)]
        place = data.find(_PADDING, place + 1)
    return []


def _find_families(families: tuple[_Row, ...], data: bytes, stretches: list[tuple[int, int]], hits: set[Hit]) -> None:
    """Add the hits of the token families within the stretches, which are searched as one text."""
    joined = b"\n".join(data[start:end] for start, end in stretches)  # no prefix holds a line break
    places = [0, *itertools.accumulate(end - start + 1 for start, end in stretches)]
    chars = frozenset(joined)
    for row in families:
        for literal in row.literals:
            position = joined.find(literal) if chars.issuperset(literal) else -1
            while position >= 0:
                stretch = bisect.bisect_right(places, position) - 1
                start = stretches[stretch][0] + position - places[stretch]
                match = _compiled(row.expression, row.caseless).match(data, start)
                if match:
                    hits.add((match.end(), row.number))
                position = joined.find(literal, position + 1)


def _wide_stretches(data: bytes) -> list[tuple[int, int]]:
    """Return the start and end of the wide runs, each extended to the left by the longest prefix of a family."""
    shape = data.translate(_WIDE)
    stretches: list[tuple[int, int]] = []
    position = shape.find(_WIDE_RUN)
    while position >= 0:
        end = shape.find(b" ", position)
        end = len(shape) if end < 0 else end
        start = max(0, position - _LONGEST_PREFIX)
        if stretches and start <= stretches[-1][1]:
            stretches[-1] = (stretches[-1][0], end)
        else:
            stretches.append((start, end))
        position = shape.find(_WIDE_RUN, end)
    return stretches


def _first_run(data: bytes) -> list[Hit]:
    """Return a hit for the first long run of letters and digits."""
    position = data.translate(_ALNUM).find(_LONG)
    return [(position + RUN_LENGTH, RUN)] if position >= 0 else []


# Of stems with a meaning in few places, the patterns of these places: texts can be full of `signature` and `wallet`.
_STEMS_IN_PLACE = {
    b"sign": "sign(?:i|e|[^a-z])",
    b"wallet": r"wallet(?:\(|(?:.|\n){0,8}is)",
    b"pk": r"pk(?:[^a-z0-9]|\z)",
    b"sk": r"sk(?:[^a-z0-9]|\z)",
}
_LONGEST_PLACE = 16


def search_stems(data: bytes) -> list[Hit]:
    """Return where each stem of `nearby_words` ends in a text, with the stem's number; the fast engine works."""
    ends: list[Hit] = []
    _stems()(data, ends.append)
    return [(_stem_end(data, end, nearby_words.STEMS[number]), number) for end, number in ends] if ends else ends


def _stem_end(data: bytes, end: int, stem: bytes) -> int:
    if stem not in _STEMS_IN_PLACE:
        return end
    start = max(0, end - _LONGEST_PLACE)
    return start + data[start:end].lower().rfind(stem) + len(stem)


@functools.cache
def _stems() -> Callable[[bytes, Callable[[Hit], None]], None]:
    """Return a function that searches for the stems and reports the end of each, with its number."""
    import hyperscan

    patterns = [_STEMS_IN_PLACE.get(stem, stem.decode()) for stem in nearby_words.STEMS]
    database = compiled.database(
        [Gate(inspection=Inspection.RUN, pattern=pattern, literals=(), caseless=True) for pattern in patterns]
    )
    local = threading.local()

    def scan(data: bytes, note: Callable[[Hit], None]) -> None:
        scratch = getattr(local, "scratch", None)
        if scratch is None:
            scratch = local.scratch = hyperscan.Scratch(database)
        database.scan(data, _note, context=note, scratch=scratch)

    return scan


def present_forms(forms: tuple[str, ...], text: str, data: bytes, *, fast: bool) -> list[str]:
    """Return the forms of our own secrets that occur in a text."""
    if not fast or len(forms) * len(text) < _SHORT_WORK:
        return [form for form in forms if form in text]
    numbers: set[int] = set()
    _literals(forms)(data, numbers.add)
    return [form for number, form in enumerate(forms) if number in numbers or (not form.isascii() and form in text)]


@functools.lru_cache(maxsize=4)
def _literals(forms: tuple[str, ...]) -> Callable[[bytes, Callable[[int], None]], None]:
    """Return a function that searches for these forms and reports the number of each that occurs."""
    import hyperscan

    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    rows = [(number, form.encode()) for number, form in enumerate(forms) if form.isascii()]
    if rows:
        database.compile(
            expressions=[form for _, form in rows],
            ids=[number for number, _ in rows],
            elements=len(rows),
            flags=hyperscan.HS_FLAG_SINGLEMATCH,
            literal=True,
        )
    local = threading.local()

    def scan(data: bytes, note: Callable[[int], None]) -> None:
        if not rows:
            return
        scratch = getattr(local, "scratch", None)
        if scratch is None:
            scratch = local.scratch = hyperscan.Scratch(database)
        database.scan(data, _note_number, context=note, scratch=scratch)

    return scan


def _note_number(number: int, _start: int, _end: int, _flags: int, note: Any) -> None:
    note(number)
