"""Work on texts that may have unknown parts: methods of strings, holes of templates, joined parts."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

START, END = "\0", "\1"  # around the label of a part that is not constant
MOST = 8
LONGEST = 2000
# Methods that give a text from texts. Where something is unknown, the text that they are asked of stands for theirs.
METHODS = frozenset({
    "strip", "rstrip", "lstrip", "lower", "upper", "casefold", "swapcase", "removesuffix", "removeprefix", "replace",
    "encode", "decode", "as_posix", "resolve", "expanduser", "absolute", "geturl", "human_repr",
})  # fmt: skip
_PERCENT = re.compile(r"%(?:\((\w+)\))?[#0\- +]*\d*(?:\.\d+)?[srdiaxf]")
_BRACES = re.compile(r"\{(\w*)[^{}]*\}")
_DOLLAR = re.compile(r"\$\{?(\w+)\}?")
TEMPLATES = {"format": _BRACES, "format_map": _BRACES, "substitute": _DOLLAR, "safe_substitute": _DOLLAR}
PERCENT = _PERCENT


def unknown(label: str = "") -> str:
    """Return the text that stands for a part that is not constant."""
    return f"{START}{label}{END}"


def method(name: str, text: str, arguments: Sequence[str]) -> str:
    """Return what a method of a text gives, or the text where that is not known."""
    if START in text or any(START in one for one in arguments):
        return text
    try:
        value = getattr(text, name)(*arguments)
    except (AttributeError, TypeError, ValueError, LookupError):
        return text
    return value[:LONGEST] if isinstance(value, str) else text


def slice_of(text: str, bounds: Sequence[str | None]) -> str | None:
    """Return a slice of a text, or None where text or bounds are not known."""
    try:
        numbers = [None if one is None else int(one) for one in bounds]
        return None if START in text else text[slice(*numbers)]
    except ValueError:
        return None


def _from_base64(text: str) -> str:
    return base64.b64decode(text).decode()


def _from_hex(text: str) -> str:
    return bytes.fromhex(text).decode()


_MADE: dict[str, Callable[[str], str]] = {
    "chr": lambda text: chr(int(text)),
    "b64decode": _from_base64, "standard_b64decode": _from_base64, "urlsafe_b64decode": _from_base64,
    "fromhex": _from_hex, "unhexlify": _from_hex, "reversed": lambda text: text[::-1],
}  # fmt: skip


def made(function: str, text: str) -> str | None:
    """Return the text that a function such as `chr` makes of another; None where it does not or cannot."""
    maker = _MADE.get(function)
    if maker is None or START in text:
        return None
    try:
        return maker(text)
    except (ValueError, OverflowError, binascii.Error):
        return None


def join(parts: Iterable[tuple[str, ...]], between: str = "") -> list[str]:
    """Return the texts that parts, each of which may be one of several, make together."""
    texts = [""]
    for index, part in enumerate(parts):
        glue = between if index else ""
        texts = [(text + glue + one)[:LONGEST] for text in texts for one in part][:MOST]
    return texts


def fill(text: str, holes: re.Pattern[str], values: dict[str, tuple[str, ...]]) -> list[str]:
    """Return a template with its holes filled, by name or in turn; what is not known stays unknown."""
    parts: list[tuple[str, ...]] = []
    at = turn = 0
    for hole in holes.finditer(text):
        key = hole[1] or str(turn)
        turn += not hole[1]
        parts += [(text[at : hole.start()],), values.get(key) or values.get("*") or (unknown(key),)]
        at = hole.end()
    return join([*parts, (text[at:],)])


def few(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the first few different ones."""
    kept: dict[str, None] = {}
    for text in texts:
        kept[text] = None
        if len(kept) >= MOST:
            break
    return tuple(kept)
