"""Colours of the style sheet have the contrast that WCAG 2.1 AA asks for: 4.5 to 1 for text, 3 to 1 for what is drawn.

https://www.w3.org/TR/WCAG21/#contrast-minimum, https://www.w3.org/TR/WCAG21/#non-text-contrast
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import src.dashboard

STYLE = (Path(src.dashboard.__file__).parent / "static" / "style.css").read_text()
GROUNDS = ("page", "card")
TEXTS = ("text", "soft", "link", "good", "bad", "warn")
CHARTS = tuple(f"c{number}" for number in range(1, 9))


def _themes() -> dict[str, dict[str, str]]:
    light, dark, chosen_dark = (
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
        for block in re.findall(
            r"(?<!\w):root(?:|:not\(\[data-theme=light\]\)|\[data-theme=dark\]) \{(.*?)\}", STYLE, re.DOTALL
        )
    )
    assert dark == chosen_dark  # by the system, and by the reader
    return {"light": light, "dark": {**light, **dark}}


def _luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _ratio(a: str, b: str) -> float:
    light, dark = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_contrast(theme: str) -> None:
    colours = _themes()[theme]
    pairs = [(name, ground, 4.5) for name in TEXTS for ground in GROUNDS]
    pairs += [("accent-text", "accent", 4.5), *((name, "chosen", 4.5) for name in ("text", "soft", "bad"))]
    pairs += [(name, ground, 3.0) for name in (*CHARTS, "accent", "bar", "bar-event") for ground in GROUNDS]
    low = [(a, b, round(ratio, 2)) for a, b, least in pairs if (ratio := _ratio(colours[a], colours[b])) < least]
    assert low == []
    border = re.search(r"button \{[^}]*border: 1px solid (#[0-9a-f]{6})", STYLE)
    assert border is not None
    assert all(_ratio(border[1], colours[ground]) >= 3 for ground in GROUNDS)


def test_the_measure_itself() -> None:
    assert _ratio("#000000", "#ffffff") == pytest.approx(21)
    assert _ratio("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
