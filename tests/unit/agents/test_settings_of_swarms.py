"""What a swarm is made with is a number before anything is asked, whatever type it came in."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy
import pytest

from src.agents.swarm.members import Member
from src.agents.trading_agent import TradingAgent


@pytest.mark.parametrize(
    ("weight", "plain"),
    [
        (Fraction(1, 4), 0.25),
        (Decimal("0.5"), 0.5),
        (numpy.float32(0.5), 0.5),
        (numpy.int64(3), 3.0),
        (2, 2),
        (2.5, 2.5),
    ],
)
def test_a_weight_of_any_kind_of_number_can_be_written_as_json(weight: Any, plain: float) -> None:
    assert json.dumps(Member("openai:gpt-4o", weight=weight).weight) == json.dumps(plain)


@pytest.mark.parametrize("weight", [Decimal("NaN"), Decimal(-1), Decimal("1e999"), Fraction(0)])
def test_a_number_that_is_no_weight_is_refused(weight: Any) -> None:
    with pytest.raises(ValueError, match=r"The weight of openai:gpt-4o is .*give a finite number above 0"):
        Member("openai:gpt-4o", weight=weight)


@pytest.mark.parametrize(
    "options",
    [
        {"quorum": "0.5"},
        {"quorum": True},
        {"quorum": None},
        {"member_timeout_s": "20"},
        {"total_timeout_s": "20"},
        {"min_bars": "10"},
        {"min_bars": 10.5},
    ],
    ids=str,
)
def test_a_setting_that_is_no_number_is_refused_by_its_name(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(options))} is .*: give "):
        TradingAgent(["openai:gpt-4o"], **options)
