"""Read the messages of a call: a system and a user text, or a conversation that goes on as it is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import libcst as cst

from src.migration.rewrite.analysis.syntax import code, entries, expression, text_of, walk
from src.migration.rewrite.records import Unprovable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from src.migration.rewrite.analysis.values import Evaluator

# What a message can hold that would be another thing on its way through the factory: words that mean nothing else, and
# words that are also names of columns and variables, which count as the `type` of a part alone.
_FOREIGN = re.compile(
    r"[\"'](?:cache_control|tool_result|tool_use|function_call)[\"']|(?:cache_control|tool_result|tool_use)\s*="
)
_FOREIGN_KINDS = frozenset({"refusal", "thinking", "redacted_thinking"})
_DEVELOPER = re.compile(r"[\"']developer[\"']")


@dataclass(frozen=True, slots=True)
class Prompt:
    """Hold what is asked: a system text (or None) and a user content, or else a conversation."""

    system: cst.BaseExpression | None = None
    user: cst.BaseExpression | None = None
    messages: cst.BaseExpression | None = None


def read(messages: cst.BaseExpression, values: Evaluator) -> Prompt:
    """Return what a `messages` argument asks.

    Raises:
        Unprovable: it holds what the factory's messages do not carry.
    """
    refuse_foreign(messages, values)
    if isinstance(messages, cst.List):
        found = _pair(messages)
        if found is not None:
            return found
        _refuse_texts(messages)
    return Prompt(messages=messages)


def refuse_foreign(messages: cst.BaseExpression, values: Evaluator) -> None:
    """Raise Unprovable where a message can hold a part that would change on its way through the factory."""
    literal = isinstance(messages, cst.List) and not any(
        isinstance(element, cst.StarredElement) or not isinstance(element.value, cst.Dict)
        for element in messages.elements
    )
    text = code(messages) if literal else values.tree.module.code
    found = _FOREIGN.search(text)
    what = found[0].strip("\"'= ") if found else _foreign_kind([messages] if literal else values.tree.nodes)
    if what:
        raise Unprovable(
            f"a message may hold {what!r}, which the factory's messages do not carry",
            "write the messages without it, or keep the call and allow it with a reason",
        )
    if _DEVELOPER.search(text):
        raise Unprovable("a message has the role developer, which the factory chooses by the model", "use system")


def _foreign_kind(nodes: Iterable[cst.CSTNode]) -> str | None:
    """Return the type of a part that the factory's messages do not carry, where a literal says one."""
    for top in nodes:
        for node in walk(top) if isinstance(top, cst.List) else (top,):
            if isinstance(node, cst.DictElement) and text_of(node.key) == "type":
                kind = text_of(node.value)
                if kind in _FOREIGN_KINDS:
                    return kind
    return None


def _pair(messages: cst.List) -> Prompt | None:
    """Return the texts of a literal list of one user message, a system message before it or not."""
    found: list[tuple[str, cst.BaseExpression]] = []
    for element in messages.elements:
        held = entries(element.value) if isinstance(element.value, cst.Dict) else None
        if held is None or set(held) != {"role", "content"}:
            return None
        role = text_of(held["role"])
        if role is None or isinstance(held["content"], cst.List | cst.ListComp | cst.Tuple):
            return None
        found.append((role, held["content"]))
    roles = [role for role, _ in found]
    if roles == ["user"]:
        return Prompt(user=found[0][1])
    if roles == ["system", "user"]:
        return Prompt(found[0][1], found[1][1])
    return None


def _refuse_texts(messages: cst.List) -> None:
    for element in messages.elements:
        held = entries(element.value) if isinstance(element.value, cst.Dict) else None
        content = held.get("content") if held else None
        if not isinstance(content, cst.List) or len(content.elements) < 2:
            continue
        kinds = [entries(part.value) or {} if isinstance(part.value, cst.Dict) else {} for part in content.elements]
        if all(text_of(kind.get("type")) == "text" for kind in kinds):
            raise Unprovable(
                "a message has several texts, which the factory sends as one", "join them into one text yourself"
            )


def with_system(system: cst.BaseExpression, messages: cst.BaseExpression) -> cst.BaseExpression:
    """Return a conversation with a system message before it."""
    first = cst.Dict(
        [
            cst.DictElement(expression('"role"'), expression('"system"')),
            cst.DictElement(expression('"content"'), system),
        ]
    )
    if isinstance(messages, cst.List):
        head = cst.Element(first, comma=cst.Comma(whitespace_after=cst.SimpleWhitespace(" ")))
        return messages.with_changes(elements=[head, *messages.elements])
    return cst.List(
        [cst.Element(first, comma=cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))), cst.StarredElement(messages)]
    )
