"""Take secrets out of values before they are written anywhere: a pure function from value to value.

What decides, in this order: values that this process itself is configured with, matched exactly; the key of a
mapping; shapes that only secrets have; shapes that could be harmless, by a checksum or by the words beside them.
"""

from __future__ import annotations

import json
import os
import re
import urllib.parse
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

FAILED: Final = "[REDACTED:redaction_failed]"
_DEEPEST = 40
_SHORTEST_SECRET = 8
_PLACEHOLDERS = frozenset({"changeme", "not-needed", "placeholder", "password", "disabled", "localhost", "undefined"})


def redact(value: Any) -> Any:
    """Return a value without secrets: a text as text, a mapping as dict, a list as list. The argument stays as it is.

    A value under a key that names a secret is replaced whatever it looks like. Fails closed: what cannot be read
    is replaced, never passed on.
    """
    try:
        return _walk(value, 0)
    except Exception:  # noqa: BLE001 - fail closed
        return FAILED


def redact_text(text: str) -> str:
    """Return a text, such as a prompt or JSON, without secrets."""
    try:
        return _scan(text)
    except Exception:  # noqa: BLE001 - fail closed
        return FAILED


def refresh() -> None:
    """Read the configured secrets again at the next use. Setting an environment variable does this by itself."""
    _configured.cache_clear()


def _walk(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return _scan(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth > _DEEPEST:
        return FAILED
    if isinstance(value, Mapping):
        return {_key(key): _under(key, item, depth) for key, item in value.items()}
    if isinstance(value, list):
        return [_walk(item, depth + 1) for item in value]
    if isinstance(value, tuple | set | frozenset):
        return tuple(_walk(item, depth + 1) for item in value)
    if isinstance(value, bytes | bytearray):
        return _scan(bytes(value).decode("utf-8", "replace"))
    return _scan(str(value))


def _key(key: Any) -> Any:
    return _scan(key) if isinstance(key, str) else key


def _under(key: Any, value: Any, depth: int) -> Any:
    """Return what may stand under a key: a scalar under a secret's name may not."""
    if isinstance(key, str) and isinstance(value, str | bytes) and value and names_a_secret(key):
        return value if isinstance(value, str) and value.startswith("[REDACTED") else "[REDACTED:named]"
    if isinstance(key, str) and isinstance(value, list | tuple) and names_a_secret(key) and _is_bytes(value):
        return "[REDACTED:named]"
    return _walk(value, depth + 1)


def _is_bytes(value: list[Any] | tuple[Any, ...]) -> bool:
    return len(value) >= 16 and all(isinstance(item, int) and 0 <= item < 256 for item in value)


# Names of secrets, as letters only; and names that contain such a word but hold something harmless.
_SECRET_NAME = re.compile(
    r"apikey|apisecret|secretkey|privatekey|privkey|accesskey|signingkey|encryptionkey|secretaccess|clientsecret|"
    r"passw(?:or)?d|passphrase|mnemonic|seedphrase|recoveryphrase|authorization|credential|"
    r"(?:auth|access|refresh|bearer|session|bot|api|id)token|webhookurl|rpcurl|dsn$|connectionstring|"
    r"^(?:secret|token|key|pwd|seed|auth|bearer|cookie|setcookie)$|(?:secret|password|mnemonic|privatekey)$",
)
_HARMLESS_NAME = re.compile(
    r"public|tokens$|tokenaddress|maxtoken|count|limit|usage|hash$|id$|name$|type$|symbol$|path$|file$"
)


@lru_cache(maxsize=4096)
def names_a_secret(name: str) -> bool:
    """Tell whether a key names a secret: api_key and privateKey do, max_tokens and token_address do not."""
    plain = re.sub(r"[^a-z]", "", name.lower())
    if not _SECRET_NAME.search(plain):
        return False
    if plain in ("token", "key", "seed", "auth"):
        return plain != "token" and plain not in ("key", "seed")
    return not _HARMLESS_NAME.search(plain)


# A rule: a name, what must occur for it to be tried (any of these), its pattern, and, where the shape alone does not
# decide, a check. The pattern's group `s` is what is replaced, else all of it.
Check = Callable[[str, int, int], bool]
_END = r"(?![A-Za-z0-9_-])"
_START = r"(?<![A-Za-z0-9_-])"
_QUOTE = r"(?:\\{0,3}[\"'`])?"
_NAMED = (
    r"(?:api[_ -]?key|api[_ -]?secret|secret[_ -]?(?:access[_ -]?)?key|private[_ -]?key|priv[_ -]?key|access[_ -]?key"
    r"|signing[_ -]?key|client[_ -]?secret|passw(?:or)?d|passphrase|auth[_ -]?token|access[_ -]?token|refresh[_ -]?token"
    r"|bearer[_ -]?token|bot[_ -]?token|secret|[A-Z0-9_]*_(?:KEY|SECRET|TOKEN|PASSWORD))"
)


def _high_entropy(text: str, start: int, end: int) -> bool:
    """Tell a secret from a word: long enough, and of more than one kind of character."""
    value = text[start:end]
    if len(value) < _SHORTEST_SECRET or value.startswith("[REDACTED") or value.lower() in _PLACEHOLDERS:
        return False
    kinds = sum(bool(re.search(kind, value)) for kind in (r"[a-z]", r"[A-Z]", r"\d", r"[^A-Za-z0-9]"))
    has_digit = any(letter.isdigit() for letter in value)
    return (kinds >= 2 and has_digit) or (kinds >= 3) or len(value) >= 32


_WINDOW = 64
_PRIVATE = re.compile(r"priv|secret|signing|seed|wallet.?key|mnemonic|keypair|\bsk\b|pkey", re.IGNORECASE)
_PUBLIC = re.compile(
    r"\btx|transaction|hash|block|sha-?256|digest|checksum|signature|commit|root|topic|order", re.IGNORECASE
)


def _hex_is_private(text: str, start: int, end: int) -> bool:
    """Tell a private key of 64 hex digits from a transaction: the nearest deciding word before it decides."""
    before = text[max(start - _WINDOW, 0) : start]
    private = max((found.end() for found in _PRIVATE.finditer(before)), default=-1)
    public = max((found.end() for found in _PUBLIC.finditer(before)), default=-1)
    if private == public == -1:
        after = text[end : end + 24]
        if _PRIVATE.search(after) and not _PUBLIC.search(after):
            return True
        return os.environ.get("MOONDEV_REDACT", "").strip().lower() == "strict"
    return private > public


_BASE58 = {letter: place for place, letter in enumerate("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")}


def _base58_bytes(text: str, length: int) -> bytes | None:
    number = 0
    for letter in text:
        number = number * 58 + _BASE58[letter]
    zeros = len(text) - len(text.lstrip("1"))
    body = number.to_bytes((number.bit_length() + 7) // 8, "big")
    data = b"\0" * zeros + body
    return data if len(data) == length else None


def _is_keypair(data: bytes) -> bool:
    """Tell a Solana keypair from a signature of the same length: its second half is the first one's public key."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(data[:32]).public_key().public_bytes_raw() == data[32:]


def _solana_base58(text: str, start: int, end: int) -> bool:
    data = _base58_bytes(text[start:end], 64)
    return data is not None and _is_keypair(data)


def _solana_array(text: str, start: int, end: int) -> bool:
    numbers = [int(number) for number in re.findall(r"\d+", text[start:end])]
    if any(number > 255 for number in numbers):
        return False
    if len(numbers) == 64:
        return _is_keypair(bytes(numbers)) or _hex_is_private(text, start, end)
    return len(numbers) == 32 and bool(_PRIVATE.search(text[max(start - _WINDOW, 0) : start]))


def _wif(text: str, start: int, end: int) -> bool:
    """Check the four bytes that end a Bitcoin private key."""
    import hashlib

    value = text[start:end]
    data = _base58_bytes(value, 38 if len(value) == 52 else 37)
    if data is None:
        return False
    return hashlib.sha256(hashlib.sha256(data[:-4]).digest()).digest()[:4] == data[-4:]


def _rule(name: str, needs: tuple[str, ...], pattern: str, check: Check | None = None) -> tuple[Any, ...]:
    return name, needs, pattern, check


_RULES = (
    _rule("pem_private_key", ("PRIVATE KEY",), r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----[^-]{0,8000}"
          r"(?:-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----)?"),
    _rule("langfuse_key", ("-lf-",), _START + r"[ps]k-lf-[0-9a-zA-Z-]{8,64}" + _END),
    _rule("anthropic_key", ("sk-ant-",), _START + r"sk-ant-[A-Za-z0-9_-]{16,200}"),
    _rule("openrouter_key", ("sk-or-",), _START + r"sk-or-(?:v1-)?[A-Za-z0-9]{16,128}"),
    _rule("openai_key", ("sk-",), _START + r"sk-(?:proj-|svcacct-|admin-|None-)?[A-Za-z0-9_-]{20,250}"),
    _rule("groq_key", ("gsk_",), _START + r"gsk_[A-Za-z0-9]{20,100}"),
    _rule("google_key", ("AIza", "AQ."), _START + r"(?:AIza[A-Za-z0-9_-]{30,45}|AQ\.[A-Za-z0-9_-]{30,120})"),
    _rule("xai_key", ("xai-",), _START + r"xai-[A-Za-z0-9]{20,120}"),
    _rule("huggingface_key", ("hf_",), _START + r"hf_[A-Za-z0-9]{20,60}"),
    _rule("perplexity_key", ("pplx-",), _START + r"pplx-[A-Za-z0-9]{20,80}"),
    _rule("replicate_key", ("r8_",), _START + r"r8_[A-Za-z0-9]{20,60}"),
    _rule("aws_key_id", ("AKIA", "ASIA"), _START + r"A(?:KIA|SIA)[A-Z0-9]{16}" + _END),
    _rule("github_token", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
          _START + r"(?:gh[pousr]_[A-Za-z0-9]{30,255}|github_pat_[A-Za-z0-9_]{30,255})"),
    _rule("gitlab_token", ("glpat-",), _START + r"glpat-[A-Za-z0-9_-]{16,64}"),
    _rule("slack_token", ("xox", "hooks.slack"), r"xox[abeoprs]-[A-Za-z0-9-]{10,200}|hooks\.slack\.com/services/[A-Za-z0-9/]{20,80}"),
    _rule("stripe_key", ("_live_", "_test_"), _START + r"(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{10,150}"),
    _rule("sendgrid_key", ("SG.",), _START + r"SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,64}"),
    _rule("telegram_token", (":AA",), r"(?<!\d)\d{8,10}:AA[A-Za-z0-9_-]{32,34}"),
    _rule("discord_webhook", ("/api/webhooks/",), r"discord(?:app)?\.com/api/webhooks/\d{15,22}/(?P<s>[A-Za-z0-9_-]{40,100})"),
    _rule("jwt", ("eyJ",), _START + r"eyJ[A-Za-z0-9_-]{10,2000}\.[A-Za-z0-9_-]{10,4000}\.[A-Za-z0-9_-]{10,1000}"),
    _rule("authorization", ("earer ", "asic ", "EARER ", "ASIC "),
          r"(?i:\b(?:bearer|basic)) +(?P<s>[A-Za-z0-9._~+/=-]{12,4000})", _high_entropy),
    _rule("url_password", ("://",), r"://[^\s:/@\"'\\]{0,200}:(?P<s>[^\s/@\"'\\]{3,200})@"),
    _rule("rpc_key", ("://",), r"://[^\s/\"'\\]{0,100}(?:infura\.io|alchemy\.com|alchemyapi\.io|quiknode\.pro|quicknode\.com|ankr\.com|"
          r"blastapi\.io|getblock\.io|chainstack\.com|nodereal\.io)/(?:[a-z0-9_-]{1,20}/){0,3}(?P<s>[A-Za-z0-9_-]{16,100})"),
    _rule("url_key", ("key=", "token=", "Key=", "secret=", "KEY="),
          r"[?&](?:[A-Za-z_-]{0,20}(?i:key|token|secret|signature))=(?P<s>[^&\s\"'\\)]{8,300})", _high_entropy),
    _rule("named", ("key", "KEY", "Key", "ecret", "ECRET", "oken", "OKEN", "assw", "ASSW", "assphrase"),
          r"(?i:(?<![A-Za-z])" + _NAMED + r")" + _QUOTE + r"\s{0,3}(?:=|:|=>|\bis\b|\s)\s{0,3}" + _QUOTE
          + r"(?P<s>[^\s\"'`\\,;)\]}<>]{8,500})", _high_entropy),
    _rule("private_key_hex", (), r"(?<![0-9A-Za-z])(?:0x)?[0-9a-fA-F]{64}(?![0-9A-Za-z])", _hex_is_private),
    _rule("solana_private_key", (), r"(?<![1-9A-HJ-NP-Za-km-z])[1-9A-HJ-NP-Za-km-z]{86,88}(?![1-9A-HJ-NP-Za-km-z])", _solana_base58),
    _rule("solana_private_key", ("[",), r"\[\s*\d{1,3}(?:\s*,\s*\d{1,3}){31,63}\s*\]", _solana_array),
    _rule("bitcoin_private_key", (), r"(?<![1-9A-HJ-NP-Za-km-z])(?:5[1-9A-HJ-NP-Za-km-z]{50}|[KL][1-9A-HJ-NP-Za-km-z]{51})"
          r"(?![1-9A-HJ-NP-Za-km-z])", _wif),
    _rule("extended_private_key", ("prv",), _START + r"[xyztuv]prv[1-9A-HJ-NP-Za-km-z]{100,115}"),
)  # fmt: skip


@lru_cache(maxsize=1)
def _compiled() -> tuple[tuple[str, tuple[str, ...], re.Pattern[str], Check | None], ...]:
    """Compile the rules at first use: importing stays cheap."""
    return tuple((name, needs, re.compile(pattern), check) for name, needs, pattern, check in _RULES)


def _scan(text: str) -> str:
    if len(text) < _SHORTEST_SECRET:
        return text
    for secret in _own_secrets():
        if secret in text:
            text = text.replace(secret, "[REDACTED:configured]")
    for name, needs, pattern, check in _compiled():
        if needs and not any(word in text for word in needs):
            continue
        text = _apply(text, name, pattern, check)
    return text


def _apply(text: str, name: str, pattern: re.Pattern[str], check: Check | None) -> str:
    parts: list[str] = []
    done = 0
    group = "s" if "s" in pattern.groupindex else 0
    for found in pattern.finditer(text):
        start, end = found.span(group)
        if text.startswith("[REDACTED", start) or (check is not None and not check(text, start, end)):
            continue
        parts += [text[done:start], f"[REDACTED:{name}]"]
        done = end
    return "".join([*parts, text[done:]]) if parts else text


# The values that this process is configured with are secrets whatever they look like, in their escaped forms too.
_SECRET_VARIABLE = re.compile(r"(?:KEY|SECRET|TOKEN|PASSWORD|PASSWD|MNEMONIC|SEED_PHRASE|CREDENTIALS|RPC_URL)$")


def _own_secrets() -> tuple[str, ...]:
    environ = os.environ
    return _configured(tuple(environ[name] for name in _variables(len(environ)) if name in environ))


@lru_cache(maxsize=64)
def _variables(count: int) -> tuple[str, ...]:  # noqa: ARG001 - looked at again when variables came or went
    return tuple(name for name in os.environ if _SECRET_VARIABLE.search(name.upper()))


@lru_cache(maxsize=64)
def _configured(values: tuple[str, ...]) -> tuple[str, ...]:
    found: set[str] = set()
    for value in values:
        plain = value.strip()
        if len(plain) < _SHORTEST_SECRET or plain.lower() in _PLACEHOLDERS:
            continue
        found |= {plain, json.dumps(plain)[1:-1], urllib.parse.quote(plain, safe="")}
    return tuple(sorted(found, key=len, reverse=True))
