"""Redact one text: find the gates' matches, inspect the text there, replace the findings."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from src.observability.redaction.engine import engines, phrase_ends, preparation
from src.observability.redaction.judging import nearby_words, spelled_out, unescaped
from src.observability.redaction.judging.scan import (
    FAILED,
    Finding,
    Scan,
    TooManyError,
    apply,
    in_ascii,
    with_signs_in_ascii,
)
from src.observability.redaction.rules import (
    assignments,
    bearer_tokens,
    configured_secrets,
    encoded_texts,
    long_runs,
    nearby_names,
    pem_keys,
    personal_data,
    prefixed_tokens,
    repeated_lines,
    seed_phrases,
    tables,
    urls,
    wallet_keys,
)
from src.observability.redaction.rules.gates import RUN_LENGTH, Gate, Inspection, gates

EngineName = Literal["auto", "fast", "plain"]

_MANY_ASSIGNMENTS = 16  # from so many on, equal lines are looked at once
_MANY_PHRASES = 200  # from so many on, all words of a text are looked up first
_CANDIDATES = 20_000  # inspections per text
_MARGIN = 1_024  # characters replaced before the last candidate inspected: a secret can begin before its gate ends
_PASSES = 6
_SHORTEST = 6

_WITHOUT_INSPECTION = (
    engines.PHRASES
    | engines.ESCAPES
    | engines.BROKEN
    | engines.SPELLED
    | engines.WORD_LIST
    | {engines.URL, engines.HTML_SIGN}
)

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
    Inspection.BEARER: bearer_tokens.find_bearer,
    Inspection.PEM: pem_keys.find_pem,
    Inspection.BYTES: wallet_keys.find_bytes,
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
    data, signs = with_signs_in_ascii(text)
    findings, numbers = _findings(text, data, options, hint)
    if not numbers.isdisjoint(engines.ESCAPES):
        findings = findings + _findings_without_escapes(text, options, hint)
    if not numbers.isdisjoint(engines.BROKEN):
        findings = findings + _findings_of_view(unescaped.join_lines(text), options, hint)
    if not numbers.isdisjoint(engines.SPELLED):
        findings = findings + _findings_of_view(spelled_out.spelled(text), options, hint)
    if not numbers.isdisjoint(engines.WORD_LIST):
        findings = findings + _findings_of_view(
            spelled_out.word_list(text, has_runs=engines.RUN in numbers), options, hint
        )
    for view in spelled_out.beyond_ascii(text, signs) if signs != "" else ():
        findings = findings + _findings_of_view(view, options, hint)
    return apply(text, findings) if findings else text


def _findings_without_escapes(text: str, options: Options, hint: str) -> list[Finding]:
    """Return the secrets of a text without its escapes, whose positions are worked out only where it has secrets."""
    plain = unescaped.decode_without_positions(text)
    findings = _findings_of(plain, options, hint)
    view = unescaped.decode(text) if findings else None
    if view and view.text != plain:
        findings = _findings_of(view.text, options, hint)
    return view.in_original(findings) if view else []


def _findings_of_view(view: unescaped.Decoded | None, options: Options, hint: str) -> list[Finding]:
    """Return the secrets of another reading of a text, with their positions in the text itself."""
    return view.in_original(_findings_of(view.text, options, hint)) if view else []


def _findings_of(text: str, options: Options, hint: str) -> list[Finding]:
    return _findings(text, in_ascii(text), options, hint)[0]


def _findings(text: str, data: bytes, options: Options, hint: str) -> tuple[list[Finding], set[int]]:
    """Return the secrets of a text as it stands, and the numbers of the gates that matched.

    `data` has one byte for each character of the text, so that positions agree.
    """
    engine, is_fast = _engine(options.engine)
    hits = engine(data)
    scan = Scan(text, hint, options.strict)
    if options.forms:
        known = configured_secrets.with_edges(options.forms, options.breakable)  # one search for both
        present = engines.present_forms(known, text, data, fast=is_fast)
        if present:
            configured_secrets.find(scan, set(options.forms).intersection(present))
            configured_secrets.find_broken(scan, options.breakable, present)
    if options.pii:
        personal_data.find(scan, options.pii)
    numbers = {number for _, number in hits}
    if is_fast and not numbers.isdisjoint(engines.PHRASES):
        hits = _with_plausible_phrases(text, data, hits, numbers)
    if engines.RUN in numbers:
        hits = _with_candidate_runs(scan, data, hits, engines.search_stems if is_fast else nearby_words.search)
    if hits:
        _inspect(scan, hits, numbers)
    if engines.RUN in numbers:
        _find_encoded(scan, hits, options)
        for written in encoded_texts.in_hex(data):
            if redact(options, written.text) != written.text:
                scan.add(written.start, written.end, "encoded_secret", general=True)
    return scan.findings, numbers


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


def _with_plausible_phrases(text: str, data: bytes, hits: list[engines.Hit], numbers: set[int]) -> list[engines.Hit]:
    """Return the fast engine's hits without the phrases that hold a word which is on no list."""
    others = [hit for hit in hits if hit[1] not in engines.PHRASES]
    if engines.EVERYWHERE in numbers:
        may_hold = (
            phrase_ends.may_hold(phrase_ends.without_html(data)) if text.isascii() else seed_phrases.may_hold(text)
        )
        return [(0, engines.EVERYWHERE), *others] if may_hold else others
    if text.isascii():
        return hits
    ends = [end for end, number in hits if number == engines.PHRASE]
    if len(ends) > _MANY_PHRASES and not seed_phrases.may_hold(text):
        return others
    phrases = [(end, engines.PHRASE) for end in seed_phrases.ends_after_listed_words(text, ends)]
    return sorted([*others, *phrases])


def _with_candidate_runs(
    scan: Scan, data: bytes, hits: list[engines.Hit], search: nearby_words.Search
) -> list[engines.Hit]:
    """Return the hits with all the long runs that may be secrets, instead of the first long run."""
    first = next(end for end, number in hits if number == engines.RUN)
    runs = [(end, engines.RUN) for end in long_runs.candidates(scan, data, first, RUN_LENGTH, search)]
    return sorted([*(hit for hit in hits if hit[1] != engines.RUN), *runs])


def _inspect(scan: Scan, hits: list[engines.Hit], numbers: set[int]) -> None:
    """Inspect the text where gates of these numbers matched; replace the rest of a text with too many matches."""
    others = hits
    if not numbers.isdisjoint(_WITHOUT_INSPECTION):
        others = [hit for hit in hits if hit[1] not in _WITHOUT_INSPECTION]
    cuts = [others[_CANDIDATES][0]] if len(others) > _CANDIDATES else []
    for inspect, candidates, called_for in (
        (_inspect_phrases, hits, not numbers.isdisjoint(engines.PHRASES)),
        (_inspect_urls, hits, engines.URL in numbers),
        (_inspect_others, others[:_CANDIDATES], True),
    ):
        try:
            if called_for:
                inspect(scan, candidates)
        except TooManyError as error:
            cuts.append(error.position)
    if cuts:
        scan.findings.append(Finding(max(0, min(cuts) - _MARGIN), len(scan.text), "too_many_candidates"))


def _inspect_phrases(scan: Scan, hits: list[engines.Hit]) -> None:
    if any(number == engines.EVERYWHERE for _, number in hits):
        for start, end in seed_phrases.stretches(scan.text):
            seed_phrases.find(scan, start, end)
        return
    ends = [end for end, number in hits if number == engines.PHRASE]
    for start, end in seed_phrases.regions(ends, len(scan.text)):
        seed_phrases.find(scan, start, end)


def _inspect_urls(scan: Scan, hits: list[engines.Hit]) -> None:
    for end, number in hits:
        if number == engines.URL:
            urls.find_all(scan, end)


def _inspect_others(scan: Scan, hits: list[engines.Hit]) -> None:
    inspectors = _inspectors()
    for end, number in _without_repeated_lines(scan.text, hits):
        inspectors[number](scan, end)


def _without_repeated_lines(text: str, hits: list[engines.Hit]) -> list[engines.Hit]:
    """Return the hits without those of assignments in lines that assign no secret, if there are many."""
    ends = [end for end, number in hits if number == engines.ASSIGNMENT]
    if len(ends) < _MANY_ASSIGNMENTS:
        return hits
    remaining = set(repeated_lines.remaining_ends(text, ends))
    if len(remaining) == len(ends):
        return hits
    return [hit for hit in hits if hit[1] != engines.ASSIGNMENT or hit[0] in remaining]


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
