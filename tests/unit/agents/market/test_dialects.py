"""Files of each platform are read to the values that stand in them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from src.agents.market import Candle, MarketDataError, load_candles
from src.agents.market.dialects import DIALECTS
from tests.unit.agents.market.files import FILES
from tests.unit.agents.market.price_file import PriceFile, bar_of

REAL_FILES = Path(__file__).parents[5] / "shared" / "data" / "formats"


@pytest.mark.parametrize("file", FILES, ids=[file.name for file in FILES])
def test_a_platforms_file_is_read_as_the_platform_means_it(tmp_path: Path, file: PriceFile) -> None:
    path = tmp_path / file.name
    path.write_bytes(file.text.encode(file.encoding))
    candles = load_candles(path, **file.options)
    assert (candles[0], candles[-1]) == (Candle(*bar_of(file.first)), Candle(*bar_of(file.last)))
    assert len(candles) == file.rows
    assert candles.reading is not None
    assert candles.reading.dialect == file.dialect
    assert file.issues <= set(candles.issue_counts)


def test_every_dialect_of_the_table_has_a_file() -> None:
    assert {dialect.name for dialect in DIALECTS} <= {file.dialect for file in FILES}


@pytest.mark.skipif(not REAL_FILES.exists(), reason="the real files beside the project are not here")
def test_real_files_are_read_to_the_values_in_them() -> None:
    expected = json.loads((REAL_FILES / "expected.json").read_text())
    for name, values in expected.items():
        if "note" in values:
            with pytest.raises(MarketDataError, match="no bars"):
                load_candles(REAL_FILES / name)
            continue
        bars = {bar.time: bar for bar in load_candles(REAL_FILES / name)}
        for end in ("first", "last"):
            row = values[end]
            time = datetime.fromisoformat(row["time"].removesuffix("Z")).replace(tzinfo=UTC)
            assert bars[time] == Candle(time, row["open"], row["high"], row["low"], row["close"], row["volume"]), name
