"""Numbers in groups of three digits are told by their bytes as a pattern tells them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.agents.market import MarketDataError, load_candles
from src.agents.market.cells import text_array, trimmed, with_point, without
from src.agents.market.groups_of_digits import are_grouped
from tests.long import rounds

if TYPE_CHECKING:
    from pathlib import Path

PATTERNS = {".": r"[+-]?\d{1,3}(?:,\d{3})*(?:\.\d*)?", ",": r"[+-]?\d{1,3}(?:\.\d{3})*(?:,\d*)?"}
written = st.builds(
    lambda value, decimals: f"{value:,.{decimals}f}", st.floats(-1e9, 1e9, allow_nan=False), st.integers(0, 3)
)
grouped = st.lists(st.floats(0, 1e7).map(lambda value: f"{value:,.2f}"), min_size=1, max_size=4)
cells = st.one_of(grouped, st.lists(st.one_of(written, st.text("12,.+-", max_size=9)), min_size=1, max_size=4))


@settings(max_examples=rounds(45, 5000), deadline=None)
@given(cells, st.booleans())
def test_groups_are_told_as_the_pattern_tells_them(texts: list[str], european: bool) -> None:
    mark, point = (".", ",") if european else (",", ".")
    texts = [text.translate(str.maketrans(",.", ".,")) for text in texts] if european else texts
    array = text_array(["12", *texts])[1:]  # a part of an array has its cells elsewhere in the bytes
    assert are_grouped(array, mark, point) == all(re.fullmatch(PATTERNS[point], text) for text in texts)
    assert without(array, mark).to_pylist() == [text.replace(mark, "") for text in texts]
    assert with_point(array).to_pylist() == [text.replace(",", ".") for text in texts]


def test_only_the_edges_of_cells_are_trimmed() -> None:
    texts = [" 1 ", "\u00a02\t", "'3'", "4 5", "", " "]
    assert trimmed(text_array(["x", *texts])[1:]).to_pylist() == ["1", "2", "3", "4 5", "", ""]


def test_a_longer_row_among_the_first_ones_of_a_file_without_header_is_dropped(tmp_path: Path) -> None:
    rows = [f"2024.08.26,00:{minute:02},108.15,109.23,107.07,108.15,3,0" for minute in range(20)]
    rows[4] = "2024.08.26,00:04,1,108.15,1,109.23,107.07,108.15,3,0"  # groups of digits without quotes
    path = tmp_path / "prices.csv"
    path.write_text("\n".join(rows) + "\n")
    candles = load_candles(path)
    assert (len(candles), candles.issue_counts["long_row"]) == (19, 1)
    assert {bar.open for bar in candles} == {108.15}


@pytest.mark.parametrize("every", [1, 3])
def test_a_volume_that_a_comma_may_have_split_is_refused_with_both_readings(every: int, tmp_path: Path) -> None:
    volumes = ["3,112.24" if number % every == 0 else "812.5" for number in range(60)]
    lines = [f"2024.01.02,00:{number:02d},1.1,1.2,1.0,1.1,{volume}" for number, volume in enumerate(volumes)]
    file = tmp_path / "mt4.csv"
    file.write_text("\n".join(lines) + "\n")
    with pytest.raises(MarketDataError, match=r"3,112\.24 may be a volume of 3112\.24, or one of 3 and another column"):
        load_candles(file, symbol="EURUSD")
