"""Hand tests to the processes that run them: the cases of one test function together, the largest functions first.

`--dist loadgroup` of pytest-xdist hands out each case by itself, and for each looks through all that it has handed out
before and through the names of all tests. With thousands of tests the process that hands them out was busy with that
for longer than some of the tests take.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from _pytest.nodeid import NodeId
from typing_extensions import override
from xdist.scheduler import LoadGroupScheduling

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pytest
    from xdist.workermanage import WorkerController


def name_groups(items: Iterable[pytest.Item]) -> None:
    """Put the group of each test behind its id, where the schedule reads it.

    pytest-xdist 3.8 does so in an attribute that pytest 9.2 no longer reads, and each test then runs anywhere.
    """
    for item in items:
        groups = sorted({str(mark.args[0]) for mark in item.iter_markers("xdist_group")})
        if groups and "@" not in item.nodeid.rpartition("]")[2]:
            item._id = NodeId.parse(f"{item.nodeid}@{'_'.join(groups)}")


class _Numbered(list[str]):
    """Names of tests, whose numbers are looked up."""

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__(names)
        self._numbers = {name: number for number, name in enumerate(self)}

    @override
    def index(self, name: str, *_: object) -> int:
        return self._numbers[name]


class ByFunction(LoadGroupScheduling):  # type: ignore[misc] # pytest-xdist ships no type information
    """The schedule of groups, in which the cases of a function are a group too."""

    @override
    def add_node_collection(self, node: WorkerController, collection: Sequence[str]) -> None:
        super().add_node_collection(node, _Numbered(collection))

    @override
    def _split_scope(self, nodeid: str) -> str:
        scope = super()._split_scope(nodeid)
        return scope if scope != nodeid else nodeid.partition("[")[0]

    @override
    def _pending_of(self, workload: dict[str, dict[str, bool]]) -> int:
        """Count the tests that a process has still to run; it runs its groups in the order in which it got them."""
        pending = 0
        for group in reversed(workload.values()):
            unfinished = list(group.values()).count(False)
            if not unfinished:
                break
            pending += unfinished
        return pending
