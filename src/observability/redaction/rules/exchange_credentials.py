"""Find the credentials of an exchange by its name before them: `okx: key secret passphrase`, `Kraken("key", "secret")`.

What makes two values credentials is that they stand beside one another, right behind the exchange's name or a word
such as `creds`, and that one of them at least is no identifier: orders and transactions are uuids, hashes, numbers.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from src.observability.redaction.judging import checks
from src.observability.redaction.judging.plain_values import PLACEHOLDER
from src.observability.redaction.rules import unnamed_keys

if TYPE_CHECKING:
    from src.observability.redaction.judging.scan import Scan

EXCHANGES: Final = (
    "binance", "bybit", "okx", "kraken", "coinbase", "kucoin", "bitget", "bitfinex", "bitmex", "bitstamp", "deribit",
    "gate", "mexc", "huobi", "htx", "phemex", "crypto.com", "gemini", "alpaca", "oanda", "upbit", "bingx", "bitflyer",
)  # fmt: skip
# Words between the name and the values; any other word, such as `order`, says that they are something else.
_WORDS: Final = (
    "creds", "credentials", "api", "apis", "key", "keys", "args", "auth", "login", "account", "exchange", "use", "with",
    "my", "are", "is", "main", "sub", "bot", "live", "demo", "params", "client", "name",
)  # fmt: skip
SHORTEST: Final = 16  # characters of the first value
PATTERN: Final = (
    rf"(?:{'|'.join(map(re.escape, EXCHANGES))})[\w.]{{0,20}}[^\w+/\-.][^\w+/\-]{{0,7}}"
    rf"(?:(?:{'|'.join(_WORDS)})[^\w+/\-]{{1,6}}){{0,2}}[\w+/\-]{{{SHORTEST}}}"
)
_BACK: Final = 96
_BEFORE: Final = re.compile(
    rf"(?<![A-Za-z0-9+/])(?:{'|'.join(map(re.escape, EXCHANGES))})[\w.]{{0,20}}(?P<words>[^\w+/\-.][^+/\-]{{0,48}})\Z",
    re.IGNORECASE,
)
_CALLED: Final = re.compile(r"\s?\(\s{0,16}[\"']\Z")
_SAYS_SECRET: Final = re.compile(r"cred|api|key|auth|login", re.IGNORECASE)
_VALUE: Final = re.compile(r"[\w+/][\w+/\-]{11,511}(?:==?(?=[\"'`]?(?:[\s,;:|)\]}/]|\Z)))?(?![\w=])", re.ASCII)
_NEXT: Final = re.compile(r"[\"'`]?(?:\s{0,4}(?:[,;|:&]|/(?=\s)|and|und)\s{0,4}|\s{1,4})[\"'`]?(?=[A-Za-z0-9+/])")
_PASSPHRASE: Final = re.compile(r"[^\s\"'`,;<>()\[\]{}\\]{6,64}")
_HEX_SIZES: Final = frozenset({24, 32, 40, 64, 128})  # of orders, digests, commits, transactions, signatures
_GROUPED: Final = re.compile(r"(?:[0-9a-f]{4,8}-){3}[0-9a-f]{4,8}\Z|[0-9a-f]{32}-[0-9a-f]{32}\Z")
_ACCOUNT: Final = re.compile(r"\d{3}-\d{3}-\d{4,12}-\d{3}\Z")  # OANDA's
_PREFIX: Final = re.compile(r"(?:bg_|mx0|account-)")
_SHORTEST_MIXED: Final = 20
_ORGANIZATION: Final = "organizations/"  # with which the names of Coinbase's keys begin
_MOST: Final = 2  # values before a passphrase


def find(scan: Scan, end: int) -> None:
    """Find the values behind an exchange's name; the first of them has its first sixteen characters before `end`."""
    text, start = scan.text, end - SHORTEST
    before = _BEFORE.search(text, max(0, start - _BACK), start)
    if not before:
        return
    spans, position = _values(text, start)
    if len(spans) < _MOST or unnamed_keys.is_in_lines(text, spans[0][0], spans[-1][1]):
        return
    values = [text[first:last] for first, last in spans]
    passphrase = _passphrase(text, position)
    is_called = bool(_CALLED.search(before["words"]))
    is_named = is_called or bool(_SAYS_SECRET.search(before["words"])) or passphrase is not None
    if not _are_credentials(values, is_named=is_named):
        return
    for first, last in [*spans, *([passphrase] if passphrase else [])]:
        scan.add(first, last, "exchange_credentials", general=True)


def _values(text: str, start: int) -> tuple[list[tuple[int, int]], int]:
    """Return where each of two values that follow one another stands, and where the second ends."""
    spans: list[tuple[int, int]] = []
    position = start
    while len(spans) < _MOST:
        match = _VALUE.match(text, position)
        if not match:
            break
        spans.append(match.span())
        position = match.end()
        gap = _NEXT.match(text, position)
        if not gap or len(spans) == _MOST:
            break
        position = gap.end()
    return spans, position


def _passphrase(text: str, position: int) -> tuple[int, int] | None:
    """Return where the third of three values stands: a password, which says that all three are credentials."""
    gap = _NEXT.match(text, position)
    match = _PASSPHRASE.match(text, gap.end()) if gap else None
    value = match[0].rstrip(".:") if match else ""
    mixed = any(char.isalpha() for char in value) and any(not char.isalpha() for char in value[1:])
    if not match or not mixed or checks.is_symbol(value) or checks.is_number(value) or PLACEHOLDER.match(value):
        return None
    if checks.is_address(value) or "/" in value or "_" in value or value.endswith("="):
        return None
    return match.start(), match.start() + len(value)


def _are_credentials(values: list[str], *, is_named: bool) -> bool:
    """Return whether two values are a key and its secret, of which an identifier is one at most."""
    if any(map(_is_public, values)):
        return False
    if any(_is_mixed(value) for value in values):
        return all(_is_mixed(value) or _is_identifier(value) or len(value) >= SHORTEST for value in values)
    first, second = (_PREFIX.sub("", value) for value in values)
    if not all(map(_is_identifier, values)):
        return False
    if is_named:
        return True
    is_ambiguous = len(first) == len(second) or {len(first), len(second)} == {24, 36}  # an order and its client's id
    return not is_ambiguous or not (_is_public_size(first) or _is_public_size(second))


def _is_mixed(value: str) -> bool:
    """Return whether a value is generated and no identifier: of letters in both cases, or far into the alphabet."""
    return (
        len(value) >= _SHORTEST_MIXED
        and any(char.isdigit() for char in value)
        and checks.looks_random(value, _SHORTEST_MIXED)
        and not _is_identifier(value)
        and not value.startswith(_ORGANIZATION)
    )


def _is_public(value: str) -> bool:
    if value.startswith(_ORGANIZATION):
        return False
    return checks.is_address(value) or checks.is_path(value) or (checks.is_number(value) and not _ACCOUNT.match(value))


def _is_identifier(value: str) -> bool:
    if _PREFIX.match(value):
        return True
    return checks.is_uuid(value) or checks.is_hex(value) or bool(_GROUPED.match(value) or _ACCOUNT.match(value))


def _is_public_size(value: str) -> bool:
    return checks.is_uuid(value) or (checks.is_hex(value) and len(value.removeprefix("0x")) in _HEX_SIZES)
