"""The arguments that a client is made with, those of a dictionary passed with `**` included."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import libcst as cst

from src.migration.rewrite.records import Unprovable
from src.migration.rewrite.translate.unpacked_options import items_of, read_of

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
            items = items_of(arg.value, values) if arg.star == "**" else None
            if items is None:
                raise Unprovable(
                    "what the client is made with is not known", "make the model with ModelFactory.get_model"
                )
            construction.arguments |= items
            if isinstance(arg.value, cst.Name):
                construction.reads |= {value: read_of(arg.value, name) for name, value in items.items()}
        elif arg.keyword is not None:
            construction.arguments[arg.keyword.value] = arg.value
    return construction
