"""Every file keeps to the rules that no linter knows: names say what a value is, files and functions are short."""

from __future__ import annotations

import ast
import contextlib
import gc
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.xdist_group("sources")  # read by one worker alone
ROOT = Path(__file__).resolve().parents[2]
MOST_LINES = 400
MOST_LINES_OF_A_FUNCTION = 50
# They say that a value was obtained, not what it is.
RIDDLES = frozenset({"alike", "found", "given", "kept", "mine", "one", "said", "told"})
# What stays above a bound, as `path` or `path::function`, and why.
LONGER: dict[str, str] = {
    "src/cli/backtest.py::backtest": "a line for each of its options",
    "src/cli/paper.py::paper": "a line for each of its options",
    "src/cli/trade.py::trade": "a line for each of its options",
}


def sources() -> Iterator[tuple[str, str]]:
    """Yield each file's path and text."""
    folders = ("src", "scripts", "tests", "benchmarks")
    for path in sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        yield path.relative_to(ROOT).as_posix(), path.read_text("utf-8")


@contextlib.contextmanager
def without_collector() -> Iterator[None]:
    """Let Python's collector of garbage wait: trees have no cycles, and it would look through all of each."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def nodes_of_note(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield each function, and each node of which any text is a riddle: quicker to see than what kind it is."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        is_of_note = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for value in vars(node).values():
            if isinstance(value, ast.AST):
                waiting.append(value)
            elif isinstance(value, list):
                waiting += [item for item in value if isinstance(item, ast.AST)]
            elif isinstance(value, str) and value.strip("_").lower() in RIDDLES:
                is_of_note = True
        if is_of_note:
            yield node


def bound_name(node: ast.AST) -> str | None:
    match node:
        case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()) | ast.arg(arg=name):
            return name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return name
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            return name
        case ast.alias(asname=str(name)):
            return name
    return None


@cache
def breaches() -> tuple[list[str], set[str]]:
    """Return where a name says that a value was obtained, and which files and functions are too long."""
    riddles: list[str] = []
    long: set[str] = set()
    with without_collector():
        for path, text in sources():
            is_bounded = path.startswith(("src/", "scripts/"))
            if is_bounded and text.count("\n") > MOST_LINES:
                long.add(path)
            for node in nodes_of_note(ast.parse(text)):
                if (bound_name(node) or "").strip("_").lower() in RIDDLES:
                    riddles.append(f"{path}:{getattr(node, 'lineno', 0)} {bound_name(node)}")
                if is_bounded and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    lines = (node.end_lineno or node.lineno) - node.lineno + 1
                    if lines > MOST_LINES_OF_A_FUNCTION:
                        long.add(f"{path}::{node.name}")
    return riddles, long


def test_a_name_says_what_its_value_is() -> None:
    assert not breaches()[0]


def test_files_and_functions_are_short_but_for_those_that_say_why() -> None:
    assert breaches()[1] == set(LONGER)
