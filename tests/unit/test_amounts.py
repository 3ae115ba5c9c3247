"""An amount that is not 0 never reads as 0, wherever a command or a report writes it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from src.dashboard.view.formats import shown
from src.insight.report import texts
from src.judging import report
from src.models.errors import InvalidRequest
from src.models.limits import amounts, budgets
from src.observability.commands.console import money

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("write", [money, texts.dollars, report.dollars, amounts.usd, lambda usd: shown(usd, "money")])
@pytest.mark.parametrize("usd", [3e-10, 2.4e-7, 4e-6, 0.000049, 0.00994, 0.0101, 0.5, 12.3456])
def test_an_amount_keeps_its_size(write: Callable[[float], str], usd: float) -> None:
    assert float(write(usd).removeprefix("$")) == pytest.approx(usd, rel=0.06)


@pytest.mark.parametrize("write", [money, texts.dollars, report.dollars, amounts.usd, lambda usd: shown(usd, "money")])
def test_nothing_is_nothing(write: Callable[[float], str]) -> None:
    assert re.fullmatch(r"\$0(\.0+)?", write(0.0))


@pytest.mark.parametrize(
    ("amount", "as_limit", "as_cost"),
    [
        (0, "$0", "$0"),
        (5.0, "$5", "$5.0000"),
        (0.25, "$0.25", "$0.2500"),
        (12_345_678.91, "$12,345,678.91", "$12,345,678.9100"),
        (1.2345e-7, "$0.00000012345", "$0.000000123"),
    ],
)
def test_amounts_of_budgets_are_shown_as_they_were_set_and_costs_with_digits(
    amount: float, as_limit: str, as_cost: str
) -> None:
    assert (amounts.limit(amount), amounts.usd(amount)) == (as_limit, as_cost)


@pytest.mark.parametrize("text", ["5_0", "\uff15"])
def test_a_budget_is_a_plain_number(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOONDEV_BUDGET_DAY_USD", text)
    with pytest.raises(InvalidRequest, match=r"MOONDEV_BUDGET_DAY_USD is .* give US dollars"):
        budgets.current()
