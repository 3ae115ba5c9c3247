"""No two members of a swarm have the same name, whatever labels they are given."""

from __future__ import annotations

import pytest

from src.agents.swarm.members import Member, labelled


@pytest.mark.parametrize(
    "labels",
    [
        ["x", "x", "x#1"],
        ["x#2", "x", "x"],
        ["x", "x", "x#1", "x#1"],
        ["x", "y", "x", "y", "y#1"],
        ["x#1", "x#1", "x#1#1"],
    ],
)
def test_a_number_that_a_label_has_already_is_left_out(labels: list[str]) -> None:
    members = labelled(Member("openai:gpt-4o", label=label) for label in labels)
    names = [member.label for member in members]
    assert len(set(names)) == len(labels)
    assert all(name.startswith(label) for name, label in zip(names, labels, strict=True))
