"""Parsing of deeply nested code, on which LibCST's parser overflows the stack and ends the process."""

from __future__ import annotations

import ast
import threading
import warnings

import libcst as cst

_STACK_BYTES = 512 * 1024 * 1024
_DEEPEST_TREE = 150
_DEEPEST_BRACKETS = 50


def is_too_deep(source: bytes, name: str) -> bool:
    """Tell whether a file is nested more deeply than code that a person writes.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: Python's own parser refuses the file.
    """
    if _bracket_depth(source) > _DEEPEST_BRACKETS:
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
            return True  # Python's tree has the operands side by side, LibCST nests them
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    return False


def parse_on_deep_stack(source: bytes) -> cst.Module:
    """Parse a module in a thread with a large stack, for nesting that `is_too_deep` does not see.

    LibCST nests adjacent string literals, for example, which Python's tree joins.

    Raises:
        cst.ParserSyntaxError: the source is not valid Python.
    """
    results: list[cst.Module | BaseException] = []

    def parse() -> None:
        try:
            results.append(cst.parse_module(source))
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            results.append(error)

    previous_size = threading.stack_size(_STACK_BYTES)
    try:
        worker = threading.Thread(target=parse)
        worker.start()
    finally:
        threading.stack_size(previous_size)
    worker.join()
    if isinstance(results[0], BaseException):
        raise results[0]
    return results[0]


def _bracket_depth(source: bytes) -> int:
    """Return how deeply brackets are nested; brackets in strings and comments count too, so it may be too many."""
    deepest = depth = 0
    for byte in source:
        if byte in b"([{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b")]}":
            depth = max(depth - 1, 0)
    return deepest
