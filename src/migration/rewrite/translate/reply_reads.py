"""Recognise how a program reads a reply of an SDK."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import libcst as cst

from src.migration.rewrite.analysis.syntax import code, positional, text_of

if TYPE_CHECKING:
    from src.migration.rewrite.analysis.tree import Binding, Tree
    from src.migration.rewrite.records import Site

Token = str | int


Tokens = tuple[Token, ...]


_OPENAI: dict[Tokens, str] = {
    ("choices", 0, "message", "content"): "content",
    ("choices", 0, "finish_reason"): "finish_reason",
    ("usage", "total_tokens"): "usage.total_tokens",
    ("usage", "prompt_tokens"): "usage.input_tokens",
    ("usage", "completion_tokens"): "usage.output_tokens",
    ("model",): "model_name",
}


_GOOGLE: dict[Tokens, str] = {
    ("text",): "content",
    ("candidates", 0, "content", "parts", 0, "text"): "content",
    ("parts", 0, "text"): "content",
    ("usage_metadata", "prompt_token_count"): "usage.input_tokens",
    ("usage_metadata", "total_token_count"): "usage.total_tokens",
}


READS: dict[str, dict[Tokens, str]] = {
    "chat": _OPENAI,
    "legacy": _OPENAI,
    "messages": {("content", 0, "text"): "content", ("model",): "model_name"},
    "responses": {("output_text",): "content"},
    "ollama": {("message", "content"): "content"},
    "generate": {("response",): "content"},
    "google": _GOOGLE,
}


_DELTA: dict[Tokens, str] = {
    ("choices", 0, "delta", "content"): "content",
    ("choices", 0, "finish_reason"): "finish_reason",
    ("choices",): "content",  # as a guard alone
}


# What a stream tells at its end, where it was asked to count.
_COUNTED: dict[Tokens, str] = {
    ("usage", "total_tokens"): "usage.total_tokens",
    ("usage", "prompt_tokens"): "usage.input_tokens",
    ("usage", "completion_tokens"): "usage.output_tokens",
    ("usage",): "usage",  # as a guard alone
}


_DELTAS = (("choices", 0, "message"), ("choices", 0, "delta"), ("message",), ("delta",))


STREAMED: dict[str, dict[Tokens, str]] = {
    "chat": _DELTA,
    "legacy": _DELTA,
    "ollama": {("message", "content"): "content"},
    "generate": {("response",): "content"},
    "google": {("text",): "content"},
    "messages": {("delta", "text"): "content"},
}


# What Anthropic's events are told apart by where their text is wanted: a chunk of ours has text, or has none.
_TEXT_EVENTS: dict[Tokens, str] = {("type",): "content_block_delta", ("delta", "type"): "text_delta"}


# Replies whose raw form the code before would have got just so.
_RAW = ("chat", "messages", "responses", "ollama")


@dataclass(eq=False, slots=True)
class Reply:
    """Hold where one site's reply goes."""

    site: Site
    family: str
    node: cst.BaseExpression  # the call, or the await around it
    stream: bool
    binding: Binding | None = None
    mode: Literal["reply", "raw"] = "reply"
    reads: list[cst.BaseExpression] = field(default_factory=list)
    chunks: list[cst.BaseExpression] = field(default_factory=list)
    parts: dict[cst.CSTNode, Tokens] = field(
        default_factory=dict
    )  # of a chunk, that a name stands for where it is read
    counted: bool = False  # a stream that was asked to tell its usage
    bare: str = ""
    opened: cst.WithItem | None = None  # by which the SDK's stream helper is opened
    texts: list[cst.Attribute] = field(default_factory=list)  # its `stream.text_stream`

    def all_reads(self) -> list[cst.BaseExpression]:
        """Return the places whose words change: those that read the reply, or a stream's chunks."""
        return self.chunks if self.stream else self.reads


def family(site: Site, provider: str) -> str:
    """Return which words a site's reply is read with."""
    kind = site.kind.removeprefix("model.")
    if site.sdk in ("generativeai", "genai"):
        return "google"
    if site.sdk == "ollama" and kind == "chat":
        return "ollama"
    if provider == "ollama" and kind == "chat":
        return "legacy"  # the raw form is Ollama's own, not the one that was asked for
    return kind


@dataclass(frozen=True, slots=True)
class Reading:
    """Hold one read: the outermost node that goes, what stands in its place, after the reply itself."""

    node: cst.CSTNode
    words: str


def tokens(node: cst.BaseExpression, tree: Tree) -> list[tuple[cst.BaseExpression, Token]]:
    """Return the chain of attributes and literal items that is read from a node, each with its expression."""
    found: list[tuple[cst.BaseExpression, Token]] = []
    while True:
        parent = tree.parent(node)
        if isinstance(parent, cst.Attribute) and parent.value is node:
            call = tree.parent(parent)
            if parent.attr.value == "get" and isinstance(call, cst.Call) and call.func is parent:
                key = text_of(positional(call)[0]) if positional(call) else None
                if key is None:
                    return found
                found.append((call, key))
                node = call
                continue
            found.append((parent, parent.attr.value))
            node = parent
        elif isinstance(parent, cst.Subscript) and parent.value is node and _item(parent) is not None:
            found.append((parent, _item(parent) or 0))
            node = parent
        else:
            return found


def _item(node: cst.Subscript) -> Token | None:
    index = node.slice[0].slice if len(node.slice) == 1 else None
    if not isinstance(index, cst.Index):
        return None
    if isinstance(index.value, cst.Integer):
        return int(index.value.value)
    return text_of(index.value)


def reading(node: cst.BaseExpression, reply: Reply, tree: Tree) -> Reading | None:
    """Return how one read is said in our words, or None where the whole reply must be as it was."""
    known = STREAMED if reply.stream else READS
    table = known.get(reply.family, {}) | (_COUNTED if reply.counted else {})
    found = tokens(node, tree)
    held = reply.parts.get(node, ())
    names = held + tuple(token for _, token in found)
    for length in range(len(names), len(held), -1):
        words = table.get(names[:length])
        if words is not None and not (reply.stream and names[:length] in (("choices",), ("usage",))):
            return Reading(found[length - len(held) - 1][0], f".{words}")
    last = found[-1][0] if found else node
    if names in _DELTAS and (asked := _asks_content(last, tree)) is not None:
        return asked
    if reply.stream and tree.parent(last) in reply.parts and reply.parts[tree.parent(last)] == names:  # type: ignore[index] # it is there
        return Reading(last, "")
    if reply.family == "messages" and reply.stream and found:
        return _text_event(last, names, tree)
    if not found:
        return Reading(node, "") if _is_guard(node, tree) else None
    whole = _holder(found, names, reply, tree)
    if whole is not None:
        return whole
    if reply.family in _RAW and not reply.stream:
        return Reading(node, ".raw_response")
    return None


def _text_event(last: cst.BaseExpression, names: Tokens, tree: Tree) -> Reading | None:
    """Read `event.type == "content_block_delta"`, as a test, as the question whether there is text."""
    comparison = tree.parent(last)
    if not isinstance(comparison, cst.Comparison) or comparison.left is not last or len(comparison.comparisons) != 1:
        return None
    (one,) = comparison.comparisons
    wanted = _TEXT_EVENTS.get(names)
    if wanted is None or not isinstance(one.operator, cst.Equal) or text_of(one.comparator) != wanted:
        return None
    return Reading(comparison, ".content") if _is_test(comparison, tree) else None


def _holder(found: list[tuple[cst.BaseExpression, Token]], names: Tokens, reply: Reply, tree: Tree) -> Reading | None:
    """Read `reply.choices` as a guard."""
    last = found[-1][0]
    if reply.counted and names == ("usage",) and _is_guard(last, tree):
        return Reading(last, ".usage")
    if reply.stream and names in _DELTAS and _is_guard(last, tree):
        return Reading(last, "")
    if reply.stream and names == ("choices",) and _is_guard(last, tree) and _tells_more(reply, tree):
        return Reading(last, "")
    if names in (("choices",), ("content",)) and _is_guard(last, tree) and reply.family != "responses":
        return Reading(last, ".content")
    return None


def _tells_more(reply: Reply, tree: Tree) -> bool:
    """Tell whether chunks are read for more than their texts: a chunk without text then counts too."""
    names = (tuple(token for _, token in tokens(node, tree)) for node in reply.chunks)
    return any("finish_reason" in one or "usage" in one for one in names)


def _asks_content(node: cst.CSTNode, tree: Tree) -> Reading | None:
    """Read `hasattr(x, "content")`, `getattr(x, "content", None)` and `"content" in x`, x being a message."""
    arg = tree.parent(node)
    if isinstance(arg, cst.ComparisonTarget) and isinstance(arg.operator, cst.In):
        comparison = tree.parent(arg)
        if isinstance(comparison, cst.Comparison) and len(comparison.comparisons) == 1 and _is_test(comparison, tree):
            return Reading(comparison, ".content") if text_of(comparison.left) == "content" else None
    call = tree.parent(arg) if isinstance(arg, cst.Arg) else None
    if not isinstance(call, cst.Call):
        return None
    given = positional(call)
    if len(given) < 2 or given[0] is not node or text_of(given[1]) != "content":
        return None
    if code(call.func) == "hasattr":
        return Reading(node, "")
    return Reading(call, ".content") if code(call.func) == "getattr" else None


def _is_guard(node: cst.CSTNode, tree: Tree) -> bool:
    """Tell whether only the truth of an expression is asked for."""
    parent = tree.parent(node)
    if isinstance(parent, cst.UnaryOperation):
        return isinstance(parent.operator, cst.Not)
    return _is_test(node, tree)


def _is_test(node: cst.CSTNode, tree: Tree) -> bool:
    child, parent = node, tree.parent(node)
    while isinstance(parent, cst.BooleanOperation) or (
        isinstance(parent, cst.UnaryOperation) and isinstance(parent.operator, cst.Not)
    ):
        child, parent = parent, tree.parent(parent)
    return isinstance(parent, cst.If | cst.While | cst.IfExp | cst.Assert) and parent.test is child
