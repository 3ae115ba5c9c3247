"""Drop parts of a program for as long as its fault stays."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.migration.fuzz.draft import Program


def minimized(program: Program, fault_of: Callable[[Program], str | None], trials: int = 70) -> Program:
    """Return a smaller program with the same kind of fault.

    Args:
        program: A program with a fault.
        fault_of: Returns the kind of a program's fault, or None.
        trials: How many programs to try at most.
    """
    fault, is_smaller = fault_of(program), True
    while is_smaller and trials > 0:
        is_smaller = False
        for candidate in smaller(program):
            if trials <= 0:
                break
            trials -= 1
            if fault_of(candidate) == fault:
                program, is_smaller = candidate, True
                break
    return program


def smaller(program: Program) -> Iterator[Program]:
    """Yield programs with a part less, those with the largest part less first."""
    for mark in program.scripts:
        if len(program.scripts) > 1 and (fewer := _without_question(program, mark)) is not None:
            yield fewer
    candidates = [
        (len(text) - len(shorter), name, shorter)
        for name, text in program.files.items()
        for shorter in _shorter_texts(text)
    ]
    for _, name, shorter in sorted(candidates, key=lambda item: -item[0]):
        yield replace(program, files={**program.files, name: shorter})


def _without_question(program: Program, mark: str) -> Program | None:
    """Return the program without one of the questions in its list of them."""
    main = program.files["main.py"]
    for node in ast.walk(ast.parse(main)):
        if isinstance(node, ast.List):
            for at, item in enumerate(node.elts):
                if isinstance(item, ast.Constant) and str(item.value).startswith(f"{mark}:") and len(node.elts) > 1:
                    rest = [ast.unparse(other) for other in node.elts[:at] + node.elts[at + 1 :]]
                    text = _replaced(main, node, f"[{', '.join(rest)}]")
                    scripts = {name: events for name, events in program.scripts.items() if name != mark}
                    return replace(program, files={**program.files, "main.py": text}, scripts=scripts)
    return None


def _shorter_texts(text: str) -> Iterator[str]:
    """Yield a file's texts without a statement, with the body of a statement in its place, without an argument."""
    tree = ast.parse(text)
    for parent in ast.walk(tree):
        for name in ("body", "orelse", "finalbody", "handlers"):
            statements = getattr(parent, name, None)
            if not isinstance(statements, list):
                continue
            for node in statements:
                needs_pass = len(statements) == 1 and name == "body" and not isinstance(parent, ast.Module)
                if not (needs_pass and isinstance(node, ast.Pass)):
                    yield from _parsable(_without_lines(text, node, "pass" if needs_pass else ""))
                if isinstance(node, ast.Try | ast.If | ast.With | ast.For):
                    yield from _parsable(_unwrapped(text, node))
        if isinstance(parent, ast.Call):
            for argument in (*parent.args, *parent.keywords):
                rest = [*(ast.unparse(item) for item in parent.args if item is not argument),
                        *(_keyword(item) for item in parent.keywords if item is not argument)]  # fmt: skip
                yield from _parsable(_replaced(text, parent, f"{ast.unparse(parent.func)}({', '.join(rest)})"))


def _keyword(item: ast.keyword) -> str:
    return f"{item.arg}={ast.unparse(item.value)}" if item.arg else f"**{ast.unparse(item.value)}"


def _parsable(text: str) -> Iterator[str]:
    try:
        ast.parse(text)
    except SyntaxError:
        return
    yield text


def _lines_of(node: ast.AST) -> tuple[int, int]:
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(item.lineno for item in decorators)])  # type: ignore[attr-defined] # a statement's
    return first - 1, node.end_lineno  # type: ignore[attr-defined] # a statement's


def _without_lines(text: str, node: ast.AST, instead: str) -> str:
    lines = text.splitlines(keepends=True)
    first, last = _lines_of(node)
    depth = lines[first][: len(lines[first]) - len(lines[first].lstrip())]
    return "".join([*lines[:first], *([f"{depth}{instead}\n"] if instead else []), *lines[last:]])


def _unwrapped(text: str, node: ast.Try | ast.If | ast.With | ast.For) -> str:
    lines = text.splitlines(keepends=True)
    first, last = _lines_of(node)
    start, end = _lines_of(node.body[0])[0], _lines_of(node.body[-1])[1]
    depth = len(lines[first]) - len(lines[first].lstrip())
    inner_depth = len(lines[start]) - len(lines[start].lstrip())
    body = [line[inner_depth - depth :] if line.strip() else line for line in lines[start:end]]
    return "".join([*lines[:first], *body, *lines[last:]])


def _replaced(text: str, node: ast.expr, instead: str) -> str:
    lines = text.encode().splitlines(keepends=True)
    head = b"".join(lines[: node.lineno - 1]) + lines[node.lineno - 1][: node.col_offset]
    end_line = (node.end_lineno or node.lineno) - 1
    tail = lines[end_line][node.end_col_offset :] + b"".join(lines[end_line + 1 :])
    return (head + instead.encode() + tail).decode()
