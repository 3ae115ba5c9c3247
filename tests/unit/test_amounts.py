"""An amount that is not 0 never reads as 0, wherever a command or a report writes it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from src.dashboard.view.formats import shown
from src.insight.report import texts
from src.judging import report
from src.observability.commands.console import money

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("write", [money, texts.dollars, report.dollars, lambda usd: shown(usd, "money")])
@pytest.mark.parametrize("usd", [3e-10, 2.4e-7, 4e-6, 0.000049, 0.00994, 0.0101, 0.5, 12.3456])
def test_an_amount_keeps_its_size(write: Callable[[float], str], usd: float) -> None:
    assert float(write(usd).removeprefix("$")) == pytest.approx(usd, rel=0.06)


@pytest.mark.parametrize("write", [money, texts.dollars, report.dollars, lambda usd: shown(usd, "money")])
def test_nothing_is_nothing(write: Callable[[float], str]) -> None:
    assert re.fullmatch(r"\$0(\.0+)?", write(0.0))
