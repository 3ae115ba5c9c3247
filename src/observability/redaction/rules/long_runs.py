"""Find keys in long runs of letters and digits: by their checksum, their form, or the words before them."""

from __future__ import annotations

import bisect
import re
from typing import TYPE_CHECKING

from src.observability.redaction.judging import boundaries, context
from src.observability.redaction.judging.scan import secret_word_positions
from src.observability.redaction.rules import unnamed_keys, wallet_keys

if TYPE_CHECKING:
    from src.observability.redaction.judging.scan import Scan

_RUN = 0  # the number of the gate of long runs
_LONGEST_KEY = 512  # characters; a longer run is a file in base64
_HEX_CAPITALS = re.compile(r"[0-9A-F]+\Z")
_ALNUM = re.compile(r"[A-Za-z0-9]+")
_WIDE = re.compile(r"[A-Za-z0-9_\-+/=.~]{1,256}")
_WIDE_BACK = re.compile(r"[A-Za-z0-9_\-+/=.~]{0,128}")
_HEX = re.compile(r"[0-9a-fA-F]{32}\Z")
_DISCORD = re.compile(r"\.[\w\-]{6}\.[\w\-]{27,45}", re.ASCII)
_MAILCHIMP = re.compile(r"-us\d{1,2}")


_LIST_GAP = 8  # the most characters between the items of a list
_FEW = 16  # runs in a text; below it, inspecting each is faster than looking for words
_REACH_BEFORE, _REACH_AFTER = 360, 96  # characters around a run that `context` reads at most
# The sizes of keys that a checksum tells: WIF, BIP-38, and key pairs in base58 or in hex.
_CHECKED_SIZES = frozenset({51, 52, 58, *range(80, 89), 128, 130})


def without_ordinary(scan: Scan, hits: list[tuple[int, int]], length: int) -> list[tuple[int, int]]:
    """Return the hits without the runs that nothing can make a secret: hashes and ids, of which a text can be full.

    A run is inspected where a word near it may call it secret, where a checksum may tell, or where it mixes capitals
    with small letters, as a key that stands by itself does.
    """
    if scan.hint or scan.strict or len(hits) < _FEW:
        return hits
    text = scan.text
    positions: list[int] | None = None
    remaining: list[tuple[int, int]] = []
    inspected_end = -_LIST_GAP - 1
    for hit in hits:
        if hit[1] == _RUN:
            start = hit[0] - length
            run = _ALNUM.match(text, start)
            stop = run.end() if run else hit[0]
            value = text[start:stop]
            follows_another = start - inspected_end <= _LIST_GAP  # the next of a list
            if (
                not follows_another
                and stop - start not in _CHECKED_SIZES
                and (
                    value.islower() or (value.isupper() and _HEX_CAPITALS.match(value)) or stop - start >= _LONGEST_KEY
                )
            ):
                if positions is None:
                    positions = secret_word_positions(text)
                first = bisect.bisect_left(positions, start - _REACH_BEFORE)
                if first == len(positions) or positions[first] > stop + _REACH_AFTER:
                    continue
            inspected_end = stop
        remaining.append(hit)
    return remaining


def find_run(scan: Scan, end: int, length: int) -> None:
    """Find a key in a long run of letters and digits, by its checksum or by the words before it."""
    text = scan.text
    start = end - length
    match = _ALNUM.match(text, start)
    if not match:
        return
    stop = match.end()
    start += boundaries.escape_length(text, start)
    if start < scan.token_end:
        return
    run = text[start:stop]
    kind = _run_kind(scan, run, start, stop)
    if kind:
        scan.add(start, _run_end(text, kind, stop), kind)
    elif unnamed_keys.is_key(text, start, stop, scan.hint):
        scan.add(unnamed_keys.key_start(text, start), stop, "secret", general=True)
    elif len(run) < _LONGEST_KEY:
        _find_introduced(scan, start, stop)


def _run_kind(scan: Scan, run: str, start: int, stop: int) -> str | None:
    """Return the kind of secret that a run is, or None."""
    if _HEX.match(run.removeprefix("0x").removeprefix("0X")):
        return "mailchimp_key" if _MAILCHIMP.match(scan.text, stop) else None
    if run[0] in "AMNO" and 23 <= len(run) <= 28 and _DISCORD.match(scan.text, stop):
        return "discord_token"
    return wallet_keys.kind_of(scan, run, start, stop)


def _run_end(text: str, kind: str, stop: int) -> int:
    suffix = {"discord_token": _DISCORD, "mailchimp_key": _MAILCHIMP}.get(kind)
    match = suffix.match(text, stop) if suffix else None
    return match.end() if match else stop


def _find_introduced(scan: Scan, start: int, stop: int) -> None:
    """Find a random value that prose introduces as a secret, and that may be wider than its run."""
    text = scan.text
    lead = _WIDE_BACK.match(text[max(0, start - 128) : start][::-1])
    if lead and lead.end() == 128:
        return  # inside long base64, such as an image
    first = start - (
        lead.end() if lead and not boundaries.escape_length(text, start) and text[start - 1 : start] != "\\" else 0
    )
    rest = _WIDE.match(text, first)
    last = rest.end() if rest else stop
    value = text[first:last].rstrip(".")
    name, equals, right = value.partition("=")
    if equals and right.strip("=") and len(name) < start - first:
        first, value = first + len(name) + 1, right
    if not unnamed_keys.is_in_lines(text, first, last) and context.is_introduced(text, first, value, scan.hint):
        scan.add(first, first + len(value), "secret", general=True)
