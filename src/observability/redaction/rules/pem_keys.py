"""Find private keys in PEM blocks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from src.observability.redaction.judging.scan import Scan

_PEM_START = re.compile(r"-----? ?BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY\Z|Private-Lines:\Z")
_PEM_END = re.compile(r"---- ?END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?(?:-{0,5}| ----)")
_PEM_GAP = r"(?:\s|\\[nrt]?|[\"'+,>|#]|-{4,5})*+"  # possessive, since there is one way to match it
_PEM_BODY = re.compile(
    rf"(?: BLOCK)?[- ]{{0,5}}(?:{_PEM_GAP}(?:Proc-Type|DEK-Info|Version|Comment|Private-MAC)[^\n\\]{{0,80}})*"
    rf"(?:{_PEM_GAP}[A-Za-z0-9+/]{{16,}}={{0,2}})*(?:{_PEM_GAP}[A-Za-z0-9+/]{{1,15}}={{1,2}})?"
)
_PEM_LONGEST = 16_384


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
