"""Find tokens of providers by the prefix that stands in front of them."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

from src.observability.redaction.judging import checks
from src.observability.redaction.judging.boundaries import is_boundary

if TYPE_CHECKING:
    from src.observability.redaction.judging.scan import Scan
    from src.observability.redaction.rules.prefixes import Token

_AWS_SECRET = re.compile(r"(?<![A-Za-z0-9/+_])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=_])")
_HEX = re.compile(r"[0-9a-fA-F]+\Z")
_TO_FILL_IN = re.compile(r"your[-_]", re.IGNORECASE)  # sk-or-v1-your-key-here
_SHORTEST_BACK = 8  # characters of a secret before a mark that stands inside it or at its end


def find_token(scan: Scan, token: Token, start: int, head: int) -> None:
    """Find a secret of a family whose prefix stands at `start`; its shortest form ends at `head`."""
    text = scan.text
    # A prefix that no ordinary text contains may follow a hyphen: my-sk-ant-...
    joined = text[start - 1 : start] in {"-", "_"} and not token.random
    if start < scan.token_end or not (token.inside or joined or is_boundary(text, start)):
        return
    body, next_char = _patterns(token)
    match = body.match(text, head)
    end = match.end() if match else head
    if token.most < 512 and next_char.match(text, end):
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


@functools.cache
def _patterns(token: Token) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return the patterns of the rest of a family's token, and of one more character."""
    rest = f"[{token.alphabet}]{{0,{max(0, token.most - token.least)}}}"
    return re.compile(rest), re.compile(f"[{token.alphabet}]")


def _is_random_tail(tail: str) -> bool:
    """Return whether the text after a common prefix looks generated; that of `sk-learn-based-signal-model` does not."""
    kinds = len(set(tail))
    return kinds == 1 or (kinds > 1 and not checks.is_wordy(tail) and not checks.is_number(tail))


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
