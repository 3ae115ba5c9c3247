"""Tests of one group run in one process."""

from __future__ import annotations

import pytest


@pytest.mark.xdist_group("scheduling")
def test_a_group_is_named_where_the_schedule_reads_it(request: pytest.FixtureRequest) -> None:
    if not hasattr(request.config, "workerinput"):
        pytest.skip("one process runs all tests")
    assert request.node.nodeid.endswith("@scheduling")
