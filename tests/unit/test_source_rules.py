"""Every file keeps to the rules that no linter knows: names say what a value is, files and functions are short."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
MOST_LINES = 400
MOST_LINES_OF_A_FUNCTION = 50
# They say that a value was obtained, not what it is.
RIDDLES = frozenset({"alike", "found", "given", "kept", "mine", "one", "said", "told"})
# What stays above a bound, as `path` or `path::function`, and why.
LONGER: dict[str, str] = {}


@cache
def trees() -> dict[str, ast.Module]:
    folders = ("src", "scripts", "tests", "benchmarks")
    files = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text("utf-8")) for path in files}


def bound_names(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()) | ast.arg(arg=name):
                yield name, node.lineno
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name, node.lineno
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name, node.lineno
            case ast.alias(asname=str(name)):
                yield name, node.lineno


def lengths() -> Iterator[tuple[str, int, int]]:
    """Yield files and functions of the sources, each with its lines and the most that it may have."""
    for path, tree in trees().items():
        if path.startswith(("src/", "scripts/")):
            yield path, (ROOT / path).read_text("utf-8").count("\n"), MOST_LINES
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    lines = (node.end_lineno or node.lineno) - node.lineno + 1
                    yield f"{path}::{node.name}", lines, MOST_LINES_OF_A_FUNCTION


def test_a_name_says_what_its_value_is() -> None:
    riddles = [
        f"{path}:{line} {name}"
        for path, tree in trees().items()
        for name, line in bound_names(tree)
        if name.strip("_").lower() in RIDDLES
    ]
    assert not riddles


def test_files_and_functions_are_short_but_for_those_that_say_why() -> None:
    assert {place for place, lines, most in lengths() if lines > most} == set(LONGER)
