"""Whether a module puts the root of its checkout on `sys.path`, read from its syntax tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from src.migration.rewrite.analysis.syntax import dotted, positional, text_of, walk

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SAME_PLACE = frozenset({"Path", "pathlib.Path", "str", "os.path.abspath", "os.path.realpath", "os.path.normpath",
                         "abspath", "realpath", "normpath", "os.fspath"})  # fmt: skip
_SAME_PLACE_METHODS = frozenset({"resolve", "absolute", "as_posix", "expanduser", "__str__"})
_DEPTH = 12


def mentions_path(node: cst.CSTNode) -> bool:
    """Tell whether code uses `sys.path`; remarks and texts do not count."""
    return any(_is_path(part) for part in walk(node))


def has_root(body: Sequence[cst.CSTNode], levels: int) -> bool:
    """Tell whether statements put the folder `levels` above a file's own folder on `sys.path` for certain.

    Args:
        body: The statements of the module that run before.
        levels: How many folders above the file's own the root is.
    """
    assigned: dict[str, list[cst.BaseExpression]] = {}
    for node in _statements(body):
        if isinstance(node, cst.Assign):
            for target in node.targets:
                if isinstance(target.target, cst.Name):
                    assigned.setdefault(target.target.value, []).append(node.value)
    return any(
        _height(folder, assigned) == levels + 1
        for node in _statements(body)
        if isinstance(node, cst.Expr) and (folder := _added_folder(node.value)) is not None
    )


def _statements(body: Sequence[cst.CSTNode]) -> Iterator[cst.CSTNode]:
    """Yield small statements that run, those under `if root not in sys.path:` included."""
    for node in body:
        if isinstance(node, cst.SimpleStatementLine):
            yield from node.body
        elif isinstance(node, cst.If) and _asks_whether_missing(node.test):
            yield from _statements(node.body.body)


def _asks_whether_missing(test: cst.BaseExpression) -> bool:
    if not isinstance(test, cst.Comparison) or len(test.comparisons) != 1:
        return False
    (target,) = test.comparisons
    return isinstance(target.operator, cst.NotIn) and _is_path(target.comparator)


def _is_path(node: cst.CSTNode) -> bool:
    return isinstance(node, cst.Attribute) and node.attr.value == "path" and dotted(node.value) in ("sys", "_sys")


def _added_folder(node: cst.BaseExpression) -> cst.BaseExpression | None:
    """Return what `sys.path.append(x)` or `sys.path.insert(0, x)` adds, or None."""
    if not isinstance(node, cst.Call) or not isinstance(node.func, cst.Attribute) or not _is_path(node.func.value):
        return None
    args = positional(node)
    if node.func.attr.value == "append" and len(args) == 1:
        return args[0]
    return args[1] if node.func.attr.value == "insert" and len(args) == 2 else None


def _height(node: cst.BaseExpression, assigned: dict[str, list[cst.BaseExpression]], depth: int = _DEPTH) -> int | None:
    """Return how many folders above the file an expression is, 0 for the file itself; None where it is not known."""
    if depth == 0:
        return None
    match node:
        case cst.Name(value="__file__"):
            return 0
        case cst.Name(value=name):
            values = assigned.get(name, [])
            return _height(values[0], assigned, depth - 1) if len(values) == 1 else None
        case cst.Attribute(value=inner, attr=cst.Name(value="parent")):
            return _raised(_height(inner, assigned, depth - 1), 1)
        case cst.Subscript(value=cst.Attribute(value=inner, attr=cst.Name(value="parents"))):
            index = node.slice[0].slice
            number = index.value if isinstance(index, cst.Index) else None
            steps = int(number.value) + 1 if isinstance(number, cst.Integer) else None
            return _raised(_height(inner, assigned, depth - 1), steps)
        case cst.BinaryOperation(left=left, operator=cst.Divide(), right=right):
            return _raised(_height(left, assigned, depth - 1), _steps_up(right))
        case cst.Call():
            return _height_of_call(node, assigned, depth)
    return None


def _height_of_call(node: cst.Call, assigned: dict[str, list[cst.BaseExpression]], depth: int) -> int | None:
    args = positional(node)
    name = dotted(node.func) or ""
    if isinstance(node.func, cst.Attribute) and node.func.attr.value in _SAME_PLACE_METHODS and not args:
        return _height(node.func.value, assigned, depth - 1)
    if not args:
        return None
    height = _height(args[0], assigned, depth - 1)
    if name in _SAME_PLACE and len(args) == 1:
        return height
    if name.rpartition(".")[2] == "dirname":
        return _raised(height, 1)
    if name in ("os.path.join", "join"):
        for part in args[1:]:
            height = _raised(height, _steps_up(part))
        return height
    return None


def _steps_up(node: cst.BaseExpression) -> int | None:
    """Return how many folders up a relative path such as `../..` leads."""
    text = text_of(node)
    parts = (text or "").replace("\\", "/").strip("/").split("/")
    return len(parts) if text and all(part == ".." for part in parts) else None


def _raised(height: int | None, steps: int | None) -> int | None:
    return height + steps if height is not None and steps is not None else None
