"""Recognise a generated key by itself: a long run of upper case, lower case and digits that is nothing public."""

from __future__ import annotations

import re

from src.observability.redaction.judging import checks, context

_SHORTEST, _LONGEST = 32, 160
_LONG_CAPITALS = 48  # of capitals and digits alone, which are fewer kinds
_CLASSES = (re.compile(r"[A-Z]"), re.compile(r"[a-z]"), re.compile(r"[0-9]"))
_BASE58 = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_LONGER_THAN_ADDRESSES = range(
    53, 81
)  # in base58: longer than an address (at most 52), shorter than a signature (at least 85)
_LONGEST_ALONE = _LONGER_THAN_ADDRESSES.stop
_ONE_CLASS = re.compile(r"[A-Z]+|[a-z]+|[0-9]+")  # a generated key has many such runs, a name few
_WIDE = frozenset("_-+/=~.%$@")  # beside a run they make it a part of base64, of a URL or of a path
_NOT_AFTER = frozenset(char.encode() for char in _WIDE - {"."})
# The prefix of an issuer: salad_cloud_, sqco_
_PREFIX = re.compile(r"(?<![\w\-+/=~.%$@:])(?:[a-z][a-z0-9]{1,11}[_-]){1,3}\Z")
_PREFIX_LONGEST = 40
_LINE = 144
_SETTING = re.compile(r"(?:^|[\s\"'`,;({\[])[\w.\-]{1,32}=\Z")  # `name=` in settings or in a log, as opposed to a URL
_NOT_KEYS = re.compile(
    r"(?:chatcmpl|cmpl|resp|msg|call|toolu|req|run|thread|file|asst|batch|gen|rs|fc|evt|cs|pi)[_-]\Z"
)
# A line of base64 before or after, or what redaction has left of one.
_NEXT_LINE = re.compile(r"(?:\r?\n|\\r\\n|\\n)(?:[A-Za-z0-9+/=]{40}|[A-Za-z0-9+/=]{0,76}\[REDACTED:)")
_LAST_LINE = re.compile(
    r"(?:[A-Za-z0-9+/=]{40}|\[REDACTED:[a-z0-9_]{1,40}\][A-Za-z0-9+/=]{0,76})(?:\r?\n|\\r\\n|\\n)\Z"
)
_LINE_ENDS = frozenset("\nn")
_TON_ADDRESS = re.compile(r"[EUk0]Q")  # TON addresses have 48 characters


def key_start(text: str, start: int) -> int:
    """Return the start of the key whose random part starts at `start`; an issuer's prefix belongs to the key."""
    prefix = _PREFIX.search(text, max(0, start - _PREFIX_LONGEST), start)
    return prefix.start() if prefix else start


def may_be_key(run: bytes, after: bytes) -> bool:
    """Return whether a run, with the character after it, can be a key: the part of `is_key` that reads no more."""
    size = len(run)
    if not _SHORTEST <= size <= _LONGEST or after in _NOT_AFTER:
        return False
    if size >= _LONG_CAPITALS and run.isupper():
        return True
    return bool(run.translate(None, _BASE58)) or size in _LONGER_THAN_ADDRESSES


def reads_as_signature(run: bytes, digits: bytes) -> bool:
    """Return whether a run, of these digits in base58, is in both cases and too long for a key that stands alone."""
    return len(run) >= _LONGEST_ALONE and checks.NO_DIGIT58 not in digits and not run.isupper()


def is_key(text: str, start: int, end: int, hint: str) -> bool:
    """Return whether a run of letters and digits is a key, without a name near it."""
    run = text[start:end]
    if not may_be_key(run.encode("ascii", "replace"), text[end : end + 1].encode("ascii", "replace")):
        return False
    if len(run) >= _LONG_CAPITALS and run.isupper() and run.isascii() and _stands_alone(text, start, end):
        return (
            not checks.is_hex(run)
            and len(_ONE_CLASS.findall(run)) >= len(run) // 4
            and not context.is_public(text, start, hint)
        )
    if not all(kind.search(run) for kind in _CLASSES) or not _stands_alone(text, start, end):
        return False
    if (
        (len(run) == 48 and _TON_ADDRESS.match(run))
        or checks.is_hex(run)
        or len(_ONE_CLASS.findall(run)) < len(run) * 2 // 5
    ):
        return False
    return not context.is_public(text, start, hint)


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Return whether a run is not part of something longer: a URL, a path, lines of base64."""
    previous = text[start - 1 : start]
    if previous in _WIDE and not (previous == "=" and _SETTING.search(text, max(0, start - _PREFIX_LONGEST), start)):
        prefix = _PREFIX.search(text, max(0, start - _PREFIX_LONGEST), start)
        if not prefix or _NOT_KEYS.search(prefix.group()):
            return False
    return not is_in_lines(text, start, end)


def is_in_lines(text: str, start: int, end: int) -> bool:
    """Return whether a run is one of several lines of base64, as of an image or a certificate."""
    if _NEXT_LINE.match(text, end):
        return True
    starts_line = text[start - 1 : start] in _LINE_ENDS  # checked first, since the search is slow
    return starts_line and bool(_LAST_LINE.search(text, max(0, start - _LINE), start))
