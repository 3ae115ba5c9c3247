"""Operations on texts that may have unknown parts: methods of strings, templates, joining."""

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
# Methods of a text that return a text. Where an operand is unknown, the text itself stands for the result.
METHODS = frozenset({
    "strip", "rstrip", "lstrip", "lower", "upper", "casefold", "swapcase", "removesuffix", "removeprefix", "replace",
    "encode", "decode", "as_posix", "resolve", "expanduser", "absolute", "geturl", "human_repr",
})  # fmt: skip
PERCENT = re.compile(r"%(?:\((\w+)\))?[#0\- +]*\d*(?:\.\d+)?[srdiaxf]")
_BRACES = re.compile(r"\{(\w*)[^{}]*\}")
_DOLLAR = re.compile(r"\$\{?(\w+)\}?")
TEMPLATES = {"format": _BRACES, "format_map": _BRACES, "substitute": _DOLLAR, "safe_substitute": _DOLLAR}


def unknown(label: str = "") -> str:
    """Return the placeholder for a part that is not constant."""
    return f"{START}{label}{END}"


def apply_method(name: str, text: str, arguments: Sequence[str]) -> str:
    """Return the result of a method of a text, or the text itself where the result is unknown."""
    if START in text or any(START in argument for argument in arguments):
        return text
    try:
        value = getattr(text, name)(*arguments)
    except (AttributeError, TypeError, ValueError, LookupError):
        return text
    return value[:LONGEST] if isinstance(value, str) else text


def slice_text(text: str, bounds: Sequence[str | None]) -> str | None:
    """Return a slice of a text, or None where the text or a bound is unknown."""
    try:
        numbers = [None if bound is None else int(bound) for bound in bounds]
        return None if START in text else text[slice(*numbers)]
    except ValueError:
        return None


def _from_base64(text: str) -> str:
    return base64.b64decode(text).decode()


def _from_hex(text: str) -> str:
    return bytes.fromhex(text).decode()


_DECODERS: dict[str, Callable[[str], str]] = {
    "chr": lambda text: chr(int(text)),
    "b64decode": _from_base64, "standard_b64decode": _from_base64, "urlsafe_b64decode": _from_base64,
    "fromhex": _from_hex, "unhexlify": _from_hex, "reversed": lambda text: text[::-1],
}  # fmt: skip


def decode(function: str, text: str) -> str | None:
    """Return the text that a function such as `chr` or `b64decode` makes of another; None where it makes none."""
    decoder = _DECODERS.get(function)
    if decoder is None or START in text:
        return None
    try:
        return decoder(text)
    except (ValueError, OverflowError, binascii.Error):
        return None


def join(parts: Iterable[tuple[str, ...]], between: str = "") -> list[str]:
    """Return the texts that parts make together, where each part may be any of several texts."""
    texts = [""]
    for index, choices in enumerate(parts):
        separator = between if index else ""
        texts = [(text + separator + choice)[:LONGEST] for text in texts for choice in choices][:MOST]
    return texts


def fill_template(text: str, holes: re.Pattern[str], values: dict[str, tuple[str, ...]]) -> list[str]:
    """Return a template with its holes filled, by name or by position; what is unknown stays unknown."""
    parts: list[tuple[str, ...]] = []
    end = position = 0
    for hole in holes.finditer(text):
        key = hole[1] or str(position)
        position += not hole[1]
        parts += [(text[end : hole.start()],), values.get(key) or values.get("*") or (unknown(key),)]
        end = hole.end()
    return join([*parts, (text[end:],)])


def first_distinct(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the first few different texts, and evaluate no more of them."""
    distinct: dict[str, None] = {}
    for text in texts:
        distinct[text] = None
        if len(distinct) >= MOST:
            break
    return tuple(distinct)
