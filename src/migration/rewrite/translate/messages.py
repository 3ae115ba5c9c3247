"""The messages of a call as a system prompt with a user content, or as a conversation."""

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

# Parts of messages that the factory does not pass on unchanged. These words mean such a part anywhere; those of
# _FOREIGN_KINDS are also names of columns and variables, and count only as the `type` of a part.
_FOREIGN = re.compile(
    r"[\"'](?:cache_control|tool_result|tool_use|function_call)[\"']|(?:cache_control|tool_result|tool_use)\s*="
)
_FOREIGN_KINDS = frozenset({"refusal", "thinking", "redacted_thinking"})
_DEVELOPER = re.compile(r"[\"']developer[\"']")


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a call asks: a user content with or without a system prompt, or a conversation.

    Attributes:
        system: The system prompt, or None.
        user: The user content; None for a conversation.
        messages: The list of messages; None for a single user content.
    """

    system: cst.BaseExpression | None = None
    user: cst.BaseExpression | None = None
    messages: cst.BaseExpression | None = None


def read_messages(messages: cst.BaseExpression) -> Prompt:
    """Return the prompt that a `messages` argument is."""
    prompt = _literal_prompt(messages) if isinstance(messages, cst.List) else None
    return prompt or Prompt(messages=messages)


def refuse_untranslatable(messages: cst.BaseExpression, values: Evaluator) -> None:
    """Raise Unprovable where a message may hold a part that the factory does not pass on unchanged."""
    is_literal = isinstance(messages, cst.List) and not any(
        isinstance(element, cst.StarredElement) or not isinstance(element.value, cst.Dict)
        for element in messages.elements
    )
    text = code(messages) if is_literal else values.tree.code
    if match := _FOREIGN.search(text):
        part_kind: str | None = match[0].strip("\"'= ")
    else:
        part_kind = _untranslatable_kind([messages] if is_literal else values.tree.nodes)
    if part_kind:
        raise Unprovable(
            f"a message may hold {part_kind!r}, which the factory's messages do not carry",
            "write the messages without it, or keep the call and allow it with a reason",
        )
    if _DEVELOPER.search(text):
        raise Unprovable("a message has the role developer, which the factory chooses by the model", "use system")


def _untranslatable_kind(nodes: Iterable[cst.CSTNode]) -> str | None:
    """Return the first literal `type` of a part that the factory's messages do not carry, or None."""
    for top in nodes:
        for node in walk(top) if isinstance(top, cst.List) else (top,):
            if isinstance(node, cst.DictElement) and text_of(node.key) == "type":
                kind = text_of(node.value)
                if kind in _FOREIGN_KINDS:
                    return kind
    return None


def _literal_prompt(messages: cst.List) -> Prompt | None:
    """Return the prompt of a literal list of one user message, with or without a system message before it."""
    texts: list[tuple[str, cst.BaseExpression]] = []
    for element in messages.elements:
        fields = entries(element.value) if isinstance(element.value, cst.Dict) else None
        if fields is None or set(fields) != {"role", "content"}:
            return None
        role = text_of(fields["role"])
        if role is None or isinstance(fields["content"], cst.List | cst.ListComp | cst.Tuple):
            return None
        texts.append((role, fields["content"]))
    roles = [role for role, _ in texts]
    if roles == ["user"]:
        return Prompt(user=texts[0][1])
    if roles == ["system", "user"]:
        return Prompt(system=texts[0][1], user=texts[1][1])
    return None


def has_roles_of_turns(messages: cst.BaseExpression | None) -> bool:
    """Tell whether messages are seen to be the user's and the model's alone."""
    if not isinstance(messages, cst.List):
        return False
    for element in messages.elements:
        fields = entries(element.value) if isinstance(element.value, cst.Dict) else None
        if fields is None or "role" not in fields or text_of(fields["role"]) not in ("user", "assistant"):
            return False
    return True


def with_system(system: cst.BaseExpression, messages: cst.BaseExpression) -> cst.BaseExpression:
    """Return a conversation that starts with a system message."""
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
