"""Find the calls of a module that ask a provider for text, and those that ask it for something else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from src.migration.rewrite import sdk_vocabulary as sdk
from src.migration.rewrite.analysis.syntax import keyword
from src.migration.rewrite.records import Site, Unprovable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from src.migration.rewrite.analysis.values import Evaluator, Value

_UNKNOWN_CLIENT = Unprovable(
    "where the client comes from is not known",
    "pass a model from ModelFactory.get_model(provider, model) instead of the client",
)
# Chains that mean a provider whatever they hang on; what hangs on `messages` needs its keywords.
_TELLING = {
    ("chat", "completions", "create"): ("openai", "chat"),
    ("responses", "create"): ("openai", "responses"),
    ("messages", "create"): ("anthropic", "messages"),
    ("generate_content",): ("generativeai", "generate"),
    ("generate_content_async",): ("generativeai", "generate"),
    ("models", "generate_content"): ("genai", "generate"),
}
_NEEDS = {"messages": ("max_tokens", "model"), "responses": ("input", "model")}


def find(values: Evaluator) -> list[Site]:
    """Return every call that asks for text, in the order of lines; those that cannot be moved say why."""
    found = []
    for node in values.tree.nodes:
        if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute):
            site = _site(node, node.func, values)
            if site is not None:
                found.append(site)
    return found


def prefixes(func: cst.Attribute) -> Iterator[tuple[cst.BaseExpression, tuple[str, ...]]]:
    """Yield each base of a chain with the attributes after it, the shortest chain first."""
    names: tuple[str, ...] = ()
    node: cst.BaseExpression = func
    while isinstance(node, cst.Attribute):
        names = (node.attr.value, *names)
        node = node.value
        yield node, names


def _site(call: cst.Call, func: cst.Attribute, values: Evaluator) -> Site | None:
    for base, names in prefixes(func):
        for value in values.of(base):
            kit = _kit(value)
            if kit is None:
                continue
            made = _known(call, base, names, kit, values)
            if made is not None:
                return made
            if kit == "model":
                break
    return _telling(call, func, values)


def _kit(value: Value) -> str | None:
    if value.kind == "client":
        return value.name
    if value.kind == "module":
        return sdk.MODULES.get(value.name)
    return "model" if value.kind == "model" else None


def _known(
    call: cst.Call, base: cst.BaseExpression, names: tuple[str, ...], kit: str, values: Evaluator
) -> Site | None:
    if kit == "model":
        inner = _TELLING.get(names[1:]) if names[0] == "client" else None
        if inner is None:
            return None
        return _made(call, inner[0], f"model.{inner[1]}", base, names, values, "factory client")
    kind = sdk.CALLS.get((kit, names))
    if kind is not None:
        return _made(call, kit, kind, base, names, values, f"{sdk.STYLES[kit]}.{_word(kind, names)}")
    reason = sdk.LEFT.get((kit, names))
    if reason is None:
        return None
    site = _made(call, kit, "left", base, names, values, f"{sdk.STYLES[kit]}.{'.'.join(names[:-1]) or names[-1]}")
    site.blocked = Unprovable(f"this is {reason.partition(':')[0]}", reason.partition(": ")[2])
    return site


def _word(kind: str, names: tuple[str, ...]) -> str:
    return {"legacy": "ChatCompletion", "generate": names[-1]}.get(kind, kind)


def _telling(call: cst.Call, func: cst.Attribute, values: Evaluator) -> Site | None:
    for base, names in prefixes(func):
        kit = _TELLING.get(names)
        if kit is None or any(_kit(value) for value in values.of(base)):
            continue
        needs = _NEEDS.get(names[0])
        starred = any(arg.star == "**" for arg in call.args)
        if needs and not starred and not all(keyword(call, name) is not None for name in needs):
            continue
        site = _made(call, kit[0], kit[1], base, names, values, f"{sdk.STYLES[kit[0]]}.{_word(kit[1], names)}")
        other = next((value.name for value in values.of(base) if value.kind == "other"), None)
        site.blocked = _UNKNOWN_CLIENT if other is None else _other(other)
        return site
    return None


def _other(what: str) -> Unprovable:
    ask = "say them to get_model: timeouts=Timeouts(...), retry_policy=RetryPolicy(...)"
    return Unprovable(f"it is asked through {what}", ask if "options" in what else "add a provider to the factory")


def _made(
    call: cst.Call,
    kit: str,
    kind: str,
    base: cst.BaseExpression,
    names: tuple[str, ...],
    values: Evaluator,
    style: str,
) -> Site:
    found = values.of(base)
    asynchronous = "aio" in names or names[-1] in ("acreate", "generate_content_async")
    asynchronous = asynchronous or any(value.asynchronous for value in found)
    return Site(call, kit, kind, base, found, names, values.tree.line(call), style, asynchronous)
