"""The key that a client is made with, in the call that gets its model."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import libcst as cst

from src.migration.rewrite import sdk_vocabulary as sdk
from src.migration.rewrite.analysis.folding import environment_variables
from src.migration.rewrite.analysis.syntax import code, expression, positional, text_of
from src.migration.rewrite.records import Unprovable

if TYPE_CHECKING:
    from collections.abc import Callable

    from src.migration.rewrite.analysis.values import Evaluator
    from src.migration.rewrite.translate.model_spec import ModelSpec

_READS = ("os.getenv", "os.environ.get")
_READ = r'(?:os\.)?getenv\("\w+"\)'


def is_own(key: cst.BaseExpression, sdk_name: str, values: Evaluator) -> bool:
    """Tell whether a key is read from the variable that the SDK reads first by itself."""
    return (
        isinstance(key, cst.Call)
        and values.module(key.func) in _READS
        and len(key.args) == 1
        and text_of(next(iter(positional(key)), None)) == sdk.OWN_KEYS.get(sdk_name)
    )


def take_from_others(
    spec: ModelSpec,
    sdk_name: str,
    settings_here: dict[str, cst.BaseExpression],
    settings: frozenset[str],
    values: Evaluator,
) -> None:
    """Take over the key that another file sets on an SDK's module, where it is a variable of the environment.

    Args:
        spec: The model.
        sdk_name: Its SDK.
        settings_here: What this file sets itself.
        settings: What other files set, as `openai.api_key` or `openai.api_key=VARIABLE`.
        values: What the module's expressions can be.

    Raises:
        Unprovable: they set something else, or several keys.
    """
    prefix, variables = f"{sdk.PACKAGES[sdk_name]}.", set()
    for setting in sorted(settings):
        name, _, variable = setting.removeprefix(prefix).partition("=")
        name = {"api_base": "base_url"}.get(name, name)
        if not setting.startswith(prefix) or name in settings_here:
            continue
        if not variable:
            what = setting.partition("=")[0]
            raise Unprovable(f"another file sets {what}", "say the key and the address to get_model here")
        variables.add(variable)
    if len(variables) > 1:
        raise Unprovable(f"other files set {prefix}api_key to several keys", "say the key to get_model here")
    for variable in variables - {sdk.OWN_KEYS.get(sdk_name)}:
        spec.settings.append(("api_key", read_variable(variable, spec, values)))


def prefer_the_calls(
    spec: ModelSpec, settings: list[tuple[str, cst.BaseExpression]], values: Evaluator
) -> list[tuple[str, cst.BaseExpression]]:
    """Return a call's settings whose key comes before the module's, which holds where the call's is empty or None.

    Args:
        spec: The model; its key is taken out where the call names one.
        settings: The settings of the call.
        values: What the module's expressions can be.
    """
    key = dict(settings).get("api_key")
    if key is None:
        return settings
    of_module = dict(spec.settings).get("api_key")
    spec.settings = [(name, value) for name, value in spec.settings if name != "api_key"]
    if not text_of(key):
        key = else_of_environment(key, spec, values) if of_module is None else _either(key, of_module)
    return [(name, key if name == "api_key" else value) for name, value in settings]


def else_of_environment(key: cst.BaseExpression, spec: ModelSpec, values: Evaluator) -> cst.BaseExpression:
    """Return a key, or where it is empty the one of OpenAI's own variable, which no other provider gets."""
    if spec.provider != "openai":
        return _either(key, cst.Name("None"))
    return key if is_own(key, "openai", values) else _either(key, read_variable(sdk.OWN_KEYS["openai"], spec, values))


def _either(first: cst.BaseExpression, second: cst.BaseExpression) -> cst.BaseExpression:
    """Return what gives the second value where the first is false."""
    simple = (cst.Name, cst.Call, cst.Attribute, cst.Subscript, cst.SimpleString)
    left, right = (
        side if isinstance(side, simple) or side.lpar
        else side.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
        for side in (first, second)
    )  # fmt: skip
    return cst.BooleanOperation(left, cst.Or(), right)


def made_portable(
    spec: ModelSpec, values: Evaluator, is_movable: Callable[[cst.CSTNode], bool]
) -> tuple[ModelSpec, list[cst.BaseExpression]]:
    """Return a model whose key can be read anywhere in the module, and the settings for which that is still to be seen.

    Args:
        spec: The model.
        values: What the module's expressions can be.
        is_movable: Tells whether an expression has the same value where the model is made.
    """
    settings, others = [], []
    made = replace(spec, imports=set(spec.imports))
    for name, value in spec.settings:
        is_key = name == "api_key"
        if is_key and is_read_anywhere(value):
            settings.append((name, value))
            continue
        variable = variable_of(value, values) if is_key and not is_movable(value) else None
        settings.append((name, value if variable is None else read_variable(variable, made, values)))
        others += [value] if variable is None else []
    made.settings = settings
    return made, others


def variable_of(key: cst.BaseExpression, values: Evaluator) -> str | None:
    """Return the one variable of the environment that a key is read from."""
    variables = environment_variables(key, values) or set()
    return next(iter(variables)) if len(variables) == 1 else None


def has_default(key: cst.BaseExpression, values: Evaluator) -> bool:
    """Tell whether a key is another text where its variable is not set, as `os.getenv("KEY", "no-key")` is."""
    sources = [binding.value for binding in values.tree.bindings(key)] if isinstance(key, cst.Name) else [key]
    calls = [node for node in sources if isinstance(node, cst.Call) and len(node.args) > 1]
    return any(code(call.args[1].value) != "None" for call in calls)


def read_variable(variable: str, spec: ModelSpec, values: Evaluator) -> cst.BaseExpression:
    """Return what reads a variable of the environment anywhere in the module, with the import that it needs."""
    if _imports_os(values):
        return expression(f'os.getenv("{variable}")')
    spec.imports.add(("os", "getenv"))
    return expression(f'getenv("{variable}")')


def is_read_anywhere(key: cst.BaseExpression) -> bool:
    """Tell whether a key is what `read_variable` returns, or `else_of_environment` of that."""
    return re.fullmatch(rf"{_READ}(?: or (?:{_READ}|None))?", code(key)) is not None


def _imports_os(values: Evaluator) -> bool:
    """Tell whether `os` is the module everywhere in this file."""
    bindings = values.tree.bound.get(values.tree.module, {}).get("os", [])
    is_once = sum("os" in names for names in values.tree.bound.values()) == 1
    return is_once and len(bindings) == 1 and bindings[0].imported == "os"
