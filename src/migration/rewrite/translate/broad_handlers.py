"""Tell what handlers of any error do with the errors of a call: what they read of them must be there afterwards too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from src.migration.rewrite import sdk_vocabulary as sdk
from src.migration.rewrite.analysis.syntax import code, positional, text_of, walk
from src.migration.rewrite.records import Unprovable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from src.migration.rewrite.analysis.tree import Tree
    from src.migration.rewrite.analysis.values import Evaluator
    from src.migration.rewrite.records import Site

_ANY = ("Exception", "BaseException")
# What the SDKs' errors have, and ours have not, or mean otherwise.
_THEIRS = frozenset(
    {"response", "body", "code", "type", "param", "headers", "request", "http_status", "json_body", "http_body",
     "user_message", "error", "details"}
)  # fmt: skip


def look(site: Site, values: Evaluator) -> None:
    """Note on a site what a handler of any error makes of its errors.

    Raises:
        Unprovable: it reads what the factory's errors have not, or goes by the name of an SDK's error.
    """
    for handler in _handlers(site, values):
        if handler.name is None or not isinstance(handler.name.name, cst.Name):
            continue
        name = handler.name.name.value
        line = values.tree.line(handler)
        for read in _reads(handler, name, values.tree):
            if read in _THEIRS:
                raise Unprovable(
                    f"the handler in line {line} reads {name}.{read}, which the factory's errors have not",
                    "read error.status, error.message, error.retry_after_s or error.__cause__",
                )
        _words(site, handler, name, line)


def _handlers(site: Site, values: Evaluator) -> Iterator[cst.ExceptHandler]:
    """Yield the handlers of any error around a call, and around calls of the functions that it is in."""
    tree = values.tree
    waiting: list[cst.CSTNode] = [site.call]
    seen: set[cst.CSTNode] = set()
    while waiting:
        node = waiting.pop()
        child = node
        for one in tree.above(node):
            if isinstance(one, cst.Try) and child is one.body:
                yield from (handler for handler in one.handlers if _takes_any(handler.type))
            if isinstance(one, cst.FunctionDef):
                if one not in seen:
                    seen.add(one)
                    waiting.extend(values.calls_of(one))
                break
            child = one


def _takes_any(kind: cst.BaseExpression | None) -> bool:
    if isinstance(kind, cst.Tuple):
        return any(_takes_any(element.value) for element in kind.elements)
    return kind is not None and code(kind) in _ANY


def _reads(handler: cst.ExceptHandler, name: str, tree: Tree) -> Iterator[str]:
    """Yield the attributes of an error that its handler reads, where no test of its class stands before."""
    for node in walk(handler.body):
        if isinstance(node, cst.Attribute) and isinstance(node.value, cst.Name) and node.value.value == name:
            if not _tested(node, name, handler, tree):
                yield node.attr.value
        elif isinstance(node, cst.Call) and code(node.func) in ("getattr", "hasattr"):
            given = positional(node)
            if len(given) > 1 and code(given[0]) == name and not _tested(node, name, handler, tree):
                yield text_of(given[1]) or ""


def _tested(node: cst.CSTNode, name: str, top: cst.CSTNode, tree: Tree) -> bool:
    """Tell whether a read stands under `isinstance(error, ...)`, which says whose error it is."""
    for one in tree.above(node):
        if one is top:
            return False
        test = (
            one.test
            if isinstance(one, cst.If | cst.IfExp)
            else one.left
            if isinstance(one, cst.BooleanOperation)
            else None
        )
        if test is not None and f"isinstance({name}" in code(test):
            return True
    return False


def _words(site: Site, handler: cst.ExceptHandler, name: str, line: int) -> None:
    """Note where a handler goes by the class's name or the text of an error."""
    texts = {text for node in walk(handler.body) if (text := text_of(node)) is not None}
    named = any(code(node) in (f"type({name})", f"{name}.__class__") for node in _expressions(handler))
    if named and texts & sdk.ERROR_NAMES:
        raise Unprovable(
            f"the handler in line {line} goes by the name of the SDK's error",
            "handle one of src.models.errors by its class",
        )
    shown = f"str({name})" in code(handler.body)
    if shown and any(_looks_for_words(node) for node in walk(handler.body)):
        site.review.append(f"line {line} goes by the words of the error's text")


def _expressions(handler: cst.ExceptHandler) -> Iterable[cst.CSTNode]:
    return (node for node in walk(handler.body) if isinstance(node, cst.Call | cst.Attribute))


def _looks_for_words(node: cst.CSTNode) -> bool:
    return (
        isinstance(node, cst.Comparison)
        and text_of(node.left) is not None
        and any(isinstance(one.operator, cst.In | cst.NotIn) for one in node.comparisons)
    )
