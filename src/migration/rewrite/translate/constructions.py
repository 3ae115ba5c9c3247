"""The arguments that a client is made with, those of a dictionary passed with `**` included."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import libcst as cst

from src.migration.rewrite.analysis.syntax import code, entries
from src.migration.rewrite.records import Unprovable
from src.migration.rewrite.translate.unpacked_options import is_never_changed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from src.migration.rewrite.analysis.values import Evaluator

Arguments = dict[str, cst.BaseExpression]


@dataclass(slots=True)
class Construction:
    """The named arguments of a call that makes a client.

    Attributes:
        arguments: What each of them is.
        reads: For each value that comes from a dictionary the expression that reads it from there. It was evaluated
            where the dictionary was made, and may have another value where the client is.
    """

    arguments: Arguments = field(default_factory=dict)
    reads: dict[cst.BaseExpression, cst.BaseExpression] = field(default_factory=dict)

    def as_read(self, settings: Iterable[tuple[str, cst.BaseExpression]]) -> list[tuple[str, cst.BaseExpression]]:
        """Return a model's settings with the values that come from a dictionary read from it."""
        return [(name, self.reads.get(value, value)) for name, value in settings]


def arguments_of(call: cst.Call, values: Evaluator) -> Construction:
    """Return the named arguments of a call that makes a client.

    Raises:
        Unprovable: it is called with `*`, or with a dictionary of which not all is known.
    """
    construction = Construction()
    for arg in call.args:
        if arg.star:
            items = _items(arg.value, values) if arg.star == "**" else None
            if items is None:
                raise Unprovable(
                    "what the client is made with is not known", "make the model with ModelFactory.get_model"
                )
            construction.arguments |= items
            if isinstance(arg.value, cst.Name):
                construction.reads |= {value: _item_of(arg.value, name) for name, value in items.items()}
        elif arg.keyword is not None:
            construction.arguments[arg.keyword.value] = arg.value
    return construction


def _items(node: cst.BaseExpression, values: Evaluator) -> Arguments | None:
    """Return the items of a dictionary: a literal, or a name that holds one literal and is never changed."""
    if isinstance(node, cst.Dict):
        return entries(node)
    if isinstance(node, cst.Call) and code(node.func) == "dict":
        named = {arg.keyword.value: arg.value for arg in node.args if arg.keyword is not None}
        return named if len(named) == len(node.args) else None
    if not isinstance(node, cst.Name):
        return None
    bindings = values.tree.bindings(node)
    if len(bindings) != 1 or bindings[0].kind != "assign" or not is_never_changed(node, values):
        return None
    value = bindings[0].value
    return _items(value, values) if isinstance(value, cst.Dict | cst.Call) else None


def _item_of(dictionary: cst.Name, key: str) -> cst.BaseExpression:
    """Return the expression that reads an item; the dictionary's name is the node of the old text, with its scope."""
    index = cst.Index(cst.SimpleString(f'"{key}"'))
    return cst.Subscript(dictionary, [cst.SubscriptElement(index)])
