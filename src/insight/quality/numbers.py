"""Read the numbers of a text as quantities: 65,000 and 65k are one number, 2.3% and 230 bps another."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_SCALES: Final = {
    "k": 1e3, "thousand": 1e3, "m": 1e6, "mn": 1e6, "mio": 1e6, "million": 1e6, "b": 1e9, "bn": 1e9, "billion": 1e9,
    "t": 1e12, "tn": 1e12, "trillion": 1e12,
}  # fmt: skip
_GROUPED: Final = r"\d{1,3}(?:[,_'\u2019\u202f\u00a0]\d{3})+(?!\d)"
_NUMBER: Final = re.compile(
    # Not inside a word, a date, a time, a version, or an identifier: those are no quantities.
    rf"(?<![\w.,:/-])(?<![\w]-)(?P<about>~|\u2248)?\s?(?P<currency>[$€£¥₿])?\s?"
    rf"(?P<digits>{_GROUPED}|\d+)(?P<fraction>\.\d+)?(?P<power>[eE][+-]?\d{{1,3}})?"
    r"(?:\s?(?P<percent>%|percent\b|pct\b|bps\b|bp\b|basis points?\b)|"
    r"\s?(?P<scale>thousand|million|billion|trillion|mio|mn|bn|tn|[kKmMbBtT])(?![\w]))?"
    r"(?![\w:/]|-\d|[.,]\d)"
)
_SIGNED: Final = re.compile(r"(?<=[\s(\[{=:,\"'>])[-+\u2212](?=[$€£¥₿]?\d)|^[-+\u2212](?=[$€£¥₿]?\d)", re.MULTILINE)
_LIST_MARK: Final = re.compile(r"^\s*\d{1,3}[.)]\s", re.MULTILINE)
_ABOUT: Final = re.compile(
    r"(?:about|around|approximately|approx\.?|roughly|near|nearly|almost|circa)\s*[$€£¥₿]?$", re.IGNORECASE
)
SMALLEST: Final = 13
_PROPOSED: Final = re.compile(
    r"\b(?:targets?|targeting|stops?|stop[- ]loss|take[- ]profit|tp|sl|exit|entry|objective|risk(?:ing)?)\b"
    r"(?:\s+(?:at|of|is|to|near|around|about|below|above|price|level))*\s*[:=]?\s*[$€£¥₿]?$",
    re.IGNORECASE,
)
_BELIEVED: Final = re.compile(r"\s*(?:chance|probability|confiden\w+|likel\w+|odds|certain\w*|sure\b)", re.IGNORECASE)
_BELIEF: Final = re.compile(
    r"\b(?:chance|probability|confidence|likelihood|odds)(?:\s+(?:of|is|at|about|around))*\s*[:=]?\s*$", re.IGNORECASE
)
_DIGIT_BEFORE: Final = re.compile(r"\d[ \u2009]$")
_DIGITS_AFTER: Final = re.compile(r"[ \u2009]\d{3}(?!\d)")


@dataclass(frozen=True, slots=True)
class Quantity:
    """One number of a text.

    Attributes:
        text: As it is written.
        value: Its amount without a sign; of a percentage the percent.
        unit: What its last written digit is worth, in the same measure.
        is_percent: Whether it is a percentage; basis points are hundredths of one.
        is_plain: Whether it is a whole number without a currency, a scale or a percent sign.
    """

    text: str
    value: float
    unit: float
    is_percent: bool
    is_plain: bool


def quantities(text: str) -> Iterator[Quantity]:
    """Yield the numbers of a text that are quantities: no dates, times, versions, list marks or parts of names."""
    cleaned = _cleaned(text)
    for match in _NUMBER.finditer(cleaned):
        yield _quantity(match, cleaned)


def claims(text: str) -> Iterator[Quantity]:
    """Yield the numbers that a text states as facts.

    Left out are small whole numbers without a unit, which are counts and periods («three bars»); what the model
    proposes (a target, a stop) or believes (a probability); and digits in groups that spaces divide, which may be one
    number or several.
    """
    cleaned = _cleaned(text)
    for match in _NUMBER.finditer(cleaned):
        before, after = cleaned[max(0, match.start() - 40) : match.start()], cleaned[match.end() : match.end() + 40]
        quantity = _quantity(match, cleaned)
        if quantity.is_plain and quantity.value < SMALLEST:
            continue
        if _PROPOSED.search(before) or _BELIEVED.match(after) or _BELIEF.search(before):
            continue
        if (
            quantity.is_plain
            and len(match["digits"]) <= 3
            and (_DIGIT_BEFORE.search(before) or _DIGITS_AFTER.match(after))
        ):
            continue
        yield quantity


def _cleaned(text: str) -> str:
    """Return a text without the marks of lists and the signs of numbers: what falls by 2% changes by -2%."""
    return _SIGNED.sub(" ", _LIST_MARK.sub(" ", text))


def _quantity(match: re.Match[str], text: str) -> Quantity:
    digits, fraction = re.sub(r"\D", "", match["digits"]), match["fraction"] or ""
    power = float(f"1{match['power']}") if match["power"] else 1.0
    scale = _SCALES[match["scale"].lower()] if match["scale"] else 1.0
    per = match["percent"]
    hundredths = 0.01 if per and per.lower().startswith(("bp", "basis")) else 1.0
    unit = 10.0 ** -(len(fraction) - 1) if fraction else 1.0
    is_about = match["about"] is not None or _ABOUT.search(text[max(0, match.start() - 16) : match.start()])
    if is_about and not fraction:
        zeros = len(digits) - len(digits.rstrip("0"))
        unit = 10.0 ** min(zeros, len(digits) - 1)
    factor = power * scale * hundredths
    return Quantity(
        text=match.group().strip(),
        value=float(digits + fraction) * factor,
        unit=unit * factor,
        is_percent=per is not None,
        is_plain=not (fraction or match["power"] or match["scale"] or per or match["currency"]),
    )
