"""Redact one text: find the gates' matches, inspect the text there, replace the findings."""

from __future__ import annotations

import bisect
import functools
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from src.observability.redaction.engine import characters, engines, listed_words, preparation
from src.observability.redaction.judging import nearby_words, pieces, spelled_out, unescaped
from src.observability.redaction.judging.scan import (
    FAILED,
    PART,
    Finding,
    Scan,
    TooManyError,
    apply,
    regions,
)
from src.observability.redaction.rules import (
    assignments,
    base64_pairs,
    bearer_tokens,
    configured_secrets,
    encoded_texts,
    exchange_credentials,
    foreign_names,
    harmless_names,
    key_files,
    logins,
    long_runs,
    named_columns,
    nearby_names,
    pem_keys,
    personal_data,
    prefixed_tokens,
    seed_phrases,
    tables,
    urls,
    wallet_keys,
)
from src.observability.redaction.rules.gates import RUN_LENGTH, Gate, Inspection, gates

if TYPE_CHECKING:
    from src.observability.redaction.engine.characters import Characters

EngineName = Literal["auto", "fast", "plain"]

_MANY_ASSIGNMENTS = 20  # from so many on, equal lines are looked at once
_CANDIDATES = 20_000  # inspections per text
_MARGIN = 1_024  # characters replaced before the last candidate inspected: a secret can begin before its gate ends
_PASSES = 6
_REACH = 2_600  # characters around a decoded one in which another reading of a text may hold a secret
_REACH_NEARBY = 1_100  # characters around a quote or a blank of HTML beside a name: the line before a table's rows
_BETWEEN_PARTS = f"{PART}: "  # parts of a text without a name
_SHORTEST = 6
_FEW_ESCAPES = 64  # so many are decoded one by one

_IN_PIECES: tuple[tuple[frozenset[int], Callable[[str, Iterable[int]], unescaped.Decoded | None]], ...] = (
    (engines.BROKEN, unescaped.join_lines),
    (engines.JOINED, pieces.joined),
    (engines.LABELLED, pieces.without_labels),
)
_OTHER_READINGS = (
    engines.ESCAPES
    | frozenset().union(*(numbers for numbers, _ in _IN_PIECES))
    | engines.SPELLED
    | engines.SPELLED_NEARBY
    | engines.WORD_LIST
)
_WITHOUT_INSPECTION = _OTHER_READINGS | {engines.URL, engines.PAIR}

Inspector = Callable[[Scan, int], None]
"""Inspects a text where the match of a gate ends."""

_INSPECTORS: dict[Inspection, Inspector] = {
    Inspection.ASSIGNMENT: assignments.find,
    Inspection.NEARBY_NAME: nearby_names.find,
    Inspection.VALUE_FIRST: nearby_names.find_before_name,
    Inspection.TABLE: tables.find,
    Inspection.FLAG: assignments.find_flag,
    Inspection.LOGIN: assignments.find_login,
    Inspection.LOGIN_FLAG: assignments.find_login_flag,
    Inspection.PROSE: assignments.find_described,
    Inspection.LOGIN_PAIR: logins.find_login,
    Inspection.SLASH_PAIR: logins.find_after_slash,
    Inspection.HOST_PAIR: logins.find_at_host,
    Inspection.CALL_PAIR: logins.find_in_call,
    Inspection.COMMAND: logins.find_in_command,
    Inspection.EXCHANGE: exchange_credentials.find,
    Inspection.BEARER: bearer_tokens.find_bearer,
    Inspection.PEM: pem_keys.find_pem,
    Inspection.BYTES: wallet_keys.find_bytes,
    Inspection.MARKDOWN: named_columns.find_in_markdown,
    Inspection.COOKIE: logins.find_cookie,
    Inspection.PASSWORD_FILE: logins.find_in_file,
    Inspection.BYTES_BY_PLACE: key_files.find_bytes,
    Inspection.JWK: key_files.find_jwk,
    Inspection.KEYSTORE: key_files.find_keystore,
    Inspection.RUN: lambda scan, end: long_runs.find_run(scan, end, RUN_LENGTH),
    Inspection.JWT: lambda scan, end: bearer_tokens.find_jwt(scan, end - 13),
}


@dataclass(frozen=True, slots=True)
class Options:
    """What decides how texts are redacted: our own secrets, those that lines may break, the switches, the engine."""

    forms: configured_secrets.Forms = ()
    breakable: configured_secrets.Forms = ()
    strict: bool = False
    pii: frozenset[str] = frozenset()
    engine: EngineName = "auto"


def _engine(name: EngineName) -> tuple[engines.Engine, bool]:
    if name == "plain":
        return engines.plain_engine, False
    fast = preparation.prepared_engine() if name == "auto" else engines.fast_engine()
    if fast is None and name == "fast":
        raise RuntimeError("the fast engine is not installed")
    return (fast, True) if fast else (engines.plain_engine, False)


def redact(options: Options, text: str, hint: str = "") -> str:
    """Return the text without secrets; redacting the result changes nothing, and a failure replaces the whole text."""
    try:
        if len(text) < _SHORTEST:
            return text
        for _ in range(_PASSES):
            clean = _redact_once(text, options, hint)
            if clean == text:
                return text if type(text) is str else clean
            text = clean
    except Exception:  # noqa: BLE001 - fail closed, whatever went wrong
        return FAILED
    return FAILED


def _redact_once(text: str, options: Options, hint: str) -> str:
    chars = characters.read(text)
    findings, hits = _findings(text, chars, options, hint)
    numbers = {number for _, number in hits}
    if not numbers.isdisjoint(_OTHER_READINGS):
        findings = findings + _findings_of_readings(text, hits, numbers, options, hint)
    if not text.isascii():
        for view in _views_beyond_ascii(text, chars):
            findings = findings + _findings_of_view(view, options, hint)
    return apply(text, findings) if findings else text


def _findings_of_readings(
    text: str, hits: list[engines.Hit], numbers: set[int], options: Options, hint: str
) -> list[Finding]:
    """Return the secrets of the other readings of a text for which gates of these numbers call."""
    findings: list[Finding] = []
    if not numbers.isdisjoint(engines.ESCAPES):
        findings = findings + _findings_without_escapes(text, options, hint)
    for of_reading, read in _IN_PIECES:
        if not numbers.isdisjoint(of_reading):
            ends = [end for end, number in hits if number in of_reading]
            findings = findings + _findings_of_view(read(text, ends), options, hint)
    if not numbers.isdisjoint(engines.SPELLED):
        findings = findings + _findings_of_view(spelled_out.spelled(text), options, hint)
    elif not numbers.isdisjoint(engines.SPELLED_NEARBY):
        ends = [end for end, number in hits if number in engines.SPELLED_NEARBY]
        findings = findings + _findings_spelled_out(text, ends, options, hint)
    if not numbers.isdisjoint(engines.WORD_LIST):
        findings = findings + _findings_of_view(
            spelled_out.word_list(text, has_runs=engines.RUN in numbers), options, hint
        )
    return findings


def _views_beyond_ascii(text: str, chars: Characters) -> list[unescaped.Decoded]:
    """Return other readings of a text with characters beyond ASCII."""
    if chars.kinds is None:
        return spelled_out.beyond_ascii(text, has_wide=None, has_unseen=None)
    has_unseen = characters.UNSEEN in chars.beyond or characters.SOFT_HYPHEN in chars.beyond
    return spelled_out.beyond_ascii(text, has_wide=characters.WIDE in chars.beyond, has_unseen=has_unseen)


def _findings_without_escapes(text: str, options: Options, hint: str) -> list[Finding]:
    """Return the secrets of a text without its escapes, whose positions are worked out only where it has secrets."""
    if text.count("%") + text.count("\\u") <= _FEW_ESCAPES:
        return _findings_of_view(unescaped.decode(text), options, hint)
    plain = unescaped.decode_without_positions(text)
    findings = _findings_of(plain, options, hint)
    view = unescaped.decode(text) if findings else None
    if view and view.text != plain:
        findings = _findings_of(view.text, options, hint)
    return view.in_original(findings) if view else []


def _findings_of_view(view: unescaped.Decoded | None, options: Options, hint: str) -> list[Finding]:
    """Return the secrets of another reading of a text, with their positions in the text itself."""
    return view.in_original(_findings_near(view, options, hint)) if view else []


def _findings_spelled_out(text: str, ends: list[int], options: Options, hint: str) -> list[Finding]:
    """Return the secrets of a text whose characters are read as what they spell, within reach of these places."""
    parts = regions(ends, _REACH_NEARBY, len(text))
    views = [spelled_out.spelled(text[start:end]) for start, end in parts]
    pieces = [(start, end, view) for (start, end), view in zip(parts, views, strict=True) if view]
    findings: list[Finding] = []
    for place, finding in _findings_of_parts(
        [view.text for _, _, view in pieces], options, "" if parts[0][0] else hint
    ):
        start, end, view = pieces[place]
        if finding.end > len(view.text) or _may_be_cut(
            finding, start, start + len(view.text), start + len(view.text) + len(text) - end
        ):
            return _findings_of_view(spelled_out.spelled(text), options, hint)
        (original,) = view.in_original([finding])
        findings.append(replace(original, start=original.start + start, end=original.end + start))
    return findings


def _findings_of_parts(parts: list[str], options: Options, hint: str) -> Iterator[tuple[int, Finding]]:
    """Yield the secrets of texts that are read in one go, each with the place of its text and its position in it."""
    starts = [0, *itertools.accumulate(len(part) + len(_BETWEEN_PARTS) for part in parts[:-1])]
    for finding in _findings_of(_BETWEEN_PARTS.join(parts), options, hint):
        place = bisect.bisect_right(starts, finding.start) - 1
        yield place, replace(finding, start=finding.start - starts[place], end=finding.end - starts[place])


def _may_be_cut(finding: Finding, start: int, end: int, length: int) -> bool:
    """Return whether a secret of a part of a text may begin before the part or go on behind it."""
    return (finding.start == 0 < start) or (finding.end == end - start < length - start)


def _findings_near(view: unescaped.Decoded, options: Options, hint: str) -> list[Finding]:
    """Return the secrets of another reading of a text, which is read only near the characters that differ."""
    parts = regions(view.decoded_at, _REACH, len(view.text))
    if not parts or sum(end - start for start, end in parts) > len(view.text) // 2:
        return _findings_of(view.text, options, hint)
    findings: list[Finding] = []
    for start, end in parts:
        for finding in _findings_of(view.text[start:end], options, "" if start else hint):
            if _may_be_cut(finding, start, end, len(view.text)):
                return _findings_of(view.text, options, hint)
            findings.append(replace(finding, start=finding.start + start, end=finding.end + start))
    return findings


def _findings_of(text: str, options: Options, hint: str) -> list[Finding]:
    return _findings(text, characters.read(text), options, hint)[0]


def _findings(text: str, chars: Characters, options: Options, hint: str) -> tuple[list[Finding], list[engines.Hit]]:
    """Return the secrets of a text as it stands, and where gates matched."""
    engine, is_fast = _engine(options.engine)
    data = chars.data
    hits = engine(data)
    scan = Scan(text, hint, options.strict)
    if options.forms:
        known = configured_secrets.with_edges(options.forms, options.breakable)  # one search for both
        present = engines.present_forms(known, text, data, fast=is_fast)
        if present:
            configured_secrets.find(scan, set(options.forms).intersection(present))
            configured_secrets.find_broken(scan, options.breakable, present)
    numbers = {number for _, number in hits}
    _find_by_search(scan, chars, numbers, options.pii)
    if engines.RUN in numbers:
        first = next(end for end, number in hits if number == engines.RUN) - RUN_LENGTH
        runs = [*characters.long_runs(data, first, RUN_LENGTH)]
        search = engines.search_stems if is_fast else nearby_words.search
        ends = [(end, engines.RUN) for end in long_runs.candidates(scan, data, runs, RUN_LENGTH, search)]
        hits = sorted([*(hit for hit in hits if hit[1] != engines.RUN), *ends])
    phrases = listed_words.search(text, chars)
    if hits or phrases is not listed_words.NONE:
        _inspect(scan, data, phrases, hits)
    if engines.RUN in numbers:
        _find_encoded(scan, hits, options)
        may_be_hex = any(stop - start >= encoded_texts.SHORTEST_HEX for start, stop in runs)
        for written in encoded_texts.in_hex(data) if may_be_hex else ():
            if redact(options, written.text) != written.text:
                scan.add(written.start, written.end, "encoded_secret", general=True)
    return scan.findings, hits


def _find_by_search(scan: Scan, chars: Characters, numbers: set[int], pii: frozenset[str]) -> None:
    """Find what is searched for in the text itself, whatever gates matched."""
    if not scan.text.isascii():
        foreign_names.find(scan, chars.signs)
    if pii:
        personal_data.find(scan, pii)
    if engines.PAIR in numbers:
        base64_pairs.find_all(scan, chars.data)


def _find_encoded(scan: Scan, hits: list[engines.Hit], options: Options) -> None:
    """Record the texts in base64 that hold a secret."""
    read_until = 0
    for end, number in hits:
        start = end - RUN_LENGTH
        if number != engines.RUN or start < read_until:
            continue
        encoded = encoded_texts.read(scan.text, start)
        if encoded:
            read_until = encoded.end
            if redact(options, encoded.text) != encoded.text:
                scan.add(encoded.start, encoded.end, "encoded_secret", general=True)


def _inspect(scan: Scan, data: bytes, phrases: listed_words.Words, hits: list[engines.Hit]) -> None:
    """Inspect the text where phrases may be and gates matched; replace the rest of a text with too many matches."""
    others = [hit for hit in hits if hit[1] not in _WITHOUT_INSPECTION]
    cuts = [others[_CANDIDATES][0]] if len(others) > _CANDIDATES else []
    inspections: list[Callable[[], None]] = []
    if phrases is not listed_words.NONE:
        inspections.append(functools.partial(_inspect_phrases, scan, phrases))
    if len(others) < len(hits):
        inspections.append(functools.partial(_inspect_urls, scan, data, hits))
    if others:
        inspections.append(functools.partial(_inspect_others, scan, others[:_CANDIDATES]))
    for inspect in inspections:
        try:
            inspect()
        except TooManyError as error:
            cuts.append(error.position)
    if cuts:
        scan.findings.append(Finding(max(0, min(cuts) - _MARGIN), len(scan.text), "too_many_candidates"))


def _inspect_phrases(scan: Scan, words: listed_words.Words) -> None:
    for start, end in words.places:
        seed_phrases.find(scan, start, end)
    for spans in words.columns:
        seed_phrases.find_column(scan, spans)


def _inspect_urls(scan: Scan, data: bytes, hits: list[engines.Hit]) -> None:
    first = next((end for end, number in hits if number == engines.URL), None)
    if first is not None:
        urls.find_all(scan, data, first)


def _inspect_others(scan: Scan, hits: list[engines.Hit]) -> None:
    inspectors = _inspectors()
    for end, number in _without_harmless_names(scan.text, hits):
        inspectors[number](scan, end)


def _without_harmless_names(text: str, hits: list[engines.Hit]) -> list[engines.Hit]:
    """Return the hits without those of names that name no secret and, if many remain, of lines that assign none."""
    ends = [end for end, number in hits if number == engines.ASSIGNMENT]
    remaining = [*harmless_names.without_harmless_keys(text, ends)]
    if len(remaining) >= _MANY_ASSIGNMENTS:
        remaining = [*harmless_names.remaining_ends(text, remaining)]
    if len(remaining) == len(ends):
        return hits
    kept_ends = set(remaining)
    return [hit for hit in hits if hit[1] != engines.ASSIGNMENT or hit[0] in kept_ends]


@functools.cache
def _inspectors() -> tuple[Inspector, ...]:
    """Return the inspection that each gate calls for."""
    return tuple(_inspector(gate) for gate in gates())


def _inspector(gate: Gate) -> Inspector:
    token = gate.token
    if token is None:
        return _INSPECTORS.get(gate.inspection, _inspect_nothing)
    return lambda scan, end: prefixed_tokens.find_token(scan, token, end - gate.length, end)


def _inspect_nothing(_scan: Scan, _end: int) -> None:
    """Stand for the gates that call for another reading of the whole text, or for a rule with a search of its own."""
