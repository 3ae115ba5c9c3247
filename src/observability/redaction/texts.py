"""Redact one text: gates by either engine, a close look where they match, then the findings replaced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from src.observability.redaction.engine import engines
from src.observability.redaction.judging import unescaped
from src.observability.redaction.judging.scan import FAILED, Finding, Scan, TooManyError, apply, in_ascii
from src.observability.redaction.rules import (
    assignments,
    configured_secrets,
    nearby_names,
    personal_data,
    seed_phrases,
    shapes,
    urls,
)
from src.observability.redaction.rules.gates import RUN_LENGTH, Close, Gate, gates

if TYPE_CHECKING:
    from collections.abc import Callable

EngineName = Literal["auto", "fast", "plain"]

_CANDIDATES = 20_000  # close looks per text
_MARGIN = 1_024  # before the place where a text is cut, since a secret can begin before its gate ends
_PASSES = 6
_SHORTEST = 6

_LOOKS: dict[Close, Callable[[Scan, int], None]] = {
    Close.ASSIGNMENT: assignments.find,
    Close.NEAR: nearby_names.find,
    Close.SAID: nearby_names.find_said,
    Close.FLAG: assignments.find_flag,
    Close.LOGIN: assignments.find_login,
    Close.BEARER: shapes.find_bearer,
    Close.PEM: shapes.find_pem,
    Close.URL: urls.find,
    Close.BYTES: shapes.find_bytes,
    Close.RUN: lambda scan, end: shapes.find_run(scan, end, RUN_LENGTH),
    Close.JWT: lambda scan, end: shapes.find_jwt(scan, end - 13),
}


@dataclass(frozen=True, slots=True)
class Options:
    """Hold what decides how texts are redacted: our own secrets' forms, the switches, the engine."""

    forms: configured_secrets.Forms = ()
    strict: bool = False
    pii: frozenset[str] = frozenset()
    engine: EngineName = "auto"


def _engine(name: EngineName) -> tuple[engines.Engine, bool]:
    if name == "plain":
        return engines.plain_engine, False
    fast = engines.prepared_engine() if name == "auto" else engines.fast_engine()
    if fast is None and name == "fast":
        raise RuntimeError("the fast engine is not installed")
    return (fast, True) if fast else (engines.plain_engine, False)


def redact(options: Options, text: str, hint: str = "") -> str:
    """Return the text without secrets. Redacting again changes nothing; a failure replaces all of it."""
    try:
        if len(text) < _SHORTEST:
            return text
        for _ in range(_PASSES):
            clean = _once(text, options, hint)
            if clean == text:
                return text if type(text) is str else clean
            text = clean
    except Exception:  # noqa: BLE001 - fail closed, whatever went wrong
        return FAILED
    return FAILED


def _once(text: str, options: Options, hint: str) -> str:
    findings, is_escaped = _findings(text, options, hint)
    escaped = unescaped.decode(text) if is_escaped else None
    if escaped:
        findings = findings + escaped.in_places(_findings(escaped.text, options, hint)[0])
    return apply(text, findings) if findings else text


def _findings(text: str, options: Options, hint: str) -> tuple[list[Finding], bool]:
    """Return the secrets of a text as it stands, and whether it has escapes."""
    engine, is_fast = _engine(options.engine)
    data = in_ascii(text)  # one byte for each character, so that places agree
    hits = engine(data)
    is_escaped = any(number in engines.ESCAPES for _, number in hits)
    scan = Scan(text, hint, options.strict)
    if options.forms:
        configured_secrets.find(scan, engines.present(options.forms, text, data, fast=is_fast))
    if options.pii:
        personal_data.find(scan, options.pii)
    if hits:
        _look(scan, hits)
    return scan.findings, is_escaped


def _look(scan: Scan, hits: list[engines.Hit]) -> None:
    """Look closely where gates matched; what comes after too many of these places is replaced."""
    others = [hit for hit in hits if hit[1] not in engines.PHRASES and hit[1] not in engines.ESCAPES]
    cuts = [others[_CANDIDATES][0]] if len(others) > _CANDIDATES else []
    for look in (_look_at_phrases, _look_at_others):
        try:
            look(scan, hits if look is _look_at_phrases else others[:_CANDIDATES])
        except TooManyError as error:
            cuts.append(error.position)
    if cuts:
        scan.findings.append(Finding(max(0, min(cuts) - _MARGIN), len(scan.text), "too_many_candidates"))


def _look_at_phrases(scan: Scan, hits: list[engines.Hit]) -> None:
    ends = [end for end, number in hits if number in engines.PHRASES]
    for start, end in seed_phrases.regions(ends, len(scan.text)):
        seed_phrases.find(scan, start, end)


def _look_at_others(scan: Scan, hits: list[engines.Hit]) -> None:
    rows = gates()
    for end, number in hits:
        _look_at(scan, end, rows[number])


def _look_at(scan: Scan, end: int, gate: Gate) -> None:
    if gate.token is None:
        _LOOKS[gate.close](scan, end)
    else:
        shapes.find_token(scan, gate.token, end - gate.length, end)
