"""Decide whether an ambiguous value is secret by the words near it."""

from __future__ import annotations

import functools
import re

from src.observability.redaction.judging import checks, names
from src.observability.redaction.judging.scan import MARKER, PART

_BEFORE = 80
_AFTER = 40
_LONGEST_MARKER = 52
_LONGEST_ESCAPES = 256
_ESCAPES = re.compile(r"\\{2,}")

Words = tuple[tuple[str, int, int], ...]
"""Words, each with the position of its end and its length, without the blanks at its edges."""


def _measured(*words: str) -> Words:
    return tuple((word, len(word.rstrip()), len(word.strip())) for word in words)


# They are searched for in lower case with blanks for all but letters and digits; a blank at either end is the edge of a
# word. Of two that end at the same position the longer decides, so that `public key` is not read as `key`.
_PUBLIC = _measured(
    "public key", "publickey", "pub key", "pubkey", "key hash", "public", "tx", "hash", "transaction", "transfer",
    "block", "sha1", "sha256", "sha512", "sha 256", "digest", "checksum", "merkle", "root", "commit", "topic",
    "receipt", "order", "event", "address", "proof", " id ", "signature", "scan", "contract", "calldata",
    "selector", "position", "request", "trace", "session", "swap", "proposal", "salt", "nonce", "condition",
    "market id", "token id",
)  # fmt: skip
_SECRET = _measured(
    "priv", "secret", "signing", "signer", " seed", "mnemonic", "key", " pk ", " sk ", "passw", "passphrase",
    "credential", "keystore", "wallet is ", "sign with", "import", "localaccount",
    "ethers wallet", "new wallet", "hardhat accounts",
)  # fmt: skip
_STRONG = ("priv", "secret", "seed", "signing", "signer", "keypair", "key pair", "wallet key", " key")
_PROSE_PUBLIC = _measured(
    "public key", "publickey", "pub key", "pubkey", "tx", "hash", "transaction", "signature", "address", "mint",
    "block", "order", " id ", "uuid", "public", "commit", "sha1", "sha256", "contract", "account", "program",
    "pool", "model", "file", "branch", "version", "token mint", "image", "url",
)  # fmt: skip
_IDENTIFIERS = _measured(
    "session", "cursor", "page", "request", "trace", "event", "message", "chart", "digest", "etag", "oid"
)
_PROSE_PUBLIC_OR_IDENTIFIERS = _PROSE_PUBLIC + _IDENTIFIERS
_PROSE_SECRET = _measured(
    "api key", "apikey", "secret", "password", "passwd", "passphrase", "token", "priv", "signing", "credential",
    " auth ", "bearer", " key",
)  # fmt: skip
# `- name: API_KEY` with `value: ...` on the next line, as in deployment files.
_NAMED_VALUE = re.compile(
    r"name[\"'\\]*\s*[:=]\s*[\"'\\]*([\w.\-]{2,64})[\"'\\]*,?(?:\s|\\n){1,16}[\"'\\]*value[\"'\\]*\s*[:=]\s*[\"'\\]*\Z"
)
_PAIR_REACH = 128
_NAME = re.compile(r"([\w.\-]+)[\"'`\\]*\s*[:=]\s*[\"'`\\]*\Z")
# `0x... is my private key`: this outweighs every word before the value.
_CALLED_SECRET_AFTER = re.compile(
    r"[^\w\x7f]{1,40}(?:is|was|are) (?:(?:my|the|your|our|his|her|their|a|an) )?(?:\w+ ){0,2}"
    r"(?:private key|privkey|secret|signing key|seed)",
    re.IGNORECASE,
)
_EDGES = re.compile(r"[^a-z0-9]+")


@functools.lru_cache(maxsize=512)
def _nearest(text: str, public: Words, secret: Words) -> bool | None:
    """Return whether the last deciding word of a text means a secret; None where no word decides."""
    plain = f" {_EDGES.sub(' ', text.lower())} "
    last_public = _last(plain, public)
    last_secret = _last(plain, secret)
    if last_public == last_secret == (0, 0):
        return None
    return last_secret > last_public


def _last(text: str, words: Words) -> tuple[int, int]:
    """Return the end and the length of the word that ends last, of the longest where two end together."""
    end = longest = 0
    for word, to_end, length in words:
        position = text.rfind(word)
        if position >= 0 and (position + to_end, length) > (end, longest):
            end, longest = position + to_end, length
    return end, longest


def before(text: str, start: int, hint: str, width: int = _BEFORE) -> str:
    """Return the text before a value, with the hint, a mapping key, in front of all of it."""
    lead = text[max(0, start - width - _LONGEST_MARKER) : start]
    if "\\\\" in lead:  # JSON within JSON: repeated escapes would fill the window
        lead = _ESCAPES.sub(r"\\", text[max(0, start - width - _LONGEST_ESCAPES) : start])
    if PART in lead:
        lead = lead.rpartition(PART)[2]
    if "[REDACTED:" in lead:  # what stands before a replaced secret does not describe the next value
        lead = MARKER.split(lead)[-1]
    lead = lead[-width:]
    return f"{hint}: {lead}" if hint and start < width else lead


def is_named_secret(text: str, start: int, end: int, hint: str) -> bool | None:
    """Return whether the nearest deciding word calls 64 hex digits secret; None where no word decides."""
    if _CALLED_SECRET_AFTER.match(text, end):
        return True
    part = text.rfind(PART, max(0, start - _BEFORE), start)
    lead = before(text, start, "")
    if part >= 0:
        hint, _, lead = lead.partition(": ")
    verdict = _nearest(lead, _PUBLIC, _SECRET)
    if verdict is None:
        rest = text[end : end + _AFTER].partition(PART)[0]
        after = _EDGES.sub(" ", MARKER.sub(" ", rest).lower())
        words = after.split()
        for count in range(1, len(words) + 1):  # the first word that decides
            verdict = _nearest(" ".join(words[:count]), _PUBLIC, _SECRET)
            if verdict is not None:
                break
    if verdict is None and hint and (part >= 0 or start < _BEFORE):  # the mapping key decides last
        verdict = _nearest(hint, _PUBLIC, _SECRET)
    return verdict


def has_strong_word(text: str, start: int, hint: str, width: int = 48) -> bool:
    """Return whether a word such as `private` or `seed` stands before a value with no public word between them."""
    lead = before(text, start, hint, width)
    plain = f" {_EDGES.sub(' ', lead.lower())} "
    return any(word in plain for word in _STRONG) and bool(_nearest(lead, _PUBLIC, _SECRET))


def is_public(text: str, start: int, hint: str) -> bool:
    """Return whether the nearest deciding word before a random value calls it public: an order, an address, a hash."""
    return _nearest(before(text, start, hint, 48), _PROSE_PUBLIC_OR_IDENTIFIERS, _PROSE_SECRET) is False


def is_introduced(text: str, start: int, value: str, hint: str) -> bool:
    """Return whether prose introduces a random value as a key, a secret, a password or a token."""
    lead = before(text, start, hint, 32)
    pair = _NAMED_VALUE.search(text, max(0, start - _PAIR_REACH), start)
    if pair and names.judge(pair.group(1)):
        return checks.looks_random(value, 20)
    cut = max(lead.rfind("\n"), lead.rfind(". "), lead.rfind(", "), lead.rfind("; "))
    if not _nearest(lead[cut + 1 :], _PROSE_PUBLIC, _PROSE_SECRET):
        return False
    name = _NAME.search(lead)
    if name and names.judge(name.group(1)) is None and _nearest(name.group(1), _PROSE_PUBLIC, _PROSE_SECRET):
        return False  # a name such as cache_key explains the value
    return not checks.is_address(value) and not checks.is_uuid(value) and checks.looks_random(value, 20)
