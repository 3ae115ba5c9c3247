"""Name the agents that rely on a default of the factory that an installation replaces."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from src.migration.install.module_names import parsed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_FACTORY = "src/models/model_factory.py"
_WITHOUT_LIMIT = 4  # the position of max_tokens in generate_response, counted from 1


@dataclass(slots=True)
class Defaults:
    """What a factory does where an agent says nothing.

    Attributes:
        models: The model of each provider.
        limits: The most output tokens, by provider; one without is not in it.
        sets_safety: Whether Gemini is asked with safety settings of the factory's own.
        by_responses: Whether gpt-5 is asked through the Responses API.
    """

    models: dict[str, str] = field(default_factory=dict)
    limits: dict[str, int] = field(default_factory=dict)
    sets_safety: bool = False
    by_responses: bool = False


def former(sources: Mapping[str, bytes]) -> Defaults | None:
    """Return the defaults of the checkout's own factory; None where it has none that can be read.

    Args:
        sources: The files of `src/models` before the installation, by their paths.
    """
    tree = parsed(sources.get(_FACTORY, b""))
    models = _default_models(tree) if tree is not None else {}
    if not models:
        return None
    defaults = Defaults(models=models)
    for path, source in sources.items():
        provider = path.rpartition("/")[2].removesuffix("_model.py")
        module = parsed(source) if provider in models else None
        limit = _limit(module) if module is not None else None
        if limit is not None:
            defaults.limits[provider] = limit
        defaults.sets_safety |= provider == "gemini" and b"safety_settings" in source
        defaults.by_responses |= provider == "openai" and b"responses.create" in source
    return defaults


def _default_models(tree: ast.Module) -> dict[str, str]:
    """Return the literal table DEFAULT_MODELS."""
    for node in ast.walk(tree):
        names = (
            [target.id for target in node.targets if isinstance(target, ast.Name)]
            if isinstance(node, ast.Assign)
            else []
        )
        if "DEFAULT_MODELS" in names and isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            pairs = zip(node.value.keys, node.value.values, strict=True)
            return {
                key.value: value.value
                for key, value in pairs
                if isinstance(key, ast.Constant) and isinstance(value, ast.Constant)
                and isinstance(key.value, str) and isinstance(value.value, str)
            }  # fmt: skip
    return {}


def _limit(tree: ast.Module) -> int | None:
    """Return the default of `max_tokens` in a model's `generate_response`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == "generate_response":
            parameters = node.args.args[len(node.args.args) - len(node.args.defaults) :]
            for parameter, default in zip(parameters, node.args.defaults, strict=True):
                if parameter.arg == "max_tokens" and isinstance(default, ast.Constant) and type(default.value) is int:
                    return default.value
    return None


def current_models(providers: bytes) -> dict[str, str]:
    """Return the default model of each provider of ours, as the source of `src/models/providers.py` has them."""
    tree = parsed(providers)
    rows = [
        {item.arg: item.value.value for item in node.keywords if isinstance(item.value, ast.Constant)}
        for node in (ast.walk(tree) if tree is not None else ())
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Provider"
    ]
    return {str(row["name"]): str(row["default_model"]) for row in rows if "name" in row and "default_model" in row}


def relying(path: str, source: bytes, before: Defaults, now: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each default of the old factory that a file relies on.

    Args:
        path: The file, from the checkout's root.
        source: Its source.
        before: The defaults that it had.
        now: The default models of ours.
    """
    tree = parsed(source) if b"src.models" in source and b"get_model" in source else None
    if tree is None:
        return
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for call in calls:
        is_default = _method(call) == "get_model" and not _names_model(call)
        changes = _changed_models(call, before, now) if is_default else ""
        if changes:
            yield f"{path}:{call.lineno} get_model names no model: {changes}"
    unlimited = [str(call.lineno) for call in calls if _method(call) == "generate_response" and not _is_limited(call)]
    if unlimited and before.limits:
        yield (
            f"{path}:{', '.join(unlimited)} asks without max_tokens, which was {_limits(before)}: now the provider's"
            " own limit holds"
        )
    if before.sets_safety and _mentions(source, b"gemini"):
        yield f"{path} may ask Gemini, where the old factory said BLOCK_ONLY_HIGH: now Google's own settings hold"
    if before.by_responses and _mentions(source, b"gpt-5"):
        yield f"{path} names gpt-5, which the old factory asked through Responses: say api='responses' for that"


def _limits(defaults: Defaults) -> str:
    """Return the limits, each with its providers."""
    providers: dict[int, list[str]] = {}
    for provider, limit in sorted(defaults.limits.items()):
        providers.setdefault(limit, []).append(provider)
    return ", ".join(f"{limit} ({', '.join(names)})" for limit, names in sorted(providers.items()))


def _method(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def _names_model(call: ast.Call) -> bool:
    named = [*call.args[1:2], *(item.value for item in call.keywords if item.arg in ("model_name", None))]
    return any(not (isinstance(value, ast.Constant) and value.value is None) for value in named)


def _is_limited(call: ast.Call) -> bool:
    names = {item.arg for item in call.keywords}
    return len(call.args) >= _WITHOUT_LIMIT or bool(names & {"max_tokens", None})


def _changed_models(call: ast.Call, before: Defaults, now: Mapping[str, str]) -> str:
    """Return which other models the call gets now; an empty text where it gets the same."""
    provider = call.args[0].value if call.args and isinstance(call.args[0], ast.Constant) else None
    names = [str(provider)] if provider in before.models else sorted(before.models)
    changes = [f"{name} was {before.models[name]}, is {now.get(name, 'gone')}" for name in names
               if now.get(name) != before.models[name]]  # fmt: skip
    return "; ".join(changes)


def _mentions(source: bytes, word: bytes) -> bool:
    return b'"' + word in source or b"'" + word in source
