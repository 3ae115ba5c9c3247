"""Find where the gates match: through Hyperscan where it is installed, else in plain Python with equal results."""

from __future__ import annotations

import contextlib
import functools
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from src.observability.redaction.engine import compiled
from src.observability.redaction.judging import checks
from src.observability.redaction.rules.gates import RUN_LENGTH, WIDE, WIDE_LENGTH, Close, gates

Hit = tuple[int, int]
"""Where a gate's match ends, and the gate's number."""

Engine = Callable[[bytes], list[Hit]]

_RUN = 0
PHRASE = len(gates()) - 1
PHRASES = frozenset({1, PHRASE})
ESCAPES = frozenset(number for number, gate in enumerate(gates()) if gate.close is Close.ESCAPE)


def _shape(kinds: str) -> bytes:
    """Return a table that turns letters, digits and the given characters into `a`, everything else into a blank."""
    return bytes(
        ord("a") if code < 128 and (chr(code).isalnum() or chr(code) in kinds) else ord(" ") for code in range(256)
    )


_ALNUM = _shape("")
_WIDE = _shape(WIDE)
_WIDE_RUN = b"a" * WIDE_LENGTH
_LONGEST_PREFIX = 32
_LETTERS = bytes(
    ord(chr(code).lower()) if chr(code).isascii() and (chr(code).isalpha() or code == ord("?")) else ord(" ")
    for code in range(256)
)
_SHORT_WORK = 40_000  # characters times forms, below which looking for each form beats starting the engine
_STRIDE = 200  # less than a phrase's reach, so that the stretches around these places join
_LONG = b"a" * RUN_LENGTH
_LAST_LETTERS = 3  # of a phrase's last word, which end its gate's match
_NEAR, _FAR = 20, 96  # characters in which the last of those before it, or most, stand
_FEWEST = 12
_CLOSEST = 4 * (_FEWEST - 1)  # characters that the words before a phrase's last take at least, each with what ends it
_TWELVE = b"\1" * _FEWEST
_PART = re.compile(rb"[a-z]+|\?+")
_ESCAPED_BLANK = re.compile(rb"\\[nrt]")


@functools.cache
def fast_engine() -> Engine | None:
    """Return the Hyperscan engine, or None where it is not installed or does not run on this machine."""
    try:
        import hyperscan

        # Beside the others the gate of phrases takes twice as long as by itself.
        databases = compiled.database(gates()[:-1]), compiled.database(gates()[-1:])
        local = threading.local()

        def scan(data: bytes) -> list[Hit]:
            # Scanning releases the interpreter's lock, so every thread needs working memory of its own.
            scratches = getattr(local, "scratches", None)
            if scratches is None:
                scratches = local.scratches = [hyperscan.Scratch(database) for database in databases]
            hits: list[Hit] = []
            databases[0].scan(data, _note, context=hits.append, scratch=scratches[0])
            ends: list[int] = []
            databases[1].scan(data, _note_end, context=ends.append, scratch=scratches[1])
            return _judged(data, hits, ends) if hits or ends else hits

        scan(b"self-test")
    except Exception:  # noqa: BLE001 - no library, or a processor that it does not support: the plain engine works
        return None
    return scan


_prepared: list[Engine | None] = []
_preparing = threading.Lock()


def prepared_engine() -> Engine | None:
    """Return the fast engine once it is ready. The first call prepares it in the background, for that takes a while."""
    if _prepared:
        return _prepared[0]
    if _preparing.acquire(blocking=False):  # once: never released
        worker = threading.Thread(target=_prepare, name="redaction-engine", daemon=True)
        with contextlib.suppress(RuntimeError):  # the interpreter is shutting down: the plain engine works
            worker.start()
    return None


def _prepare() -> None:
    checks.bip39_bytes()  # which the first text that may hold a phrase would wait for
    _prepared.append(fast_engine())


def _judged(data: bytes, hits: list[Hit], ends: list[int]) -> list[Hit]:
    """Return the hits in order: with all runs where one was found, and with the ends of what may be a phrase."""
    found = [hit for hit in hits if hit[1] != _RUN]
    for end, number in hits:
        if number == _RUN:
            found += _runs(data, end - RUN_LENGTH)
    found += [(end, PHRASE) for end in _ends_of_phrases(data, sorted(ends))]
    found.sort()
    return found


def _ends_of_phrases(data: bytes, ends: list[int]) -> Iterator[int]:
    """Yield those of the ends before which all words are on a list, as those of an ordinary text seldom are."""
    unlisted = -_CLOSEST  # where the last word ends that is on none
    yielded = -_STRIDE
    for end in ends:
        begins = end - _LAST_LETTERS
        if begins - unlisted < _CLOSEST:
            continue
        if end - yielded < _NEAR:  # it is looked at there anyway
            yield end
            continue
        for reach in (_NEAR, _FAR):
            last = _last_unlisted(data, max(0, begins - reach), begins)
            if last:
                unlisted = last
                break
        else:
            yielded = end
            yield end


def _last_unlisted(data: bytes, start: int, end: int) -> int:
    """Return where the last word ends that is on no list, of the eleven before a phrase's last, or 0."""
    known = checks.bip39_bytes()
    letters = _letters(data[start:end])
    words = letters.split()
    for after, word in enumerate(words[: max(0, len(words) - _FEWEST) : -1]):  # the first may be cut
        if word not in known and b"?" not in word:
            return start + len(letters.rsplit(None, after)[0])
    return 0


def _letters(data: bytes) -> bytes:
    """Return a text with blanks for all but its letters; the `n` of an escaped line end is none."""
    if b"\\" in data:
        data = _ESCAPED_BLANK.sub(b"  ", data)
    return data.translate(_LETTERS)


def _note(number: int, _start: int, end: int, _flags: int, note: Any) -> None:
    note((end, number))


def _note_end(_number: int, _start: int, end: int, _flags: int, note: Any) -> None:
    note(end)


@dataclass(frozen=True, slots=True)
class _Row:
    number: int
    literals: tuple[bytes, ...]
    expression: bytes
    caseless: bool
    once: bool


@functools.cache
def _plain_rows() -> tuple[tuple[_Row, ...], tuple[_Row, ...]]:
    """Return the gates of families, which need a wide run, and the others that have literals."""
    families: list[_Row] = []
    others: list[_Row] = []
    for number, gate in enumerate(gates()):
        if number == _RUN or number in PHRASES:
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
    """Compile a gate's pattern when its literal first stands in a text: few do, and all take a tenth of a second."""
    return re.compile(expression, re.IGNORECASE if caseless else 0)


def plain_engine(data: bytes) -> list[Hit]:
    """Find the gates' matches with the standard library alone: a literal first, its pattern only where it stands."""
    hits: set[Hit] = set()
    families, others = _plain_rows()
    lower = data.lower()
    for row in others:
        _find_row(row, data, lower if row.caseless else data, 0, len(data), hits)
    stretches = _wide_stretches(data)
    for start, end in stretches:
        for row in families:
            _find_row(row, data, data, start, end, hits)
    if stretches:
        hits.update(_runs(data, 0))
    _find_phrases(data, hits)
    return sorted(hits)


def _find_row(row: _Row, data: bytes, where: bytes, start: int, end: int, hits: set[Hit]) -> None:
    for literal in row.literals:
        position = where.find(literal, start, end)
        while position >= 0:
            match = _compiled(row.expression, row.caseless).match(data, position)
            if match:
                hits.add((match.end(), row.number))
                if row.once:
                    return
            position = where.find(literal, position + 1, end)


def _wide_stretches(data: bytes) -> list[tuple[int, int]]:
    """Return where long runs stand, each with what can stand before it of a family's prefix."""
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


def _runs(data: bytes, start: int) -> list[Hit]:
    """Return where each long run of letters and digits is long enough, of those that begin at `start` or later."""
    shape = data.translate(_ALNUM)
    runs: list[Hit] = []
    position = shape.find(_LONG, start)
    while position >= 0:
        runs.append((position + RUN_LENGTH, _RUN))
        end = shape.find(b" ", position)
        if end < 0:
            break
        position = shape.find(_LONG, end)
    return runs


def _find_phrases(data: bytes, hits: set[Hit]) -> None:
    """Note places all over a text where twelve words of a BIP-39 list follow one another anywhere in it."""
    words = _letters(data).split()
    if len(words) < _FEWEST:
        return
    known = checks.bip39_ascii()
    flags = _known_beyond_ascii(words) if b"?" in data else bytes([word in known for word in words])
    if _TWELVE in flags:
        hits.update((end, PHRASE) for end in range(0, len(data) + _STRIDE, _STRIDE))


def _known_beyond_ascii(words: list[bytes]) -> bytes:
    """Say of each word, or of each part of one that is no listed word with accents, whether it can be on a list."""
    known = checks.bip39_bytes()
    flags: list[bool] = []
    for word in words:
        if b"?" not in word or word.replace(b"?", b"") in known:
            flags.append(word.replace(b"?", b"") in known)
        else:
            flags += [part[:1] == b"?" or part in known for part in _PART.findall(word)]
    return bytes(flags)


def present(forms: tuple[str, ...], text: str, data: bytes, *, fast: bool) -> list[str]:
    """Return which of the forms of our own secrets stand in a text."""
    if not fast or len(forms) * len(text) < _SHORT_WORK:
        return [form for form in forms if form in text]
    found: set[int] = set()
    _literals(forms)(data, found.add)
    return [form for number, form in enumerate(forms) if number in found or (not form.isascii() and form in text)]


@functools.lru_cache(maxsize=4)
def _literals(forms: tuple[str, ...]) -> Callable[[bytes, Callable[[int], None]], None]:
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
