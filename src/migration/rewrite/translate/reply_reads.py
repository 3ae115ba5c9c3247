"""The reads of an SDK's reply, and what replaces each of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import libcst as cst

from src.migration.rewrite.analysis.syntax import code, positional, text_of

if TYPE_CHECKING:
    from src.migration.rewrite.analysis.tree import Binding, Tree
    from src.migration.rewrite.records import Site

Key = str | int  # an attribute, or the literal key or index of an item
Path = tuple[Key, ...]

# Where each SDK's replies have what a program reads -> the attribute of the factory's reply.
_OPENAI: dict[Path, str] = {
    ("choices", 0, "message", "content"): "content",
    ("choices", 0, "finish_reason"): "finish_reason",
    ("model",): "model_name",
}
_LEGACY: dict[Path, str] = _OPENAI | {
    ("usage", "total_tokens"): "usage.total_tokens",
    ("usage", "prompt_tokens"): "usage.input_tokens",
    ("usage", "completion_tokens"): "usage.output_tokens",
}


_GOOGLE: dict[Path, str] = {
    ("text",): "content",
    # The first part can be a thought, and the text has further parts.
    ("candidates", 0, "content", "parts", 0, "text"): "raw_response.candidates[0].content.parts[0].text",
    ("parts", 0, "text"): "raw_response.parts[0].text",
    ("usage_metadata", "prompt_token_count"): "usage.input_tokens",
    ("usage_metadata", "total_token_count"): "usage.total_tokens",
}


READS: dict[str, dict[Path, str]] = {
    "chat": _OPENAI,
    "legacy": _LEGACY,
    "messages": {("content", 0, "text"): "content", ("model",): "model_name"},
    "responses": {("output_text",): "content"},
    "ollama": {("message", "content"): "content"},
    "generate": {("response",): "content"},
    "genai": {("text",): "content"},
    "google": _GOOGLE,
}


_CHUNK_READS: dict[Path, str] = {
    ("choices", 0, "delta", "content"): "content",
    ("choices", 0, "finish_reason"): "finish_reason",
    ("choices",): "content",  # in a test for truth only
}
# At the end of a stream, where the call asks for usage.
_USAGE_READS: dict[Path, str] = {
    ("usage", "total_tokens"): "usage.total_tokens",
    ("usage", "prompt_tokens"): "usage.input_tokens",
    ("usage", "completion_tokens"): "usage.output_tokens",
    ("usage",): "usage",  # in a test for truth only
}
_MESSAGE_PARTS = (("choices", 0, "message"), ("choices", 0, "delta"), ("message",), ("delta",))


STREAMED: dict[str, dict[Path, str]] = {
    "chat": _CHUNK_READS,
    "legacy": _CHUNK_READS,
    "ollama": {("message", "content"): "content"},
    "generate": {("response",): "content"},
    "genai": {("text",): "content"},
    "google": {("text",): "content"},
    "messages": {("delta", "text"): "content"},
}


# Tests for those of Anthropic's events that carry text become tests for a chunk's text.
_TEXT_EVENTS: dict[Path, str] = {("type",): "content_block_delta", ("delta", "type"): "text_delta"}


# Replies whose raw form is the object that the SDK's own call returns.
RAW_FAMILIES = ("chat", "messages", "responses", "ollama", "genai")


@dataclass(eq=False, slots=True)
class Reply:
    """Where the reply of one call goes.

    Attributes:
        site: The call.
        family: The SDK's form of the reply, which decides how it is read.
        node: The call, or the await around it.
        stream: Whether the reply is a stream of chunks.
        binding: The assignment that stores it.
        mode: `reply`, read through the factory's attributes, or `raw`, in the SDK's own form.
        reads: The places that read the reply.
        chunks: The places that read a stream's chunks.
        parts: The path within a chunk for each variable that holds a part of it, at its assignment and its reads.
        streams_usage: Whether the stream reports its token usage at its end.
        raw_reason: Why the reply must keep the SDK's own form.
        with_item: The `with` item that opens the SDK's stream helper.
        text_streams: The reads of the helper's `text_stream`.
    """

    site: Site
    family: str
    node: cst.BaseExpression
    stream: bool
    binding: Binding | None = None
    mode: Literal["reply", "raw"] = "reply"
    reads: list[cst.BaseExpression] = field(default_factory=list)
    chunks: list[cst.BaseExpression] = field(default_factory=list)
    parts: dict[cst.CSTNode, Path] = field(default_factory=dict)
    streams_usage: bool = False
    raw_reason: str = ""
    with_item: cst.WithItem | None = None
    text_streams: list[cst.Attribute] = field(default_factory=list)

    def all_reads(self) -> list[cst.BaseExpression]:
        """Return the places that read the reply, for a stream those that read its chunks."""
        return self.chunks if self.stream else self.reads


def family(site: Site) -> str:
    """Return the SDK's form of a call's reply: a key of READS and STREAMED."""
    kind = site.kind.removeprefix("model.")
    if site.sdk in ("generativeai", "genai"):
        return "google" if site.sdk == "generativeai" else "genai"
    return "ollama" if site.sdk == "ollama" and kind == "chat" else kind


@dataclass(frozen=True, slots=True)
class ReadReplacement:
    """What replaces one read of a reply.

    Attributes:
        node: The outermost expression that is replaced.
        suffix: What follows the reply in its place, such as `.content`; empty for the reply itself.
    """

    node: cst.CSTNode
    suffix: str


def attribute_path(node: cst.BaseExpression, tree: Tree) -> list[tuple[cst.BaseExpression, Key]]:
    """Return the attributes and literal items that are read from a node in turn, each with its expression."""
    steps: list[tuple[cst.BaseExpression, Key]] = []
    while True:
        parent = tree.parent(node)
        if isinstance(parent, cst.Attribute) and parent.value is node:
            call = tree.parent(parent)
            if parent.attr.value == "get" and isinstance(call, cst.Call) and call.func is parent:
                key = text_of(positional(call)[0]) if positional(call) else None
                if key is None:
                    return steps
                steps.append((call, key))
                node = call
                continue
            steps.append((parent, parent.attr.value))
            node = parent
        elif isinstance(parent, cst.Subscript) and parent.value is node and _literal_index(parent) is not None:
            steps.append((parent, _literal_index(parent) or 0))
            node = parent
        else:
            return steps


def _literal_index(node: cst.Subscript) -> Key | None:
    index = node.slice[0].slice if len(node.slice) == 1 else None
    if not isinstance(index, cst.Index):
        return None
    if isinstance(index.value, cst.Integer):
        return int(index.value.value)
    return text_of(index.value)


def read_replacement(node: cst.BaseExpression, reply: Reply, tree: Tree) -> ReadReplacement | None:
    """Return what replaces one read, or None where the program needs the whole reply in the SDK's own form."""
    tables = STREAMED if reply.stream else READS
    table = tables.get(reply.family, {}) | (_USAGE_READS if reply.streams_usage else {})
    steps = attribute_path(node, tree)
    start = reply.parts.get(node, ())
    path = start + tuple(key for _, key in steps)
    for length in range(len(path), len(start), -1):
        attribute = table.get(path[:length])
        if attribute is not None and not (reply.stream and path[:length] in (("choices",), ("usage",))):
            return ReadReplacement(steps[length - len(start) - 1][0], f".{attribute}")
    last = steps[-1][0] if steps else node
    if path in _MESSAGE_PARTS and (content_test := _content_test_replacement(last, tree)) is not None:
        return content_test
    parent = tree.parent(last)
    if reply.stream and parent is not None and reply.parts.get(parent) == path:
        return ReadReplacement(last, "")
    if reply.family == "messages" and reply.stream and steps:
        return _event_test_replacement(last, path, tree)
    if not steps:
        return ReadReplacement(node, "") if _is_guard(node, tree) else None
    guard = _guard_replacement(last, path, reply, tree)
    if guard is not None:
        return guard
    if reply.family in RAW_FAMILIES and not reply.stream:
        return ReadReplacement(node, ".raw_response")
    return None


def reads_any_delta(reply: Reply, tree: Tree) -> bool:
    """Tell whether the text of every one of Anthropic's deltas is read, also of one that has none and raises there."""
    if reply.family != "messages" or not reply.stream:
        return False
    paths = {reply.parts.get(node, ()) + tuple(key for _, key in attribute_path(node, tree)) for node in reply.chunks}
    return ("delta", "text") in paths and ("delta", "type") not in paths


def _event_test_replacement(last: cst.BaseExpression, path: Path, tree: Tree) -> ReadReplacement | None:
    """Replace the test `event.type == "content_block_delta"` by a test for text."""
    comparison = tree.parent(last)
    if not isinstance(comparison, cst.Comparison) or comparison.left is not last or len(comparison.comparisons) != 1:
        return None
    (target,) = comparison.comparisons
    expected = _TEXT_EVENTS.get(path)
    if expected is None or not isinstance(target.operator, cst.Equal) or text_of(target.comparator) != expected:
        return None
    return ReadReplacement(comparison, ".content") if _is_test(comparison, tree) else None


def _guard_replacement(last: cst.BaseExpression, path: Path, reply: Reply, tree: Tree) -> ReadReplacement | None:
    """Replace a read that is only tested for truth, such as `if reply.choices`."""
    if not _is_guard(last, tree):
        return None
    if reply.streams_usage and path == ("usage",):
        return ReadReplacement(last, ".usage")
    if reply.stream and path in _MESSAGE_PARTS:
        return ReadReplacement(last, "")
    if reply.stream and path == ("choices",) and _reads_more_than_text(reply, tree):
        return ReadReplacement(last, "")
    if path == ("choices",) and reply.family == "legacy":
        return ReadReplacement(last, ".content" if reply.stream else ".raw_response.choices")
    if path in (("choices",), ("content",)) and reply.stream:
        return ReadReplacement(last, ".content")
    return None


def _reads_more_than_text(reply: Reply, tree: Tree) -> bool:
    """Tell whether a stream is read for more than text, so that chunks without text must pass a guard too."""
    paths = (tuple(key for _, key in attribute_path(node, tree)) for node in reply.chunks)
    return any("finish_reason" in path or "usage" in path for path in paths)


def _content_test_replacement(node: cst.CSTNode, tree: Tree) -> ReadReplacement | None:
    """Replace `hasattr(x, "content")`, `getattr(x, "content", None)` and `"content" in x` for a message `x`."""
    arg = tree.parent(node)
    if isinstance(arg, cst.ComparisonTarget) and isinstance(arg.operator, cst.In):
        comparison = tree.parent(arg)
        if isinstance(comparison, cst.Comparison) and len(comparison.comparisons) == 1 and _is_test(comparison, tree):
            return ReadReplacement(comparison, ".content") if text_of(comparison.left) == "content" else None
    call = tree.parent(arg) if isinstance(arg, cst.Arg) else None
    if not isinstance(call, cst.Call):
        return None
    args = positional(call)
    if len(args) < 2 or args[0] is not node or text_of(args[1]) != "content":
        return None
    if code(call.func) == "hasattr":
        return ReadReplacement(node, "")
    return ReadReplacement(call, ".content") if code(call.func) == "getattr" else None


def _is_guard(node: cst.CSTNode, tree: Tree) -> bool:
    """Tell whether an expression is only tested for truth."""
    parent = tree.parent(node)
    if isinstance(parent, cst.UnaryOperation):
        return isinstance(parent.operator, cst.Not)
    return _is_test(node, tree)


def _is_test(node: cst.CSTNode, tree: Tree) -> bool:
    """Tell whether an expression is the test of a statement, or an operand of it."""
    child, parent = node, tree.parent(node)
    while isinstance(parent, cst.BooleanOperation) or (
        isinstance(parent, cst.UnaryOperation) and isinstance(parent.operator, cst.Not)
    ):
        child, parent = parent, tree.parent(parent)
    return isinstance(parent, cst.If | cst.While | cst.IfExp | cst.Assert) and parent.test is child
