"""Checks of a value by itself: checksums, and whether it reads as words, as a number or as random characters."""

from __future__ import annotations

import functools
import hashlib
import hmac
import math
import operator
import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_DIGIT58 = {char: index for index, char in enumerate(_BASE58)}
NO_DIGIT58 = 255
_DIGITS58 = bytes(_DIGIT58.get(chr(code), NO_DIGIT58) for code in range(256))
_WEIGHTS58 = tuple(58**place for place in range(100))


def base58_decode(text: str) -> bytes | None:
    """Return the bytes that a base58 text spells, or None where a character is not of base58."""
    digits = text.encode("ascii", "replace").translate(_DIGITS58)
    if not digits or max(digits) >= len(_BASE58):
        return b"" if not text else None
    weights = _WEIGHTS58 if len(digits) <= len(_WEIGHTS58) else [58**place for place in range(len(digits))]
    number: int = sum(map(operator.mul, reversed(digits), weights))
    leading = len(text) - len(text.lstrip("1"))
    return b"\0" * leading + number.to_bytes((number.bit_length() + 7) // 8, "big")


def base58_digits(text: bytes) -> bytes:
    """Return the value of each character as a digit of base58, NO_DIGIT58 where it is none."""
    return text.translate(_DIGITS58)


def base58_last_byte(digits: bytes) -> int:
    """Return the last of the bytes that eight digits of base58 or more spell.

    58 is even, so that digits beyond the eighth from the end add multiples of 256.
    """
    eighth, seventh, sixth, fifth, fourth, third, second, last = digits[-8:]
    # The powers of 58, modulo 256.
    return (
        last + 58 * second + 36 * third + 40 * fourth + 16 * fifth + 160 * sixth + 64 * seventh + 128 * eighth
    ) & 255


def base58check(text: str) -> bytes | None:
    """Return the payload where the last four bytes are its double SHA-256 (Bitcoin's base58check)."""
    data = base58_decode(text)
    if data is None or len(data) < 5:
        return None
    payload, checksum = data[:-4], data[-4:]
    digest = hashlib.sha256(hashlib.sha256(payload).digest()).digest()
    return payload if digest[:4] == checksum else None


def is_wif(text: str) -> bool:
    """Return whether a text is a private key in Bitcoin's wallet import format, any network's."""
    payload = base58check(text)
    if payload is None:
        return False
    return len(payload) == 33 or (len(payload) == 34 and payload[-1] == 1)


def is_bip38(text: str) -> bool:
    """Return whether a text is a private key encrypted by BIP-38."""
    payload = base58check(text)
    return payload is not None and len(payload) == 39 and payload[:2] in {b"\x01\x42", b"\x01\x43"}


@functools.cache
def _ed25519_public() -> Callable[[bytes], bytes] | None:
    """Return the function that derives a public key from a seed, or None where no library offers it."""
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except Exception:  # noqa: BLE001 - a broken installation counts as none; the context then decides
        return None
    return lambda seed: Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def is_ed25519_pair(data: bytes) -> bool | None:
    """Return whether 64 bytes are a seed and its own public key; None without a library that can tell."""
    if len(data) != 64:
        return False
    derive = _ed25519_public()
    if derive is None:
        return None
    return derive(data[:32]) == data[32:]


LANGUAGES = (
    "english", "spanish", "french", "italian", "portuguese", "czech", "turkish", "russian", "japanese", "korean",
    "chinese_simplified", "chinese_traditional",
)  # fmt: skip


def plain_word(word: str) -> str:
    """Return a word as the lists have it: in lower case, decomposed (BIP-39 requires NFKD)."""
    return word.lower() if word.isascii() else unicodedata.normalize("NFKD", word.lower())


_DAMAGED = {"сно\ufffd\ufffd\u0430": "сноха"}  # the Russian list of mnemonic 0.21 has an encoding error


@functools.cache
def bip39_index(language: str = "english") -> dict[str, int]:
    """Return each BIP-39 word's number in its list, or an empty mapping where no list is installed."""
    try:
        from mnemonic import Mnemonic

        words = Mnemonic(language).wordlist
    except Exception:  # noqa: BLE001 - a missing or broken package counts as no list
        return {}
    return {plain_word(_DAMAGED.get(word, word)): index for index, word in enumerate(words)}


@functools.cache
def bip39_words() -> frozenset[str]:
    """Return the words of all BIP-39 lists."""
    return frozenset(word for language in LANGUAGES for word in bip39_index(language))


BIP39_SIZES = (12, 15, 18, 21, 24)
_WORD_BITS = 11
_LONGEST_PHRASE = (1 << BIP39_SIZES[-1] * _WORD_BITS) - 1


def bip39_phrases(words: Sequence[str], language: str = "english") -> Iterator[tuple[int, int]]:
    """Yield the start and the end of every phrase in a sequence of words, overlapping ones too.

    The words are those of one language's list, as `plain_word` returns them. A phrase is a sequence of 12, 15, 18, 21
    or 24 words whose last bits are the checksum of the others (BIP-39).
    """
    index = bip39_index(language)
    number = 0  # the bits of the last 24 words
    for end, word in enumerate(words, 1):
        number = (number << _WORD_BITS | index[word]) & _LONGEST_PHRASE
        for size in BIP39_SIZES:
            if size > end:
                break
            if _has_checksum(number & ((1 << size * _WORD_BITS) - 1), size):
                yield end - size, end


def _has_checksum(number: int, size: int) -> bool:
    """Return whether the bits of a phrase of `size` words end with the checksum of those before."""
    checksum_bits = size // 3
    entropy = (number >> checksum_bits).to_bytes(size * 4 // 3, "big")
    return number & ((1 << checksum_bits) - 1) == hashlib.sha256(entropy).digest()[0] >> (8 - checksum_bits)


_ELECTRUM_VERSIONS = ("01", "100", "101", "102")


def is_electrum(words: Sequence[str]) -> bool:
    """Return whether words are a seed of Electrum, whose hash begins with a version, by chance once in 200."""
    digest = hmac.digest(b"Seed version", " ".join(words).encode(), "sha512").hex()
    return digest.startswith(_ELECTRUM_VERSIONS)


def is_luhn(digits: str) -> bool:
    """Return whether digits carry a right Luhn checksum, as payment cards do."""
    total = 0
    for position, char in enumerate(reversed(digits)):
        value = int(char)
        if position % 2:
            value = value * 2 - 9 if value > 4 else value * 2
        total += value
    return total % 10 == 0


def entropy(text: str) -> float:
    """Return the Shannon entropy of a text's characters, in bits per character."""
    length = len(text)
    return -sum(count / length * math.log2(count / length) for count in (text.count(char) for char in set(text)))


_EXAMINED = 128  # characters of a value
_TOKEN = re.compile(r"[A-Za-z0-9]+")
_RUN = re.compile(r"[A-Za-z]+|[0-9]+")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}\Z")
_SYMBOL = re.compile(r"\$?[A-Z0-9]{1,14}(?:[-/_:.][A-Z0-9]{1,10}){0,3}\Z")
_HEX = re.compile(r"(?:0[xX])?[0-9a-fA-F]+\Z")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")
_NUMBER = re.compile(r"[-+$]?[\d.,_:%/TZ \-+]*(?:[eE][-+]?\d+)?[%kKmMbB]?\Z")


def is_address(text: str) -> bool:
    """Return whether a text is a public address: 0x and 40 hex digits, or base58 of 32 bytes."""
    if _ADDRESS.match(text):
        return True
    return 32 <= len(text) <= 44 and _spells_32_bytes(text)


@functools.lru_cache(maxsize=1024)
def _spells_32_bytes(text: str) -> bool:
    data = base58_decode(text)
    return data is not None and len(data) == 32


def is_hex(text: str) -> bool:
    """Return whether a text is made of hex digits, with 0x before them or without."""
    return bool(_HEX.match(text))


def is_symbol(text: str) -> bool:
    """Return whether a text is a ticker such as BTC, SOL/USDT or 1000PEPE."""
    return len(text) <= 20 and bool(_SYMBOL.match(text))


def is_uuid(text: str) -> bool:
    """Return whether a text is a UUID."""
    return bool(_UUID.match(text))


def is_number(text: str) -> bool:
    """Return whether a text is a number, a price, a percentage or a date."""
    return bool(_NUMBER.match(text))


_PATH_START = re.compile(r"(?:~|\.{1,2}|[A-Za-z]:|%\w{2,32}%|\$\{?\w{2,32}\}?|file://)?[/\\]")
_SEPARATOR = re.compile(r"[/\\]+")
_FILE_KIND = re.compile(
    r"\.(?:json|pem|key|crt|cer|p12|pfx|jks|kdbx|ya?ml|toml|ini|cfg|conf|env|txt|db|sqlite|asc|gpg|pub|service)\Z",
    re.IGNORECASE,
)


def is_path(text: str) -> bool:
    """Return whether a text is the path of a file or folder: a beginning as paths have it, then names of words.

    Base64 may begin with a slash too, so that a name which looks random makes the whole no path.
    """
    beginning = _PATH_START.match(text)
    if beginning is None or len(text) > 1024 or "\n" in text:
        return False
    names = [name for name in _SEPARATOR.split(text[beginning.end() :]) if name]
    if not names or any(looks_random(name, 16) and not _FILE_KIND.search(name) for name in names):
        return False
    return len(names) > 1 or beginning.group() != "/" or bool(_FILE_KIND.search(names[0]))


def is_wordy(text: str) -> bool:
    """Return whether a text is made of words and small numbers, like an identifier, a model name or a slug."""
    return _is_wordy(text[:_EXAMINED])


@functools.lru_cache(maxsize=1024)
def _is_wordy(text: str) -> bool:
    tokens = _TOKEN.findall(text)
    changes = 0  # between letters and digits within a token: `4o` has one, a random token many
    for token in tokens:
        runs = _RUN.findall(token)
        changes += len(runs) - 1
        longest = 4 if len(runs) > 1 else 10
        if any(len(run) > longest if run[0].isdigit() else not _looks_like_word(run) for run in runs):
            return False
    return changes <= 1 + (len(tokens) + 1) // 2


_CAMEL = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_VOWELS = frozenset("aeiouyAEIOUY")


def _looks_like_word(word: str) -> bool:
    parts = _CAMEL.findall(word)
    if any(len(part) > 16 for part in parts) or len(parts) > 1 + len(word) // 5:
        return False
    return all(len(part) <= 4 or not _VOWELS.isdisjoint(part) for part in parts)


def looks_random(text: str, least: int = 16) -> bool:
    """Return whether a text may be a generated secret: long, of letters and digits, and not made of words."""
    if len(text) < least or is_number(text) or is_wordy(text):
        return False
    has_digit = any(char.isdigit() for char in text)
    has_alpha = any(char.isalpha() for char in text)
    if not has_alpha:
        return False
    if not has_digit and not (any(c.isupper() for c in text) and any(c.islower() for c in text) and len(text) >= 24):
        return False
    return entropy(text[:256]) >= 2.6


@functools.cache
def bip39_ascii() -> frozenset[bytes]:
    """Return the words of the Latin lists that are pure ASCII."""
    return frozenset(word.encode() for language in LANGUAGES[:7] for word in bip39_index(language) if word.isascii())


@functools.cache
def bip39_bytes() -> frozenset[bytes]:
    """Return the words of all lists, without their letters beyond ASCII."""
    forms = bip39_words() | {unicodedata.normalize("NFC", word) for word in bip39_words()}
    return frozenset(form.encode("ascii", "ignore") for form in forms)
