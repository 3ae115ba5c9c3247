"""Leave out assignments that assign no secret: keys of JSON with harmless names, and lines that were looked at before.

Code, settings and logs can be full of names such as `key` and `token`, and repeat their lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from src.observability.redaction.judging import names
from src.observability.redaction.judging.scan import Scan
from src.observability.redaction.rules import assignments

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LONGEST_KEY = 34  # of JSON, that is told without looking at what stands around it
_LONGEST = 400  # characters of a line
_NEAR = 4_000  # characters behind a line in which it is sought at once
_SAMPLE = 16  # lines after which a text must have shown that it repeats lines
_ONCE, _ASSIGNS = 0, -1  # what is known of a line that was seen once, and of one that may assign a secret
_SEPARATORS = frozenset(":= \t")  # what a gate's match ends with; behind the others a value may stand lines below
# Behind these a value, or the rest of its name's operator, may stand in the next line.
_LEADS_ON = frozenset(":=>|+-(\\,<{[&")


def without_harmless_keys(text: str, ends: Iterable[int]) -> Iterator[int]:
    """Yield the ends without those of keys of JSON that name no secret, which are most keys of a market's data."""
    harmless: dict[str, bool] = {}
    for end in ends:
        if text[end - 2] == '"' and text[end - 1] == ":":
            opening = text.rfind('"', end - _LONGEST_KEY if end > _LONGEST_KEY else 0, end - 2)
            name = text[opening + 1 : end - 2] if opening >= 0 else ""
            is_harmless = harmless.get(name)
            if is_harmless is None:
                is_harmless = harmless[name] = name.isidentifier() and name.isascii() and names.judge(name) is None
            if is_harmless:
                continue
        yield end


def remaining_ends(text: str, ends: list[int]) -> Iterator[int]:
    """Yield the ends of the assignments that must be looked at in the text itself; `ends` is in order.

    A line that ends as a statement does, and whose values end in it, is judged without the text around it: what the
    rule reads of such a line lies within it. The gate's matches lie within lines too, so that equal lines have equal
    ones.
    """
    seen: dict[str, int] = {}  # how many ends of a line assign nothing, or one of the two below
    place, count, repeated = 0, len(ends), 0
    while place < count:
        end = ends[place]
        start = text.rfind("\n", end - _LONGEST if end > _LONGEST else 0, end) + 1
        line_end = text.find("\n", end, start + _LONGEST)
        if line_end < 0 or (start == 0 and end > _LONGEST):  # the last line, or a long one
            yield end
            place += 1
            continue
        line = text[start:line_end]
        size = seen.get(line)
        if size is not None:
            repeated += 1
            if size > 0:
                place += size
                continue
        behind = place + 1
        while behind < count and ends[behind] <= line_end:
            behind += 1
        if size is None:
            if len(seen) > _SAMPLE + repeated:
                yield from ends[place:]  # most lines are different
                return
            size = seen[line] = _ONCE
            is_repeated = text.find(line, line_end, line_end + _NEAR) >= 0  # most lines come once
        else:
            is_repeated = True
        if size == _ONCE and is_repeated and _assigns_nothing(line, [each - start for each in ends[place:behind]]):
            seen[line] = behind - place
            place = behind
            continue
        if is_repeated:
            seen[line] = _ASSIGNS
        yield from ends[place:behind]
        place = behind


def _assigns_nothing(line: str, ends: list[int]) -> bool:
    """Return whether no assignment in a line has a secret, whatever stands in the lines around it."""
    if line.rstrip()[-1:] in _LEADS_ON or not _SEPARATORS.issuperset([line[end - 1] for end in ends]):
        return False
    scan = Scan(line)
    for end in ends:
        assignments.find(scan, end)
        if scan.findings or scan.reads_on:
            return False
    return True
