"""Find the words behind the name of a recovery phrase, of any list: Monero's 25, shares, a phrase that lacks a word."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from src.observability.redaction.judging.names import Verdict
    from src.observability.redaction.judging.scan import Scan

_GAP: Final = re.compile(r"(?:[\s\"'`]|\\n){0,8}")
_WORDS: Final = re.compile(r"(?:[a-z]{2,12}[ \t,]{1,3}){10,32}[a-z]{2,12}(?![a-z])")
# Words of sentences; of those on a list of phrases too, as `use` and `then`, a phrase has one at most by chance.
_OF_SENTENCES_TEXT: Final = (
    "a an the of and or to in is it its are was be by for from on with as at not no if but we you your my our this "
    "that these those they he she i will can have has do does so than then which who what when how all any more most "
    "used use"
)
_OF_SENTENCES: Final = frozenset(_OF_SENTENCES_TEXT.split())
_MANY: Final = 2


def find(scan: Scan, end: int, name: str, verdict: Verdict) -> bool:
    """Find the words of a phrase under a name whose separator ends at `end`; return whether there are such words."""
    if verdict.kind != "seed_phrase" and not name.lower().endswith("seed"):
        return False
    gap = _GAP.match(scan.text, end)
    match = _WORDS.match(scan.text, gap.end() if gap else end)
    if not match or sum(word in _OF_SENTENCES for word in match[0].replace(",", " ").split()) >= _MANY:
        return False
    scan.add(*match.span(), "seed_phrase", general=True)
    return True
