"""The fields of data classes: which there are, and what gives each its value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from src.migration.rewrite.analysis.syntax import code, keyword, positional

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from src.migration.rewrite.analysis.tree import Tree

    Modules = Callable[[cst.BaseExpression], str | None]  # the dotted name of what an expression is, if imported

FIELD_FUNCTIONS = ("dataclasses.field", "pydantic.Field")
_OPTIONS = frozenset({"frozen", "slots", "eq", "order", "repr", "unsafe_hash"})  # which leave the constructor as it is
_NO_FIELDS = ("ClassVar", "InitVar", "KW_ONLY")


def field_names(owner: cst.ClassDef, tree: Tree, modules: Modules) -> list[str]:
    """Return the fields of a data class in the order in which its constructor takes them.

    Empty for any other class, and for one with bases, an `__init__` of its own or options that change its constructor.
    """
    is_data_class = len(owner.decorators) == 1 and _makes_data_class(owner.decorators[0].decorator, modules)
    if not is_data_class or owner.bases or "__init__" in tree.bound.get(owner, {}):
        return []
    names = []
    for part in _annotated(owner):
        if any(word in code(part.annotation.annotation) for word in _NO_FIELDS):
            return []
        if isinstance(part.target, cst.Name):
            names.append(part.target.value)
    return names


def _makes_data_class(decorator: cst.BaseExpression, modules: Modules) -> bool:
    if isinstance(decorator, cst.Call):
        options = {arg.keyword.value for arg in decorator.args if arg.keyword is not None}
        return (
            len(options) == len(decorator.args) and options <= _OPTIONS and _makes_data_class(decorator.func, modules)
        )
    return modules(decorator) == "dataclasses.dataclass"


def _annotated(owner: cst.ClassDef) -> Iterator[cst.AnnAssign]:
    for line in owner.body.body:
        for part in line.body if isinstance(line, cst.SimpleStatementLine) else ():
            if isinstance(part, cst.AnnAssign):
                yield part


def passed_values(
    name: str, names: Sequence[str], constructions: Sequence[cst.Call]
) -> list[cst.BaseExpression | None]:
    """Return what the calls of a class pass for a field, None for what is not known; empty where it is no field.

    Args:
        name: The field.
        names: The class's fields, as `field_names` returns them.
        constructions: The calls of the class in its module.
    """
    passed: list[cst.BaseExpression | None] = []
    for call in constructions if name in names else ():
        if any(arg.star for arg in call.args):
            passed.append(None)
            continue
        args, index = positional(call), names.index(name)
        value = args[index] if index < len(args) else keyword(call, name)
        passed += [value] if value is not None else []
    return passed


def made_by_factory(
    field: cst.Call, name: str, names: Sequence[str], constructions: Sequence[cst.Call]
) -> cst.BaseExpression | None:
    """Return what the factory of a field makes, where it is a lambda without parameters.

    None for any other, and where a call may pass a value for the field that is not known to be one for it.

    Args:
        field: The call of `dataclasses.field` or `pydantic.Field`.
        name: The field.
        names: The class's fields, as `field_names` returns them; empty where its constructor is not known.
        constructions: The calls of the class in its module.
    """
    factory = keyword(field, "default_factory")
    is_never_passed = all(
        arg.keyword is not None and arg.keyword.value != name for call in constructions for arg in call.args
    )
    if isinstance(factory, cst.Lambda) and not factory.params.params and (is_never_passed or name in names):
        return factory.body
    return None
