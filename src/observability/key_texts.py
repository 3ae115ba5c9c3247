"""Check the texts of keys and addresses for characters that copying and editors put into them."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_QUOTES: Final = "\"'`"
_PRINTABLE: Final = re.compile(r"[!-~]*")
_MAYBE_KEY: Final = re.compile(r"(?=[\w-]*\d)[\w-]{20,}")
_NAMES: Final = {"\n": "a line end", "\r": "a line end", "\t": "a tab", " ": "a space"}


def key_problem(key: str) -> str | None:
    """Return what is wrong in a key that is to be sent in an HTTP header, without any of its own characters.

    Returns:
        A clause such as «holds a zero width space (U+200B), its character 12 of 40»; None where the key can be sent.
    """
    if not _PRINTABLE.fullmatch(key):
        position, character = next((at, item) for at, item in enumerate(key) if not "!" <= item <= "~")
        return f"holds {_described(character)}, its character {position + 1} of {len(key)}"
    if key[:1] in _QUOTES and key[:1]:
        return "begins with a quotation mark"
    if key[-1:] in _QUOTES and key[-1:]:
        return "ends with a quotation mark"
    return None


def address_problem(address: str, *, needs_scheme: bool = True) -> str | None:
    """Return what is wrong in an HTTP address, which is not shown; None where requests can be sent to it.

    Args:
        address: As it is configured, without white space around it.
        needs_scheme: Whether it must begin with https:// or http://, as all addresses but Ollama's must.
    """
    from urllib.parse import urlsplit

    bad = next((item for item in address if item in _QUOTES or item.isspace() or not item.isprintable()), None)
    if bad is not None:
        return f"holds {_described(bad)}"
    scheme, separator, _ = address.partition("://")
    if not separator and needs_scheme:
        return "must begin with https:// or http://"
    if separator and scheme.lower() not in ("http", "https"):
        return "must begin with https:// or http://"
    try:
        parts = urlsplit(address if separator else f"http://{address}")
        host = parts.hostname
        _ = parts.port
        if host:
            host.encode("ascii" if host.isascii() else "idna")
    except ValueError as error:
        return "has a port that is no number" if "port" in str(error).lower() else "names no host that can be read"
    return None if host or not needs_scheme else "names no host"


def shown_address(address: str) -> str:
    """Return an address that cannot be read without what may be secret: user, password, query, a key in its place."""
    scheme, separator, rest = address.partition("://")
    if not separator:
        scheme, rest = "", address
    rest = re.split(r"[?#]", rest.rpartition("@")[2], maxsplit=1)[0]
    shown = f"{scheme}{separator}{rest}"
    shown = _MAYBE_KEY.sub(lambda match: f"[{len(match[0])} characters]", shown)
    return "".join(item if item.isprintable() else f"<U+{ord(item):04X}>" for item in shown)


def _described(character: str) -> str:
    if character in _NAMES:
        return _NAMES[character]
    if character in _QUOTES:
        return "a quotation mark"
    number = f"U+{ord(character):04X}"
    if "\ud800" <= character <= "\udfff":
        return f"a byte that is no UTF-8 ({number})"
    name = "byte order mark" if character == "\ufeff" else unicodedata.name(character, "a control character").lower()
    article = "" if name.startswith("a ") else "an " if name[0] in "aeiou" else "a "
    return f"{article}{name} ({number})"
