"""Tell code that is nested too deeply for LibCST, whose parser would end the process where Python's raises."""

from __future__ import annotations

import ast
import threading
import warnings

import libcst as cst

_STACK_BYTES = 512 * 1024 * 1024
_DEEPEST_TREE = 150
_DEEPEST_BRACKETS = 50


def is_too_deep(source: bytes, name: str) -> bool:
    """Tell whether a file is nested deeper than anything that a person writes.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: as Python's own parser does.
    """
    if _brackets(source) > _DEEPEST_BRACKETS:
        return True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        level: list[ast.AST] = [ast.parse(source, name)]
    depth = 0
    while level:
        depth += 1
        if depth > _DEEPEST_TREE:
            return True
        if any(isinstance(node, ast.BoolOp) and len(node.values) > _DEEPEST_TREE for node in level):
            return True  # flat for Python, one inside the other for LibCST
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    return False


def parsed(source: bytes) -> cst.Module:
    """Parse a module on a stack that is deep enough for what `is_too_deep` cannot see, such as texts side by side.

    Raises:
        cst.ParserSyntaxError: it is no Python.
    """
    found: list[cst.Module | BaseException] = []

    def work() -> None:
        try:
            found.append(cst.parse_module(source))
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            found.append(error)

    before = threading.stack_size(_STACK_BYTES)
    try:
        worker = threading.Thread(target=work)
        worker.start()
    finally:
        threading.stack_size(before)
    worker.join()
    if isinstance(found[0], BaseException):
        raise found[0]
    return found[0]


def _brackets(source: bytes) -> int:
    """Return how deep brackets are nested; those in texts and comments count too, so it may be too many."""
    deepest = depth = 0
    for byte in source:
        if byte in b"([{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b")]}":
            depth = max(depth - 1, 0)
    return deepest
