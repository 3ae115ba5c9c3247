from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.agents.decisions import Action
from src.agents.swarm.members import Member, labelled
from src.agents.swarm.voting import Vote, count


def vote(action: str | None, weight: float = 1.0, confidence: int = 50, error: str | None = None) -> Vote:
    return Vote(
        member="m",
        weight=weight,
        action=Action(action) if action else None,
        confidence=confidence if action else None,
        error_category=error,
    )


def test_the_action_with_most_weight_wins() -> None:
    result = count([vote("BUY", confidence=80), vote("BUY", confidence=60), vote("SELL")])
    assert (result.action, result.confidence) == (Action.BUY, 70)
    assert result.agreement == pytest.approx(2 / 3)
    assert [item.action for item in result.dissent] == [Action.SELL]


def test_weight_counts_not_heads() -> None:
    result = count([vote("BUY", 1), vote("BUY", 1), vote("SELL", 3, 90)])
    assert (result.action, result.agreement, result.confidence) == (Action.SELL, 0.6, 90)


def test_confidence_is_weighted_over_the_winners_votes() -> None:
    result = count([vote("BUY", 3, 90), vote("BUY", 1, 10), vote("SELL", 1, 100)])
    assert result.confidence == 70


def test_a_tie_is_nothing_with_the_reason() -> None:
    result = count([vote("BUY"), vote("SELL")])
    assert (result.action, result.confidence, result.agreement) == (Action.NOTHING, 0, 0)
    assert "tie between BUY and SELL" in result.reason


def test_floating_weights_tie_where_they_are_equal_but_for_rounding() -> None:
    assert count([vote("BUY", 0.1), vote("BUY", 0.2), vote("SELL", 0.3)]).action is Action.NOTHING


@pytest.mark.parametrize(
    ("voted", "failed", "wins"), [(1, 0, True), (2, 1, True), (1, 1, False), (1, 2, False), (2, 2, False), (3, 2, True)]
)
def test_more_than_half_of_all_weight_must_have_voted(voted: int, failed: int, wins: bool) -> None:
    result = count([vote("BUY")] * voted + [vote(None, error="timeout")] * failed)
    assert (result.action is Action.BUY) == wins
    assert wins or "no quorum" in result.reason


def test_a_failed_heavy_member_can_break_the_quorum() -> None:
    assert count([vote("BUY", 1), vote("BUY", 1), vote(None, 3)]).action is Action.NOTHING


def test_deciding_to_do_nothing_is_a_vote_and_abstaining_is_not() -> None:
    result = count([vote("NOTHING", confidence=90), vote("NOTHING", confidence=70), vote("BUY"), vote(None)])
    assert (result.action, result.confidence) == (Action.NOTHING, 80)
    assert "NOTHING by 2 of 3 votes" in result.reason


@pytest.mark.parametrize("weight", [0.0, -1.0, math.nan, math.inf])
def test_a_weight_that_makes_no_sense_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="weight"):
        count([vote("BUY", weight)])


@given(
    st.lists(
        st.tuples(st.sampled_from(["BUY", "SELL", "NOTHING", None]), st.floats(0.01, 100), st.integers(0, 100)),
        min_size=1,
        max_size=12,
    )
)
def test_any_vote_holds_the_rules(ballots: list[tuple[str | None, float, int]]) -> None:
    votes = [vote(action, weight, confidence) for action, weight, confidence in ballots]
    result = count(votes)
    assert 0 <= result.agreement <= 1 + 1e-9
    assert 0 <= result.confidence <= 100
    assert result.votes == tuple(votes)
    assert all(item.action not in (None, result.action) for item in result.dissent)
    if result.agreement == 0:
        assert (result.action, result.confidence) == (Action.NOTHING, 0)


def test_members_of_one_model_are_numbered() -> None:
    labels = [
        member.label for member in labelled(["openai:gpt-4o", "local", "openai:gpt-4o", Member(model="local", seed=3)])
    ]
    assert labels == ["openai:gpt-4o#1", "local#1", "openai:gpt-4o#2", "local#2"]
    assert [member.label for member in labelled(["local"])] == ["local"]


def test_no_members_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one member"):
        labelled([])


def test_large_weights_are_counted_or_refused() -> None:
    result = count([vote("BUY", 1e308, 50), vote("SELL", 1.0)])
    assert (result.action, result.confidence) == (Action.BUY, 50)
    for weight in (10**400, 10.0**308 * 10):
        with pytest.raises(ValueError, match="give a finite number above 0"):
            Member(model="local", weight=weight)
