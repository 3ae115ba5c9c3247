"""Hold every file to the rules that no linter knows: names say what a value is, files and functions are short."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).resolve().parents[1]
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


def sources(root: Path) -> Iterator[tuple[str, str]]:
    """Yield each file's path and text."""
    folders = ("src", "scripts", "tests", "benchmarks")
    for path in sorted(path for folder in folders for path in (root / folder).rglob("*.py")):
        yield path.relative_to(root).as_posix(), path.read_text("utf-8")


def nodes(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield each node; as `ast.walk` does, in a third of its time."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for value in vars(node).values():
            if isinstance(value, ast.AST):
                waiting.append(value)
            elif isinstance(value, list):
                waiting += [item for item in value if isinstance(item, ast.AST)]


def bound_name(node: ast.AST) -> str | None:
    """Return the name that a node binds; None where it binds none."""
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


def has_riddle(node: ast.AST) -> bool:
    """Tell whether any text of a node is such a name, which is quicker to see than what kind of node it is."""
    return any(isinstance(value, str) and value.strip("_").lower() in RIDDLES for value in vars(node).values())


def breaches(root: Path, longer: Mapping[str, str]) -> list[str]:
    """Return where a name says that a value was obtained, and which files and functions are too long.

    Args:
        root: The folder of a checkout.
        longer: What may be above a bound, as `path` or `path::function`, and why; what is not is a breach too.
    """
    lines: list[str] = []
    long: set[str] = set()
    for path, text in sources(root):
        is_bounded = path.startswith(("src/", "scripts/"))
        if is_bounded and text.count("\n") > MOST_LINES:
            long.add(path)
        for node in nodes(ast.parse(text)):
            if has_riddle(node) and (bound_name(node) or "").strip("_").lower() in RIDDLES:
                lines.append(f"{path}:{getattr(node, 'lineno', 0)}: {bound_name(node)} does not say what its value is")
            if is_bounded and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > MOST_LINES_OF_A_FUNCTION:
                    long.add(f"{path}::{node.name}")
    lines += [
        f"{place}: over {MOST_LINES} lines, or {MOST_LINES_OF_A_FUNCTION} in a function" for place in long - set(longer)
    ]
    lines += [f"{place}: is not over the bound: take it off the list" for place in set(longer) - long]
    return lines


def main() -> int:
    """Print each breach; return 1 where there is one."""
    lines = breaches(ROOT, LONGER)
    for line in sorted(lines):
        print(line)
    return int(bool(lines))


if __name__ == "__main__":
    sys.exit(main())
