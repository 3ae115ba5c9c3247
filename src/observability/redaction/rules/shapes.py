"""Find secrets by their shape: known prefixes, long runs, PEM blocks, arrays of bytes."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

from src.observability.redaction.judging import checks, context
from src.observability.redaction.rules import unnamed_keys

if TYPE_CHECKING:
    from src.observability.redaction.judging.scan import Scan
    from src.observability.redaction.rules.prefixes import Token

_ESCAPE = re.compile(r"u[0-9a-fA-F]{4}")
_COLOUR = re.compile(r"(?:\x1b|\\u001b|\\x1b|\\033|\\e)\[[0-9;]{0,12}m\Z")  # a terminal's escape sequence
_COLOUR_END = re.compile(r"\d{0,3}m")
_ALNUM = re.compile(r"[A-Za-z0-9]+")
_WIDE = re.compile(r"[A-Za-z0-9_\-+/=.~]{1,256}")
_WIDE_BACK = re.compile(r"[A-Za-z0-9_\-+/=.~]{0,128}")
_AWS_SECRET = re.compile(r"(?<![A-Za-z0-9/+_])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=_])")
_HEX = re.compile(r"[0-9a-fA-F]+\Z")
_JWT = re.compile(r"eyJ[\w\-]{10,8192}\.[\w\-]{4,16384}(?:\.[\w\-]{0,8192}){0,4}", re.ASCII)
_DISCORD = re.compile(r"\.[\w\-]{6}\.[\w\-]{27,45}", re.ASCII)
_MAILCHIMP = re.compile(r"-us\d{1,2}")
_CREDENTIAL = re.compile(r"[\w~+/=.\-]{8,8192}", re.ASCII)
_PEM_START = re.compile(r"-----? ?BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY\Z|Private-Lines:\Z")
_PEM_END = re.compile(r"---- ?END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?(?:-{0,5}| ----)")
_PEM_GAP = r"(?:\s|\\[nrt]?|[\"'+,>|#]|-{4,5})*+"  # possessive, since there is one way to match it
_PEM_BODY = re.compile(
    rf"(?: BLOCK)?[- ]{{0,5}}(?:{_PEM_GAP}(?:Proc-Type|DEK-Info|Version|Comment|Private-MAC)[^\n\\]{{0,80}})*"
    rf"(?:{_PEM_GAP}[A-Za-z0-9+/]{{16,}}={{0,2}})*(?:{_PEM_GAP}[A-Za-z0-9+/]{{1,15}}={{1,2}})?"
)
_PEM_LONGEST = 16_384
_TO_FILL_IN = re.compile(r"your[-_]", re.IGNORECASE)  # sk-or-v1-your-key-here
_SHORTEST_BACK = 8  # characters of a secret before a mark that stands inside it or at its end
_LIST_GAP = 8  # the most characters between the items of a list
_BLANK = r"(?:\s|\\+[nrt]){0,64}"
_ARRAY = re.compile(rf"[\[({{]{_BLANK}(?:\d{{1,3}}{_BLANK},{_BLANK}){{31,63}}(?:\d{{1,3}}{_BLANK})?[\])}}]")
_INTEGER = re.compile(r"\d{1,3}")
_JSON_NAME = re.compile(r"(\\{0,64}[\"']|\\{1,64}u0022)\s{0,8}:\s{0,8}\Z")


def is_boundary(text: str, start: int) -> bool:
    """Return whether a value can begin here: not inside a word, but possibly right after an escape's letters."""
    if start == 0:
        return True
    previous = text[start - 1]
    if not previous.isascii() or not (previous.isalnum() or previous in "_-"):
        return True
    if text[start - 2 : start - 1] == "\\" and previous in "nrtbf":
        return True
    if previous == "m" and _COLOUR.search(text, max(0, start - 24), start):
        return True
    if text[start - 3 : start - 2] == "%" and _HEX.match(text[start - 2 : start]):
        return True
    return text[start - 6 : start - 5] == "\\" and bool(_ESCAPE.match(text[start - 5 : start]))


def find_token(scan: Scan, token: Token, start: int, head: int) -> None:
    """Find a secret of a family whose prefix stands at `start`; its shortest form ends at `head`."""
    text = scan.text
    # A prefix that no ordinary text contains may follow a hyphen: my-sk-ant-...
    joined = text[start - 1 : start] in {"-", "_"} and not token.random
    if start < scan.token_end or not (token.inside or joined or is_boundary(text, start)):
        return
    body = re.compile(f"[{token.alphabet}]{{0,{max(0, token.most - token.least)}}}")
    match = body.match(text, head)
    end = match.end() if match else head
    if token.most < 512 and re.compile(f"[{token.alphabet}]").match(text, end):
        return
    value = text[start:end].rstrip(".")
    tail = text[head - token.least : start + len(value)]
    if (token.random and not _is_random_tail(tail)) or (token.back and not _has_back(text, token, start)):
        return
    if _TO_FILL_IN.search(tail):
        return
    first = start - _back_length(text, token, start)
    scan.token_end = start + len(value)
    scan.add(first, start + len(value), token.kind)
    if token.kind == "aws_access_key":
        _find_aws_secret(scan, start, end)


def _is_random_tail(tail: str) -> bool:
    """Return whether the text after a common prefix looks generated; that of `sk-learn-based-signal-model` does not."""
    return (not checks.is_wordy(tail) and not checks.is_number(tail) and checks.entropy(tail[:64]) > 0) or len(
        set(tail)
    ) == 1


def _back_length(text: str, token: Token, start: int) -> int:
    if not token.back:
        return 0
    lead = text[max(0, start - token.back) : start]
    count = 0
    digits_only = token.kind == "telegram_bot_token"
    while count < len(lead):
        char = lead[-count - 1]
        if not (char.isdigit() if digits_only else char.isascii() and (char.isalnum() or char in "_~.-")):
            break
        count += 1
    return count


def _has_back(text: str, token: Token, start: int) -> bool:
    length = _back_length(text, token, start)
    if token.kind == "telegram_bot_token":
        return length >= 6
    if token.kind == "terraform_token":  # ordinary text does not contain its prefix
        return length >= _SHORTEST_BACK
    if token.kind == "azure_secret":
        return length == token.back and text[start - 1].isdigit()
    return length >= _SHORTEST_BACK and _is_random_tail(text[start - length : start])


def _find_aws_secret(scan: Scan, start: int, end: int) -> None:
    """Find the 40 characters of the secret near an AWS key identifier; by themselves they have no shape."""
    left = max(0, start - 160)
    for match in _AWS_SECRET.finditer(scan.text, left, min(len(scan.text), end + 200)):
        if not _HEX.match(match.group()) and checks.entropy(match.group()) > 3.5:
            scan.add(match.start(), match.end(), "aws_secret_key")


def find_jwt(scan: Scan, start: int) -> None:
    """Find a JSON web token."""
    match = _JWT.match(scan.text, start)
    if match and start >= scan.token_end:
        scan.token_end = match.end()
        scan.add(start, match.end(), "jwt")


def find_bearer(scan: Scan, end: int) -> None:
    """Find the value of `Bearer value` or `Basic value`."""
    start = end - 8
    match = _CREDENTIAL.match(scan.text, start)
    value = match.group().rstrip(".") if match else ""
    is_basic = scan.text[max(0, start - 8) : start].lower().rstrip(" +%20").endswith("basic")
    secret = _is_basic(value) if is_basic else (
        any(char.isdigit() for char in value) and not (checks.is_wordy(value) and len(value) < 16)
    ) or checks.looks_random(value, 20)  # fmt: skip
    if secret:
        scan.add(start, start + len(value), "basic_auth" if is_basic else "bearer_token", general=True)


def _is_basic(value: str) -> bool:
    try:
        return b":" in base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False


def find_pem(scan: Scan, end: int) -> None:
    """Find a PEM private key, up to its END line, or up to the last line of base64 where that is missing."""
    text = scan.text
    begin = _PEM_START.search(text, max(0, end - 64), end)
    if not begin or begin.start() < scan.pem_end:
        return
    closes = text.find("END ", end, end + _PEM_LONGEST) >= 0
    closing = _PEM_END.search(text, end, end + _PEM_LONGEST) if closes else None
    body = _PEM_BODY.match(text, end, min(len(text), end + _PEM_LONGEST))
    stop = closing.end() if closing else body.end() if body else end
    scan.pem_end = scan.token_end = stop
    scan.add(begin.start(), stop, "private_key")


def find_run(scan: Scan, end: int, length: int) -> None:
    """Find a key in a long run of letters and digits, by its checksum or by the words before it."""
    text = scan.text
    start = end - length
    match = _ALNUM.match(text, start)
    if not match:
        return
    stop = match.end()
    start += _glued(text, start)
    if start < scan.token_end:
        return
    run = text[start:stop]
    kind = _run_kind(scan, run, start, stop)
    if kind:
        scan.add(start, _run_end(text, kind, stop), kind)
    elif unnamed_keys.is_key(text, start, stop, scan.hint):
        scan.add(unnamed_keys.key_start(text, start), stop, "secret", general=True)
    elif len(run) < 512:
        _find_introduced(scan, start, stop)


def _glued(text: str, start: int) -> int:
    """Return how many characters at the start of a run belong to an escape before it."""
    previous = text[start - 1 : start]
    colour = _COLOUR_END.match(text, start)
    if colour and _COLOUR.search(text, max(0, start - 24), colour.end()):
        return colour.end() - start
    if previous == "\\":
        return 5 if _ESCAPE.match(text, start) else int(text[start] in "nrtbf")
    if previous == "%" and _HEX.match(text[start : start + 2]):
        return 2
    return 0


def _run_kind(scan: Scan, run: str, start: int, stop: int) -> str | None:
    """Return the kind of secret that a run is, or None."""
    digits = run[2:] if run[:2] in {"0x", "0X"} else run
    size = len(digits)
    if size in {32, 64, 128} and _HEX.match(digits):
        return _hex_kind(scan, digits, start, stop)
    if size in {51, 52}:
        return "bitcoin_private_key" if checks.is_wif(run) else None
    if size == 58 and run.startswith("6P"):
        return "bitcoin_private_key" if checks.is_bip38(run) else None
    if 80 <= size <= 88:
        return _pair_kind(scan, checks.base58_decode(run), start)
    if 43 <= size <= 44:
        data = checks.base58_decode(run)
        is_key = data is not None and len(data) == 32 and context.has_strong_word(scan.text, start, scan.hint, 24)
        return "solana_private_key" if is_key else None
    if run[0] in "MNO" and 23 <= size <= 28 and _DISCORD.match(scan.text, stop):
        return "discord_token"
    return None


def _run_end(text: str, kind: str, stop: int) -> int:
    suffix = {"discord_token": _DISCORD, "mailchimp_key": _MAILCHIMP}.get(kind)
    match = suffix.match(text, stop) if suffix else None
    return match.end() if match else stop


def _hex_kind(scan: Scan, digits: str, start: int, stop: int) -> str | None:
    if len(digits) == 32:
        return "mailchimp_key" if _MAILCHIMP.match(scan.text, stop) else None
    if len(digits) == 128:
        return _pair_kind(scan, bytes.fromhex(digits), start)
    is_secret = context.is_named_secret(scan.text, start, stop, scan.hint)
    if is_secret is None:  # no word decides: the next key of a list, or the strict mode
        is_secret = scan.strict or (scan.hex_end > 0 and start - scan.hex_end <= _LIST_GAP)
    if not is_secret:
        return None
    scan.hex_end = stop
    return "private_key"


def _pair_kind(scan: Scan, data: bytes | None, start: int) -> str | None:
    """Return the kind of a Solana key pair; a transaction's signature, also 64 bytes, is none."""
    if data is None or len(data) != 64:
        return None
    scan.spend_check(start)
    pair = checks.is_ed25519_pair(data)
    if pair is None:
        pair = context.has_strong_word(scan.text, start, scan.hint)
    return "solana_private_key" if pair else None


def _find_introduced(scan: Scan, start: int, stop: int) -> None:
    """Find a random value that prose introduces as a secret, and that may be wider than its run."""
    text = scan.text
    lead = _WIDE_BACK.match(text[max(0, start - 128) : start][::-1])
    if lead and lead.end() == 128:
        return  # inside long base64, such as an image
    first = start - (lead.end() if lead and not _glued(text, start) and text[start - 1 : start] != "\\" else 0)
    rest = _WIDE.match(text, first)
    last = rest.end() if rest else stop
    value = text[first:last].rstrip(".")
    name, equals, right = value.partition("=")
    if equals and right.strip("=") and len(name) < start - first:
        first, value = first + len(name) + 1, right
    if not unnamed_keys.is_in_lines(text, first, last) and context.is_introduced(text, first, value, scan.hint):
        scan.add(first, first + len(value), "secret", general=True)


def find_bytes(scan: Scan, end: int) -> None:
    """Find a key in an array of 32 or 64 bytes: a pair by its checksum, a seed by the words before it."""
    text = scan.text
    start = max(text.rfind(opener, max(0, end - 4_096), end) for opener in "[({")
    match = _ARRAY.match(text, start) if start >= 0 else None
    numbers = [int(digits) for digits in _INTEGER.findall(match.group())] if match else []
    if not match or len(numbers) not in {32, 64} or max(numbers) > 255:
        return
    kind = None
    if len(numbers) == 64:
        kind = _pair_kind(scan, bytes(numbers), start)
    if kind or context.has_strong_word(text, start, scan.hint, 64):
        name = _JSON_NAME.search(text, max(0, start - 32), start)
        scan.add(match.start(), match.end(), "solana_private_key", quote=name.group(1) if name else "")
