"""The calls of a module that ask a model for text through an SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from src.migration.rewrite import sdk_vocabulary as sdk
from src.migration.rewrite.analysis.syntax import keyword
from src.migration.rewrite.analysis.values import Value
from src.migration.rewrite.records import UNKNOWN_CLIENT, Site, Unprovable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from src.migration.rewrite.analysis.values import Evaluator

_UNKNOWN_CLIENT = Unprovable(
    UNKNOWN_CLIENT,
    "pass a model from ModelFactory.get_model(provider, model) instead of the client",
)
# Chains of attributes that identify an SDK's call on a base that is unknown -> the SDK and the kind of call.
_DISTINCTIVE_CHAINS = {
    ("chat", "completions", "create"): ("openai", "chat"),
    ("responses", "create"): ("openai", "responses"),
    ("messages", "create"): ("anthropic", "messages"),
    ("generate_content",): ("generativeai", "generate"),
    ("generate_content_async",): ("generativeai", "generate"),
    ("models", "generate_content"): ("genai", "generate"),
}
# Chains with common names identify a call only together with these keywords.
_REQUIRED_KEYWORDS = {"messages": ("max_tokens", "model"), "responses": ("input", "model")}


def find_calls(values: Evaluator) -> list[Site]:
    """Return every call that asks for text, in source order; those that cannot move say why."""
    sites = []
    for node in values.tree.nodes:
        if not isinstance(node, cst.Call):
            continue
        site = _call_on_imported_name(node, values)
        if site is None and isinstance(node.func, cst.Attribute):
            site = _site(node, node.func, values)
        if site is not None:
            sites.append(site)
    return sites


def _call_on_imported_name(call: cst.Call, values: Evaluator) -> Site | None:
    """Return a call through a member that a file takes from an SDK's module: `from ollama import chat`, `chat(...)`."""
    chains: list[tuple[cst.BaseExpression, tuple[str, ...]]] = [(call.func, ())]
    if isinstance(call.func, cst.Attribute):
        chains += bases_of(call.func)
    base, names = chains[-1]
    if not isinstance(base, cst.Name):
        return None
    receivers = values.of(base)
    for value in receivers:
        package, members = _in_package(value)
        path = (*members, *names)
        if not members or (sdk.MODULES[package], path) not in sdk.CALLS:
            continue
        modules = {
            Value(kind="module", name=package) if _in_package(other) == (package, members) else other
            for other in receivers
        }
        kind = sdk.CALLS[sdk.MODULES[package], path]
        site = _new_site(call, base, path, values, sdk_name=sdk.MODULES[package], kind=kind)
        site.values = frozenset(modules)
        return site
    return None


def _in_package(value: Value) -> tuple[str, tuple[str, ...]]:
    """Return the SDK's package that a value is a member of, with the names below it; no names for anything else."""
    package = next((name for name in sdk.MODULES if value.name.startswith(f"{name}.")), "")
    if value.kind != "module" or not package:
        return "", ()
    return package, tuple(value.name.removeprefix(f"{package}.").split("."))


def bases_of(func: cst.Attribute) -> Iterator[tuple[cst.BaseExpression, tuple[str, ...]]]:
    """Yield each base in a chain of attributes with the attributes after it, the fewest attributes first."""
    names: tuple[str, ...] = ()
    node: cst.BaseExpression = func
    while isinstance(node, cst.Attribute):
        names = (node.attr.value, *names)
        node = node.value
        yield node, names


def _site(call: cst.Call, func: cst.Attribute, values: Evaluator) -> Site | None:
    for base, names in bases_of(func):
        for value in values.of(base):
            sdk_name = _sdk_of(value)
            if sdk_name is None:
                continue
            site = _call_on_known_client(call, base, names, sdk_name, values)
            if site is not None:
                return site
            if sdk_name == "model":
                break
    return _call_on_unknown_client(call, func, values)


def _sdk_of(value: Value) -> str | None:
    """Return the SDK of a client or module, `model` for a model of the factory, None for other values."""
    if value.kind == "client":
        return value.name
    if value.kind == "module":
        return sdk.MODULES.get(value.name)
    return "model" if value.kind == "model" else None


def _call_on_known_client(
    call: cst.Call, base: cst.BaseExpression, names: tuple[str, ...], sdk_name: str, values: Evaluator
) -> Site | None:
    if sdk_name == "model":
        distinctive = _DISTINCTIVE_CHAINS.get(names[1:]) if names[0] == "client" else None
        if distinctive is None:
            return None
        inner_sdk, inner_kind = distinctive
        site = _new_site(call, base, names, values, sdk_name=inner_sdk, kind=f"model.{inner_kind}")
        site.style = "factory client"
        return site
    kind = sdk.CALLS.get((sdk_name, names))
    if kind is not None:
        return _new_site(call, base, names, values, sdk_name=sdk_name, kind=kind)
    left = sdk.LEFT.get((sdk_name, names))
    if left is None:
        return None
    site = _new_site(call, base, names, values, sdk_name=sdk_name, kind="left")
    what, _, suggestion = left.partition(": ")
    site.blocked = Unprovable(f"this is {what}", suggestion)
    return site


def _call_on_unknown_client(call: cst.Call, func: cst.Attribute, values: Evaluator) -> Site | None:
    for base, names in bases_of(func):
        distinctive = _DISTINCTIVE_CHAINS.get(names)
        if distinctive is None or any(_sdk_of(value) for value in values.of(base)):
            continue
        required = _REQUIRED_KEYWORDS.get(names[0], ())
        has_unpacking = any(arg.star == "**" for arg in call.args)
        if not has_unpacking and not all(keyword(call, name) is not None for name in required):
            continue
        sdk_name, kind = distinctive
        site = _new_site(call, base, names, values, sdk_name=sdk_name, kind=kind)
        unsupported = next((value.name for value in values.of(base) if value.kind == "other"), None)
        site.blocked = _UNKNOWN_CLIENT if unsupported is None else _unsupported_client(unsupported)
        return site
    return None


def _unsupported_client(what: str) -> Unprovable:
    if "options" in what:
        suggestion = "say them to get_model: timeouts=Timeouts(...), retry_policy=RetryPolicy(...)"
    else:
        suggestion = "add a provider to the factory"
    return Unprovable(f"it is asked through {what}", suggestion)


def _new_site(
    call: cst.Call, base: cst.BaseExpression, names: tuple[str, ...], values: Evaluator, *, sdk_name: str, kind: str
) -> Site:
    receivers = values.of(base)
    is_asynchronous = "aio" in names or names[-1] in ("acreate", "generate_content_async")
    return Site(
        call=call,
        sdk=sdk_name,
        kind=kind,
        base=base,
        values=receivers,
        names=names,
        line=values.tree.line(call),
        style=f"{sdk.STYLES[sdk_name]}.{_style_suffix(kind, names)}",
        asynchronous=is_asynchronous or any(value.asynchronous for value in receivers),
    )


def _style_suffix(kind: str, names: tuple[str, ...]) -> str:
    if kind == "left":
        return ".".join(names[:-1]) or names[-1]
    return {"legacy": "ChatCompletion", "generate": names[-1]}.get(kind, kind)
