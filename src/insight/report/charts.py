"""Draw charts as inline SVG: no script, no font, no address; colours follow the page's style, dark or light."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_WIDTH: Final = 720
_HEIGHT: Final = 180
_LEFT: Final = 64
_BELOW: Final = 22
_ROW: Final = 22
_LABELS: Final = 190
_LONGEST: Final = 23  # characters of a label, so that wide ones too have room before the bars


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its label, its value, and the value as text; `mark` is a second value, drawn as a line."""

    label: str
    value: float
    text: str
    mark: float | None = None


def columns(title: str, bars: Sequence[Bar], scale: Callable[[float], str]) -> str:
    """Return a chart of upright bars in the order of time.

    Args:
        title: What it shows.
        bars: The bars; the first, the last and some between them are labelled.
        scale: Writes a value of the axis.
    """
    if not bars:
        return ""
    top = _rounded(max((bar.value for bar in bars), default=0.0))
    step = (_WIDTH - _LEFT) / len(bars)
    parts = [_open(title, _HEIGHT + _BELOW)]
    for share in (0.0, 0.5, 1.0):
        y = _HEIGHT - share * (_HEIGHT - 10)
        parts.append(f'<line class="grid" x1="{_LEFT}" y1="{y:.1f}" x2="{_WIDTH}" y2="{y:.1f}"/>')
        label = _text(scale(top * share))
        parts.append(f'<text class="axis" x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
    every = max(1, math.ceil(len(bars) / 8))
    for place, bar in enumerate(bars):
        height = bar.value / top * (_HEIGHT - 10) if top else 0.0
        x = _LEFT + place * step
        parts.append(
            f'<rect class="bar" x="{x + step * 0.1:.1f}" y="{_HEIGHT - height:.1f}" width="{step * 0.8:.1f}" '
            f'height="{height:.1f}"><title>{_text(bar.label)}: {_text(bar.text)}</title></rect>'
        )
        if place % every == 0:
            middle = f'x="{x + step / 2:.1f}" y="{_HEIGHT + 16}" text-anchor="middle"'
            parts.append(f'<text class="axis" {middle}>{_text(bar.label)}</text>')
    return "".join([*parts, "</svg></figure>"])


def rows(title: str, bars: Sequence[Bar]) -> str:
    """Return a chart of lying bars, one below the other, each with its label and its value."""
    if not bars:
        return ""
    top = max((max(bar.value, bar.mark or 0.0) for bar in bars), default=0.0)
    width = _WIDTH - _LABELS - 110
    parts = [_open(title, _ROW * len(bars) + 4)]
    for place, bar in enumerate(bars):
        y = place * _ROW
        length = bar.value / top * width if top else 0.0
        label = bar.label if len(bar.label) <= _LONGEST else f"{bar.label[: _LONGEST - 1]}…"
        parts.append(
            f'<text class="axis" x="{_LABELS - 8}" y="{y + 15}" text-anchor="end">{_text(label)}'
            f"<title>{_text(bar.label)}</title></text>"
            f'<rect class="bar" x="{_LABELS}" y="{y + 3}" width="{length:.1f}" height="{_ROW - 6}">'
            f"<title>{_text(bar.label)}: {_text(bar.text)}</title></rect>"
        )
        end = length
        if bar.mark is not None and top:
            x = _LABELS + bar.mark / top * width
            end = max(length, bar.mark / top * width)
            parts.append(f'<line class="mark" x1="{x:.1f}" y1="{y + 2}" x2="{x:.1f}" y2="{y + _ROW - 2}"/>')
        parts.append(f'<text class="axis" x="{_LABELS + end + 6:.1f}" y="{y + 15}">{_text(bar.text)}</text>')
    return "".join([*parts, "</svg></figure>"])


def _open(title: str, height: int) -> str:
    return (
        f'<figure><figcaption>{_text(title)}</figcaption><svg viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-label="{_text(title)}">'
    )


def _text(text: str) -> str:
    """Return a text as HTML and SVG may hold it: escaped, without the controls that XML forbids."""
    return html.escape("".join(sign if sign.isprintable() else " " for sign in text))


def _rounded(value: float) -> float:
    """Return a round number at or above a value, for the end of an axis."""
    if not (value > 0 and math.isfinite(value)):
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= value * 0.999999)
