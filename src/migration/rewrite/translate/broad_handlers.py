"""Handlers of any error around a call, which must find on the factory's errors what they read on the SDK's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from src.migration.rewrite import sdk_vocabulary as sdk
from src.migration.rewrite.analysis.syntax import code, positional, text_of, walk
from src.migration.rewrite.records import Unprovable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from src.migration.rewrite.analysis.tree import Tree
    from src.migration.rewrite.analysis.values import Evaluator
    from src.migration.rewrite.records import Site

_ANY = ("Exception", "BaseException")
# What InvalidRequest, ConnectionFailed and ModelTimeout are besides, and the SDKs' errors are not.
_BUILTIN = ("ValueError", "ConnectionError", "TimeoutError", "OSError", "IOError", "EnvironmentError")
_SDK_BASES = ("OpenAIError", "AnthropicError", "GroqError", "APIError")
# Attributes that only the SDKs' errors have, or that mean something else on the factory's.
_SDK_ONLY_ATTRIBUTES = frozenset(
    {"response", "body", "code", "type", "param", "headers", "request", "http_status", "json_body", "http_body",
     "user_message", "error", "details"}
)  # fmt: skip


def check_broad_handlers(site: Site, values: Evaluator) -> None:
    """Check the handlers of any error around a call; what a person must review is noted on the site.

    Raises:
        Unprovable: a handler reads an attribute that the factory's errors lack, or compares the name of the class.
    """
    _note_builtin_errors(site, values)
    if not is_of_other_errors(site):
        return
    for handler in _handlers(site, values, _catches_any_error):
        if handler.name is None or not isinstance(handler.name.name, cst.Name):
            continue
        name = handler.name.name.value
        line = values.tree.line(handler)
        for read in _attributes_read(handler, name, values.tree):
            if read in _SDK_ONLY_ATTRIBUTES:
                raise Unprovable(
                    f"the handler in line {line} reads {name}.{read}, which the factory's errors have not",
                    "read error.status, error.message, error.retry_after_s or error.__cause__",
                )
        _check_text_tests(site, handler, name, line)


def _note_builtin_errors(site: Site, values: Evaluator) -> None:
    """Note the handlers of Python's own errors, such as ValueError, of which some of the factory's errors are."""
    for handler in _handlers(site, values, _catches_builtin_error):
        if not _is_after_sdk_errors(handler, values.tree):
            line, kind = values.tree.line(handler), code(handler.type) if handler.type is not None else ""
            site.review.append(f"line {line} handles {kind}, as which some of the factory's errors count too")


def _catches_builtin_error(kind: cst.BaseExpression | None) -> bool:
    if isinstance(kind, cst.Tuple):
        return any(_catches_builtin_error(element.value) for element in kind.elements)
    return isinstance(kind, cst.Name) and kind.value in _BUILTIN


def _is_after_sdk_errors(handler: cst.ExceptHandler, tree: Tree) -> bool:
    """Tell whether an earlier handler of the same `try` takes the SDK's errors."""
    statement = tree.parent(handler)
    for earlier in statement.handlers if isinstance(statement, cst.Try) else ():
        if earlier is handler:
            return False
        if earlier.type is None or any(name in code(earlier.type) for name in (*_ANY, *_SDK_BASES)):
            return True
    return False


def is_of_other_errors(site: Site) -> bool:
    """Tell whether a moved call raises errors that are not its SDK's own: of the old openai and the old Google SDK."""
    return site.kind == "legacy" or site.sdk == "generativeai"


def _handlers(
    site: Site, values: Evaluator, catches: Callable[[cst.BaseExpression | None], bool]
) -> Iterator[cst.ExceptHandler]:
    """Yield the handlers of certain errors around a call, and around calls of the functions that contain it."""
    tree = values.tree
    pending: list[cst.CSTNode] = [site.call]
    seen: set[cst.CSTNode] = set()
    while pending:
        node = pending.pop()
        child = node
        for ancestor in tree.ancestors(node):
            if isinstance(ancestor, cst.Try) and child is ancestor.body:
                yield from (handler for handler in ancestor.handlers if catches(handler.type))
            if isinstance(ancestor, cst.FunctionDef):
                if ancestor not in seen:
                    seen.add(ancestor)
                    pending.extend(values.calls_of(ancestor))
                break
            child = ancestor


def _catches_any_error(kind: cst.BaseExpression | None) -> bool:
    if isinstance(kind, cst.Tuple):
        return any(_catches_any_error(element.value) for element in kind.elements)
    return kind is not None and code(kind) in _ANY


def _attributes_read(handler: cst.ExceptHandler, name: str, tree: Tree) -> Iterator[str]:
    """Yield the attributes of an error that its handler reads without a test of the error's class."""
    for node in walk(handler.body):
        if isinstance(node, cst.Attribute) and isinstance(node.value, cst.Name) and node.value.value == name:
            if not _is_under_class_test(node, name, handler, tree):
                yield node.attr.value
        elif isinstance(node, cst.Call) and code(node.func) in ("getattr", "hasattr"):
            args = positional(node)
            if len(args) > 1 and code(args[0]) == name and not _is_under_class_test(node, name, handler, tree):
                yield text_of(args[1]) or ""


def _is_under_class_test(node: cst.CSTNode, name: str, top: cst.CSTNode, tree: Tree) -> bool:
    """Tell whether a read is inside a test with `isinstance(error, ...)`, which only the SDK's error passes."""
    for ancestor in tree.ancestors(node):
        if ancestor is top:
            return False
        test = None
        if isinstance(ancestor, cst.If | cst.IfExp):
            test = ancestor.test
        elif isinstance(ancestor, cst.BooleanOperation):
            test = ancestor.left
        if test is not None and f"isinstance({name}" in code(test):
            return True
    return False


def _check_text_tests(site: Site, handler: cst.ExceptHandler, name: str, line: int) -> None:
    """Note where a handler looks for words in an error's text.

    Raises:
        Unprovable: it compares the name of the error's class.
    """
    texts = {text for node in walk(handler.body) if (text := text_of(node)) is not None}
    names_class = any(code(node) in (f"type({name})", f"{name}.__class__") for node in _expressions(handler))
    if names_class and texts & sdk.ERROR_NAMES:
        raise Unprovable(
            f"the handler in line {line} goes by the name of the SDK's error",
            "handle one of src.models.errors by its class",
        )
    reads_text = f"str({name})" in code(handler.body)
    if reads_text and any(_looks_for_words(node) for node in walk(handler.body)):
        site.review.append(f"line {line} goes by the words of the error's text")


def _expressions(handler: cst.ExceptHandler) -> Iterable[cst.CSTNode]:
    return (node for node in walk(handler.body) if isinstance(node, cst.Call | cst.Attribute))


def _looks_for_words(node: cst.CSTNode) -> bool:
    return (
        isinstance(node, cst.Comparison)
        and text_of(node.left) is not None
        and any(isinstance(comparison.operator, cst.In | cst.NotIn) for comparison in node.comparisons)
    )
