"""Know a generated key by itself: a long run that mixes capitals, small letters and digits, and is nothing public."""

from __future__ import annotations

import re

from src.observability.redaction.judging import checks, context

_SHORTEST, _LONGEST = 32, 160
_CLASSES = (re.compile(r"[A-Z]"), re.compile(r"[a-z]"), re.compile(r"[0-9]"))
_NOT_BASE58 = re.compile(r"[0OIl]")
_LONGER_THAN_ADDRESSES = range(53, 81)  # of base58: neither an address (to 52) nor a signature (85 and more)
_ALIKE = re.compile(r"[A-Z]+|[a-z]+|[0-9]+")  # of a generated key there are many, of a name in capitals few
_WIDE = frozenset("_-+/=~.%$@")  # what makes a run a part of something: of base64, of an address, of a path
# What an issuer puts before its keys: salad_cloud_, sqco_
_PREFIX = re.compile(r"(?<![\w\-+/=~.%$@:])(?:[a-z][a-z0-9]{1,11}[_-]){1,3}\Z")
_PREFIX_LONGEST = 40
_LINE = 144
_NAMED = re.compile(r"(?:^|[\s\"'`,;({\[])[\w.\-]{1,32}=\Z")  # of a line of settings or of a log, not of an address
_NOT_KEYS = re.compile(
    r"(?:chatcmpl|cmpl|resp|msg|call|toolu|req|run|thread|file|asst|batch|gen|rs|fc|evt|cs|pi)[_-]\Z"
)
# A line of base64 before or after, or what is left of one.
_NEXT_LINE = re.compile(r"(?:\r?\n|\\r\\n|\\n)(?:[A-Za-z0-9+/=]{40}|[A-Za-z0-9+/=]{0,76}\[REDACTED:)")
_LAST_LINE = re.compile(
    r"(?:[A-Za-z0-9+/=]{40}|\[REDACTED:[a-z0-9_]{1,40}\][A-Za-z0-9+/=]{0,76})(?:\r?\n|\\r\\n|\\n)\Z"
)
_LINE_ENDS = frozenset("\nn")
_TON = re.compile(r"[EUk0]Q")  # an address of the TON network, of 48 characters


def begin(text: str, start: int) -> int:
    """Return where a key begins whose random part starts at `start`: its prefix belongs to it."""
    prefix = _PREFIX.search(text, max(0, start - _PREFIX_LONGEST), start)
    return prefix.start() if prefix else start


def is_key(text: str, start: int, end: int, hint: str) -> bool:
    """Say whether a run of letters and digits is a key, whatever stands around it."""
    if not _SHORTEST <= end - start <= _LONGEST or text[end : end + 1] in _WIDE - {"."}:
        return False
    run = text[start:end]
    if not all(kind.search(run) for kind in _CLASSES) or not _stands_alone(text, start, end):
        return False
    if not _NOT_BASE58.search(run) and len(run) not in _LONGER_THAN_ADDRESSES:
        return False
    if (len(run) == 48 and _TON.match(run)) or checks.is_hex(run) or len(_ALIKE.findall(run)) < len(run) * 2 // 5:
        return False
    return not context.is_public(text, start, hint)


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Say whether a run is no part of something longer: an address, a path, a text of base64 in lines."""
    previous = text[start - 1 : start]
    if previous in _WIDE and not (previous == "=" and _NAMED.search(text, max(0, start - _PREFIX_LONGEST), start)):
        prefix = _PREFIX.search(text, max(0, start - _PREFIX_LONGEST), start)
        if not prefix or _NOT_KEYS.search(prefix.group()):
            return False
    return not is_in_lines(text, start, end)


def is_in_lines(text: str, start: int, end: int) -> bool:
    """Say whether a run is a line of many, of an image or a certificate in base64."""
    if _NEXT_LINE.match(text, end):
        return True
    begins = text[start - 1 : start] in _LINE_ENDS  # few do, and the search is slow
    return begins and bool(_LAST_LINE.search(text, max(0, start - _LINE), start))
