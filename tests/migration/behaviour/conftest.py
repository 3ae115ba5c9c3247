"""Share one loopback server and one process that forks programs among the tests of a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.migration.behaviour.cases import CASES, Case
from tests.migration.behaviour.loopback import Loopback
from tests.migration.behaviour.running import Outcome, Runner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Run = Callable[[Case, Path, str], Outcome]
    Before = Callable[[Case, str], Outcome]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let one worker run all programs: the process that forks them imports all SDKs, and how one ends before it is
    migrated is known to the tests of one worker.
    """
    for item in items:
        if "runner" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("programs"))


@pytest.fixture(scope="session")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    with Loopback(tmp_path_factory.mktemp("authority")) as loopback:
        runner = Runner(loopback, tmp_path_factory.mktemp("runs"))
        yield runner
        runner.close()


@pytest.fixture(scope="session")
def run(runner: Runner) -> Run:
    """Return how to run a case's program, as it stands in some folder, through one scenario."""

    def start(case: Case, folder: Path, scenario: str) -> Outcome:
        return runner.run(folder / "main.py", scenario, case.says, dict(case.env))

    return start


@pytest.fixture(scope="session")
def before(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Before:
    """Return how a case's program ends in a scenario before it is migrated; each is run once."""
    outcomes: dict[tuple[str, str], Outcome] = {}

    def start(case: Case, scenario: str) -> Outcome:
        if (case.name, scenario) not in outcomes:
            folder = tmp_path_factory.mktemp(case.name) / "before"
            case.write(folder)
            outcomes[case.name, scenario] = run(case, folder, scenario)
        return outcomes[case.name, scenario]

    return start


@pytest.fixture(params=sorted(CASES))
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]
