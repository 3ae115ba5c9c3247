"""Find keys in long runs of letters and digits: by their checksum, their form, or the words before them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from src.observability.redaction.judging import boundaries, checks, context
from src.observability.redaction.judging.nearby_words import NearbyWords
from src.observability.redaction.rules import encoded_texts, phrase_layouts, unnamed_keys, wallet_keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from src.observability.redaction.judging.nearby_words import Search
    from src.observability.redaction.judging.scan import Scan

_LONGEST_KEY = 512  # characters; a longer run is a file in base64
_ALNUM = re.compile(r"[A-Za-z0-9]+")
_WIDE = re.compile(r"[A-Za-z0-9_\-+/=.~]{1,256}")
_WIDE_BACK = re.compile(r"[A-Za-z0-9_\-+/=.~]{0,128}")
_HEX = re.compile(r"[0-9a-fA-F]{32}\Z")
_DISCORD = re.compile(r"\.[\w\-]{6}\.[\w\-]{27,45}", re.ASCII)
_MAILCHIMP = re.compile(r"-us\d{1,2}")
_LONGEST_DISCORD, _LONGEST_MAILCHIMP = 28, 34  # of their runs
_LIST_GAP = 8  # the most characters between the items of a list
_REACH_BEFORE, _REACH_AFTER = 360, 96  # characters around a run that `context` reads at most
_VALUE_BEFORE, _PAIR_BEFORE = 160, 128  # characters before a run with `value:`, and before that with `name: X`
# The sizes of keys in base58 or in hex that a checksum tells: WIF and BIP-38, which have 51, 52 and 58, and pairs.
_SHORTEST_ADDRESS, _LONGEST_ADDRESS = 32, 44
_BEFORE_ADDRESS = frozenset(bytes([sign]) for sign in b" \t\n\"'`,:;([{<>|")
_WIDE_SIGNS = frozenset(bytes([sign]) for sign in b"_-+/=.~")
_CHECKED_SIZES = frozenset({51, 52, 58, 128, 130})
_SHORTEST_PAIR, _LONGEST_PAIR = 80, 88
_HEX_DIGITS = b"0123456789abcdefABCDEFxX"
_ASCII_DIGITS = frozenset(encoded_texts.ASCII_DIGITS)
_MARKS_BEFORE = frozenset(b"\\%[;")  # the end of what stands before a run that an escape's letters begin


def candidates(scan: Scan, data: bytes, runs: Iterable[tuple[int, int]], length: int, search: Search) -> Iterator[int]:
    """Yield the position of the character number `length` of each long run that may be a secret.

    Hashes, addresses and signatures, of which a text can be full, are left out: nothing makes one a secret unless a
    word near it may call it so, its checksum tells, or it looks like a key that stands by itself.
    """
    words = NearbyWords(data, search)
    clear_until = 0  # no word that may call a value secret begins before, from the last run on
    everything = bool(scan.hint) or scan.strict
    yielded_end = -_LIST_GAP - 1
    has_names = b"name" in data and b"value" in data
    for start, stop in runs:
        reach = stop + _REACH_AFTER
        if reach >= clear_until:
            clear_until = words.first(start - _REACH_BEFORE, reach)
        is_next = start - yielded_end <= _LIST_GAP  # the next of a list
        if not (everything or is_next or has_names) and _is_plain_address(words, data, start, stop):
            continue
        if (
            everything
            or clear_until <= reach
            or is_next
            or (data[start] in _ASCII_DIGITS and encoded_texts.may_be_text(data, start, stop))
            or _may_be_secret(scan, data, start, stop)
            or (has_names and _is_value(data, start))
        ):
            yielded_end = stop
            yield start + length


def _is_plain_address(words: NearbyWords, data: bytes, start: int, stop: int) -> bool:
    """Return whether a run is a public address beside no word that makes such a value a key, as in a market's data."""
    if not _SHORTEST_ADDRESS <= stop - start <= _LONGEST_ADDRESS:
        return False
    if data[start - 1 : start] not in _BEFORE_ADDRESS or data[stop : stop + 1] in _WIDE_SIGNS:
        return False
    return not words.has_strong(start - _REACH_BEFORE, start) and checks.is_address(data[start:stop].decode())


def _may_be_secret(scan: Scan, data: bytes, start: int, stop: int) -> bool:
    """Return whether a run may be a secret by itself, whatever stands near it."""
    if data[start - 1] in _MARKS_BEFORE and start:
        start += boundaries.escape_length(scan.text, start)
    run = data[start:stop]
    size = stop - start
    if _SHORTEST_PAIR <= size <= _LONGEST_PAIR:
        places = checks.base58_digits(run)
        if wallet_keys.may_be_pair(scan, run, places, start):
            return True
        if unnamed_keys.reads_as_signature(run, places):
            return False  # most runs of this size
    elif size in _CHECKED_SIZES:
        return True
    after = data[stop : stop + 1]
    if after == b"." and size <= _LONGEST_DISCORD:
        return True
    if size >= phrase_layouts.SHORTEST_JOINED and run.isalpha():
        return True
    if run.islower() or not run.strip(_HEX_DIGITS):
        return after == b"-" and size <= _LONGEST_MAILCHIMP
    return unnamed_keys.may_be_key(run, after)


def _is_value(data: bytes, start: int) -> bool:
    """Return whether `name: X` and `value:` may stand before a run."""
    value = data.rfind(b"value", max(0, start - _VALUE_BEFORE), start)
    return value >= 0 and data.rfind(b"name", max(0, value - _PAIR_BEFORE), value) >= 0


def find_run(scan: Scan, end: int, length: int) -> None:
    """Find a key in a long run of letters and digits, by its checksum or by the words before it."""
    text = scan.text
    start = end - length
    match = _ALNUM.match(text, start)
    if not match:
        return
    stop = match.end()
    escape_length = boundaries.escape_length(text, start)
    start += escape_length
    if start < scan.token_end:
        return
    run = text[start:stop]
    kind = _run_kind(scan, run, start, stop)
    if kind:
        scan.add(start, _run_end(text, kind, stop), kind)
    elif unnamed_keys.is_key(text, start, stop, scan.hint):
        scan.add(unnamed_keys.key_start(text, start), stop, "secret", general=True)
    elif len(run) < _LONGEST_KEY:
        _find_introduced(scan, start, stop, follows_escape=escape_length > 0)


def _run_kind(scan: Scan, run: str, start: int, stop: int) -> str | None:
    """Return the kind of secret that a run is, or None."""
    if _HEX.match(run.removeprefix("0x").removeprefix("0X")):
        return "mailchimp_key" if _MAILCHIMP.match(scan.text, stop) else None
    if run[0] in "AMNO" and 23 <= len(run) <= 28 and _DISCORD.match(scan.text, stop):
        return "discord_token"
    return "seed_phrase" if phrase_layouts.is_joined(run) else wallet_keys.kind_of(scan, run, start, stop)


def _run_end(text: str, kind: str, stop: int) -> int:
    suffix = {"discord_token": _DISCORD, "mailchimp_key": _MAILCHIMP}.get(kind)
    match = suffix.match(text, stop) if suffix else None
    return match.end() if match else stop


def _find_introduced(scan: Scan, start: int, stop: int, *, follows_escape: bool) -> None:
    """Find a random value that prose introduces as a secret, and that may be wider than its run."""
    text = scan.text
    lead = _WIDE_BACK.match(text[max(0, start - 128) : start][::-1])
    if lead and lead.end() == 128:
        return  # inside long base64, such as an image
    first = start - (lead.end() if lead and not follows_escape else 0)
    rest = _WIDE.match(text, first)
    last = rest.end() if rest else stop
    value = text[first:last].rstrip(".")
    name, equals, right = value.partition("=")
    if equals and right.strip("=") and len(name) < start - first:
        first, value = first + len(name) + 1, right
    if not unnamed_keys.is_in_lines(text, first, last) and context.is_introduced(text, first, value, scan.hint):
        scan.add(first, first + len(value), "secret", general=True)
