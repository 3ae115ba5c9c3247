"""No input makes either script crash, hang, write invalid Python, write in a dry run, or change its own output.

MOONDEV_TEST_LONG=1 tries sixty times as many inputs, other ones in each run.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import signal
import sys
import tempfile
import traceback
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from src.migration.check.sites import facts_of
from src.migration.check.vocabulary.words import Vocabulary
from src.migration.rewrite import file
from tests import warm
from tests.long import IS_LONG, rounds
from tests.migration.behaviour.grammar import grown
from tests.migration.behaviour.mutations import DRESSES, SOURCES, dressed, mutated
from tests.migration.behaviour.shapes import SHAPES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from src.migration.rewrite.records import Outcome

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "scripts"
WORDS = Vocabulary()
PATIENCE_S = 120  # many times as long as the worst input takes: the limit is for hanging, not for speed


def fuzzed(examples: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Bound a test's number of inputs, the same in each run, except in a long one."""
    quiet = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
    return settings(
        max_examples=rounds(examples, 60 * examples),
        deadline=None,
        derandomize=not IS_LONG,
        suppress_health_check=quiet,
        database=None,
    )


@contextlib.contextmanager
def patience() -> Iterator[None]:
    """Fail where the block does not end in time."""

    def give_up(*_: object) -> None:
        raise AssertionError("it hangs")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(PATIENCE_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def parses(data: bytes) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # generated texts have invalid escapes
            ast.parse(data)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def survives(data: bytes) -> Outcome:
    """Pass an input to both scripts, and assert what must be true for any input."""
    facts_of(data, WORDS)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "agent.py"
        path.write_bytes(data)
        with patience():
            outcome = file.migrate(path, "agent.py")
        assert path.read_bytes() == data
        for site in outcome.sites:
            assert site.line >= 1
            assert site.reason or site.status == "migrated"
        if outcome.after is not None:
            assert outcome.after != data
            assert parses(data), "a file that does not parse was changed"
            assert parses(outcome.after), outcome.after.decode("utf-8", "replace")
            path.write_bytes(outcome.after)
            with patience():
                again = file.migrate(path, "agent.py")
            assert again.after is None, _both(outcome.after, again.after)
            facts_of(outcome.after, WORDS)
    return outcome


def _both(first: bytes, second: bytes | None) -> str:
    return f"{first.decode('utf-8', 'replace')}\n--- and again ---\n{(second or b'').decode('utf-8', 'replace')}"


@fuzzed(40)
@given(dressed(mutated()))
def test_mutated_programs(data: bytes) -> None:
    survives(data)


@fuzzed(15)
@given(st.data())
def test_truncated_programs(data: st.DataObject) -> None:
    source = data.draw(st.sampled_from(SOURCES)).encode()
    survives(source[: data.draw(st.integers(0, len(source)))])


@fuzzed(20)
@given(
    st.one_of(st.binary(max_size=300), st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass")))
)
def test_any_bytes(data: bytes) -> None:
    survives(data)
    survives(b"from openai import OpenAI\n" + data)


@fuzzed(80)
@given(grown)
def test_grown_programs(data: bytes) -> None:
    survives(data)


@pytest.fixture(scope="module")
def shape_outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return what went wrong with each shape, "" where nothing did.

    They are read in a child process, since a parser in native code can end the process that it runs in; then another
    child reads the rest.
    """
    report = tmp_path_factory.mktemp("shapes") / "outcomes.jsonl"
    outcomes: dict[str, str] = {}
    while remaining := [name for name in SHAPES if name not in outcomes]:
        report.write_text("")
        child = os.fork()
        if child == 0:
            with report.open("a") as file:
                for name in remaining:
                    json.dump([name, _trouble(SHAPES[name])], file)
                    file.write("\n")
                    file.flush()
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        outcomes |= dict(json.loads(line) for line in report.read_text().splitlines())
        if status != 0:
            outcomes[next(name for name in SHAPES if name not in outcomes)] = f"the process ended with {status}"
    return outcomes


def _trouble(shape: str) -> str:
    try:
        survives(shape.encode("utf-8", "surrogatepass"))
    except BaseException:  # noqa: BLE001 - reported by the test
        return traceback.format_exc()
    return ""


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_that_break_readers(name: str, shape_outcomes: dict[str, str]) -> None:
    assert shape_outcomes[name] == ""


def test_the_commands_handle_a_tree_of_all_these_inputs(tmp_path: Path) -> None:
    """Run the commands themselves on many odd files at once: a dry run, a run, a second run, the check.

    Over 5 s: the commands start four times, and read inputs that are made to be slow to read.
    """
    tree = tmp_path / "tree"
    tree.mkdir()
    shapes = list(SHAPES.values())
    for at, text in enumerate(shapes if IS_LONG else shapes[::3]):
        (tree / f"shape{at}.py").write_bytes(text.encode("utf-8", "surrogatepass"))
    for at, source in enumerate(SOURCES[: rounds(6, 40)]):
        for name, dress in DRESSES.items():
            if at % len(DRESSES) == sorted(DRESSES).index(name):
                (tree / f"source{at}.py").write_bytes(dress(source).encode("utf-8"))
    (tree / "empty.py").write_bytes(b"")
    (tree / "broken link.py").symlink_to(tree / "nowhere.py")
    (tree / "folder.py").mkdir()
    (tree / "na\u00efve \u20ac.py").write_text(SOURCES[0], encoding="utf-8")
    texts = _texts(tree)
    planned_sites = _migrated_sites(tree)
    assert _texts(tree) == texts
    assert _migrated_sites(tree, "--write") == planned_sites
    once = _texts(tree)
    assert once != texts
    assert all(parses(data) for name, data in once.items() if data != texts[name])
    _run("migrate_to_factory.py", tree, "--write", codes={0, 20})
    assert _texts(tree) == once
    report = json.loads(_run("check_direct_calls.py", tree, "--no-cache", "--format", "json", codes={0, 1}))
    assert report["version"] == 1


def _migrated_sites(tree: Path, *options: str) -> list[dict[str, Any]]:
    """Run the migration, and return the sites that it reports."""
    report = tree.with_name("report.json")
    _run("migrate_to_factory.py", tree, *options, "--report", report, codes={10, 20})
    sites: list[dict[str, Any]] = json.loads(report.read_text(encoding="utf-8"))["sites"]
    return sites


def _texts(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _run(script: str, *arguments: str | Path, codes: set[int]) -> str:
    command = [sys.executable, str(SCRIPTS / script), *map(str, arguments)]
    done = warm.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert done.returncode in codes, done.stderr[-2000:]
    assert "Traceback" not in done.stderr, done.stderr[-3000:]
    return str(done.stdout)
