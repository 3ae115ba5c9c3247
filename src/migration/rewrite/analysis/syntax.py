"""Helpers that read and build small pieces of LibCST syntax."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

import libcst as cst

from src.migration.rewrite.analysis.children import children_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Star = Literal["", "*", "**"]
_EMPTY = cst.Module([])
_PROPERTIES = ("property", "cached_property")


def code(node: cst.CSTNode) -> str:
    """Return a node's source text."""
    return _EMPTY.code_for_node(node)


def expression(text: str) -> cst.BaseExpression:
    """Parse an expression."""
    return cst.parse_expression(text)


def statement(text: str) -> cst.BaseStatement:
    """Parse one statement."""
    return cast("cst.BaseStatement", cst.parse_statement(text))


def dotted(node: cst.CSTNode | None) -> str | None:
    """Return `a.b.c` for a chain of plain names, else None."""
    if isinstance(node, cst.Name):
        return node.value
    if isinstance(node, cst.Attribute):
        left = dotted(node.value)
        return f"{left}.{node.attr.value}" if left else None
    return None


def text_of(node: cst.CSTNode | None) -> str | None:
    """Return the value of a plain string literal, else None."""
    if isinstance(node, cst.SimpleString | cst.ConcatenatedString):
        value = node.evaluated_value
        return value if isinstance(value, str) else None
    return None


def keyword(call: cst.Call, name: str) -> cst.BaseExpression | None:
    """Return the value of a keyword argument, or None."""
    return next((arg.value for arg in call.args if arg.keyword is not None and arg.keyword.value == name), None)


def positional(call: cst.Call) -> list[cst.BaseExpression]:
    """Return the positional arguments before the first starred one."""
    args: list[cst.BaseExpression] = []
    for arg in call.args:
        if arg.star or arg.keyword is not None:
            break
        args.append(arg.value)
    return args


def is_property(function: cst.FunctionDef) -> bool:
    """Tell whether a method is a property, read like an attribute."""
    names = {(dotted(decorator.decorator) or "").rpartition(".")[2] for decorator in function.decorators}
    return not names.isdisjoint(_PROPERTIES)


def is_none(node: cst.CSTNode | None) -> bool:
    """Tell whether an expression is the literal None."""
    return isinstance(node, cst.Name) and node.value == "None"


def is_constant(node: cst.CSTNode | None) -> bool:
    """Tell whether an expression is a literal number or string, or None, True or False."""
    if isinstance(node, cst.UnaryOperation):
        return is_constant(node.expression)
    return isinstance(node, cst.Integer | cst.Float | cst.SimpleString | cst.ConcatenatedString) or (
        isinstance(node, cst.Name) and node.value in ("None", "True", "False")
    )


def is_literal(node: cst.CSTNode | None) -> bool:
    """Tell whether an expression is a constant, or lists and dictionaries of constants."""
    if isinstance(node, cst.List | cst.Tuple):
        return all(isinstance(element, cst.Element) and is_literal(element.value) for element in node.elements)
    if isinstance(node, cst.Dict):
        return all(
            isinstance(element, cst.DictElement) and is_literal(element.key) and is_literal(element.value)
            for element in node.elements
        )
    return is_constant(node)


def entries(node: cst.Dict) -> dict[str, cst.BaseExpression] | None:
    """Return a dictionary literal's entries, None where a key is not a literal string or an entry is starred."""
    items: dict[str, cst.BaseExpression] = {}
    for element in node.elements:
        key = text_of(element.key) if isinstance(element, cst.DictElement) else None
        if key is None:
            return None
        items[key] = element.value
    return items


def walk(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """Yield a node and all its descendants, in source order."""
    pending = [node]
    while pending:
        current = pending.pop()
        yield current
        pending.extend(reversed(children_of(current)))


def argument(name: str | None, value: cst.BaseExpression, star: Star = "") -> cst.Arg:
    """Return an argument of a call, formatted as `name=value`."""
    no_space = cst.SimpleWhitespace("")
    return cst.Arg(
        value=value,
        keyword=cst.Name(name) if name else None,
        star=star,
        equal=cst.AssignEqual(no_space, no_space) if name else cst.MaybeSentinel.DEFAULT,
    )


def lay_out(args: Sequence[cst.Arg], like: cst.Call) -> list[cst.Arg]:
    """Return new arguments in the layout of the call that they replace: one per line, or all in one line."""
    old_arg = next((arg for arg in like.args[:-1] if isinstance(arg.comma, cst.Comma)), None)
    is_multiline = (
        old_arg is not None and isinstance(old_arg.comma, cst.Comma) and _is_multiline(old_arg.comma.whitespace_after)
    )
    if not args:
        return []
    separator = cst.Comma(whitespace_after=_line_break_of(like) if is_multiline else cst.SimpleWhitespace(" "))
    old_last = like.args[-1] if like.args else None
    last_space = old_last.whitespace_after_arg if old_last else cst.SimpleWhitespace("")
    last_comma: cst.Comma | cst.MaybeSentinel = cst.MaybeSentinel.DEFAULT
    if old_last is not None and isinstance(old_last.comma, cst.Comma):
        last_comma = old_last.comma.with_changes(whitespace_after=_without_comment(old_last.comma.whitespace_after))
    leading = [arg.with_changes(comma=separator, whitespace_after_arg=cst.SimpleWhitespace("")) for arg in args[:-1]]
    return [*leading, args[-1].with_changes(comma=last_comma, whitespace_after_arg=_without_comment(last_space))]


def _is_multiline(space: cst.BaseParenthesizableWhitespace) -> bool:
    return isinstance(space, cst.ParenthesizedWhitespace)


def _without_comment(space: cst.BaseParenthesizableWhitespace) -> cst.BaseParenthesizableWhitespace:
    if isinstance(space, cst.ParenthesizedWhitespace):
        return space.with_changes(first_line=cst.TrailingWhitespace(newline=space.first_line.newline))
    return space


def _line_break_of(call: cst.Call) -> cst.BaseParenthesizableWhitespace:
    for arg in call.args[:-1]:
        if isinstance(arg.comma, cst.Comma) and isinstance(arg.comma.whitespace_after, cst.ParenthesizedWhitespace):
            space = arg.comma.whitespace_after
            return space.with_changes(
                first_line=cst.TrailingWhitespace(newline=space.first_line.newline), empty_lines=()
            )
    return cst.SimpleWhitespace(" ")


def comments_in(call: cst.Call) -> list[str]:
    """Return the comments between a call's arguments."""
    return [node.value for arg in call.args for node in walk(arg) if isinstance(node, cst.Comment)]
