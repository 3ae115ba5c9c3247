"""Follow a reply to every place that reads it, and say each read in the factory's words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import libcst as cst

from src.migration.rewrite.analysis.reaching import Reach
from src.migration.rewrite.analysis.syntax import code, positional, text_of
from src.migration.rewrite.records import Unprovable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from src.migration.rewrite.analysis.tree import Binding, Tree
    from src.migration.rewrite.records import Site
    from src.migration.rewrite.translate.arguments import Asked

Token = str | int
Tokens = tuple[Token, ...]
Edit = "Callable[[cst.CSTNode], cst.CSTNode]"

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
# Parts of a chunk that a name can stand for: a chunk of ours has the same text.
_PARTS = (("choices", 0), ("choices", 0, "delta"), ("message",), ("delta",))
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


def follow(site: Site, words: str, tree: Tree, reaches: dict[cst.CSTNode, Reach], asked: Asked) -> Reply:
    """Return a site's reply with all places that read it.

    Raises:
        Unprovable: it goes where it cannot be followed, and its raw form is another one than before.
    """
    if site.kind == "messages" and site.names[-1] == "stream":
        return _helper(site, words, tree)
    stream = asked.stream
    node = _received(site, tree, stream=stream)
    reply = Reply(site, words, node, stream, counted=asked.counted)
    parent = tree.parent(node)
    if isinstance(parent, cst.Expr):
        return reply
    if isinstance(parent, cst.Assign) and len(parent.targets) == 1:
        _assigned(reply, parent, parent.targets[0].target, tree, reaches)
    elif isinstance(parent, cst.NamedExpr) or (isinstance(parent, cst.AnnAssign) and parent.value is node):
        reply.bare = "it is bound in a way that is not followed"
    else:
        reply.reads.append(node)
    if stream:
        _chunks(reply, tree)
    return reply


def _helper(site: Site, words: str, tree: Tree) -> Reply:
    """Follow `with client.messages.stream(...) as stream`, whose texts alone are read."""
    item = tree.parent(site.call)
    left = Unprovable("its stream helper is read for more than texts", "loop over stream_response(...)")
    if not isinstance(item, cst.WithItem) or item.asname is None or not isinstance(item.asname.name, cst.Name):
        raise left
    reply = Reply(site, words, site.call, stream=True, opened=item)
    scope = tree.scope(site.call)
    name = item.asname.name.value
    if len(tree.bound.get(scope, {}).get(name, ())) != 1:
        raise left
    for load in tree.loads(name, scope):
        read = tree.parent(load)
        if not isinstance(read, cst.Attribute) or read.value is not load or read.attr.value != "text_stream":
            raise left
        reply.texts.append(read)
    return reply


def _chunks(reply: Reply, tree: Tree) -> None:
    """Turn the places that read a stream into the places that read its chunks."""
    if reply.bare:
        raise Unprovable(reply.bare, "loop over stream_response(...) where the stream is opened")
    found: list[cst.BaseExpression] = []
    for node in reply.reads:
        loop = tree.parent(node)
        if (
            not isinstance(loop, cst.For | cst.CompFor)
            or loop.iter is not node
            or not isinstance(loop.target, cst.Name)
        ):
            raise Unprovable("the stream goes where it cannot be followed", "loop over stream_response(...) there")
        name = loop.target.value
        scope = tree.scope(loop.target)
        inside = [one for one in tree.loads(name, scope) if isinstance(loop, cst.CompFor) or _below(one, loop, tree)]
        if not isinstance(loop, cst.CompFor) and len(inside) != len(tree.loads(name, scope)):
            others = [one for one in tree.bound[scope][name] if one.node is not loop.target]
            if not others:
                raise Unprovable("a chunk is read after its loop", "keep what is needed inside the loop")
        found += inside
        for one in inside:
            found += _named_part(one, loop, reply, tree)
    reply.chunks = found


def _named_part(node: cst.BaseExpression, loop: cst.For | cst.CompFor, reply: Reply, tree: Tree) -> list[cst.Name]:
    """Return where a name is read that stands for a part of the chunk: `delta = chunk.choices[0].delta`."""
    chain = tokens(node, tree)
    names = reply.parts.get(node, ()) + tuple(token for _, token in chain)
    assign = tree.parent(chain[-1][0]) if chain else None
    if names not in _PARTS or not isinstance(assign, cst.Assign) or len(assign.targets) != 1:
        return []
    target = assign.targets[0].target
    scope = tree.scope(assign)
    if not isinstance(target, cst.Name) or len(tree.bound.get(scope, {}).get(target.value, ())) != 1:
        return []
    loads = tree.loads(target.value, scope)
    if not all(_below(load, loop, tree) for load in loads):
        return []
    reply.parts[assign] = names
    found = list(loads)
    for load in loads:
        reply.parts[load] = names
        found += _named_part(load, loop, reply, tree)
    return found


def _below(node: cst.CSTNode, top: cst.CSTNode, tree: Tree) -> bool:
    return any(one is top for one in tree.above(node))


def _received(site: Site, tree: Tree, *, stream: bool) -> cst.BaseExpression:
    """Return the expression that is the reply: the call, or the await that it stands in."""
    if not site.asynchronous:
        return site.call
    node: cst.CSTNode = site.call
    parent = tree.parent(node)
    while parent is not None and not isinstance(parent, cst.Await):
        call = tree.parent(parent) if isinstance(parent, cst.Arg) else None
        if stream or not isinstance(call, cst.Call) or not code(call.func).startswith("asyncio."):
            break
        if code(call.func) not in (
            "asyncio.wait_for",
            "asyncio.shield",
            "asyncio.create_task",
            "asyncio.ensure_future",
        ):
            break
        node, parent = call, tree.parent(call)
    if isinstance(parent, cst.Await):
        return parent
    raise Unprovable("the call is not awaited where it stands", "await model.agenerate_response(...) there")


def _assigned(
    reply: Reply, assign: cst.Assign, target: cst.BaseExpression, tree: Tree, reaches: dict[cst.CSTNode, Reach]
) -> None:
    scope = tree.scope(assign)
    if not isinstance(target, cst.Name) or not isinstance(scope, cst.FunctionDef | cst.Module):
        reply.bare = f"it is kept in {code(target)}"
        return
    home = tree.home(target.value, scope)
    if home is not scope:
        reply.bare = f"{target.value} is global"
        return
    reply.binding = next(one for one in tree.bound[scope][target.value] if one.node is assign)
    if scope not in reaches:
        reaches[scope] = Reach(tree, scope)
    reach = reaches[scope]
    for node in tree.loads(target.value, scope):
        if node not in reach.reads:
            reply.bare = f"{target.value} is read in a way that is not followed"
        elif reply.binding in reach.reads[node]:
            reply.reads.append(node)


def settle(replies: list[Reply], reaches: dict[cst.CSTNode, Reach], tree: Tree) -> None:
    """Decide which replies are read in our words and which keep their raw form, until nothing changes."""
    by_binding = {reply.binding: reply for reply in replies if reply.binding is not None}
    for reply in replies:
        if reply.bare:
            reply.mode = "raw"
    changed = True
    while changed:
        changed = False
        for reply in replies:
            if reply.mode == "reply" and _must_be_raw(reply, by_binding, reaches, tree):
                reply.mode, changed = "raw", True
    for reply in replies:
        if reply.mode == "raw" and (reply.stream or reply.family not in _RAW):
            why = reply.bare or "its reply goes where it cannot be followed"
            raise Failed(reply.site, Unprovable(why, "read reply.content where the reply comes in"))


class Failed(Exception):
    """One site's reply cannot be carried over."""

    def __init__(self, site: Site, why: Unprovable) -> None:
        super().__init__(why.reason)
        self.site = site
        self.why = why


def _must_be_raw(
    reply: Reply, by_binding: Mapping[Binding, Reply], reaches: dict[cst.CSTNode, Reach], tree: Tree
) -> bool:
    for node in reply.all_reads():
        if reading(node, reply, tree) is None:
            reply.bare = reply.bare or f"line {tree.line(node)} uses the whole reply"
            return True
    for node in reply.reads:
        for reach in reaches.values():
            for binding in reach.reads.get(node, ()) if isinstance(node, cst.Name) else ():
                other = by_binding.get(binding)
                if other is None or other.mode == "raw" or other.family != reply.family or other.stream != reply.stream:
                    reply.bare = reply.bare or f"line {tree.line(node)} may read another value"
                    return True
    return False


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
