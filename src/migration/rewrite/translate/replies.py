"""The flow of a reply from its call to every place that reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from src.migration.rewrite.analysis.reaching import ReachingDefinitions
from src.migration.rewrite.analysis.syntax import code
from src.migration.rewrite.records import Unprovable
from src.migration.rewrite.translate.reply_reads import RAW_FAMILIES, Reply, attribute_path, read_replacement

if TYPE_CHECKING:
    from collections.abc import Mapping

    from src.migration.rewrite.analysis.tree import Binding, Tree
    from src.migration.rewrite.records import Site
    from src.migration.rewrite.translate.translated_call import TranslatedCall

Reaches = dict[cst.CSTNode, ReachingDefinitions]  # by scope

# Parts of a chunk that a variable can hold; the chunk itself takes their place, since it has the same text.
_CHUNK_PARTS = (("choices", 0), ("choices", 0, "delta"), ("message",), ("delta",))
_ASYNCIO_WRAPPERS = ("asyncio.wait_for", "asyncio.shield", "asyncio.create_task", "asyncio.ensure_future")


class UnprovableReply(Exception):
    """The reads of one call's reply cannot be translated.

    Attributes:
        site: The call.
        cause: Why they cannot.
    """

    def __init__(self, site: Site, cause: Unprovable) -> None:
        super().__init__(cause.reason)
        self.site = site
        self.cause = cause


def follow_reply(site: Site, family: str, tree: Tree, reaches: Reaches, call: TranslatedCall) -> Reply:
    """Return a call's reply with all places that read it.

    Args:
        site: The call.
        family: The SDK's form of the reply.
        tree: The module.
        reaches: The reaching definitions of the scopes seen so far; new ones are added.
        call: The call in the factory's terms.

    Raises:
        Unprovable: the reply goes where it cannot be followed.
    """
    if site.kind == "messages" and site.names[-1] == "stream":
        return _follow_stream_helper(site, family, tree)
    node = _reply_expression(site, tree, stream=call.stream)
    reply = Reply(site=site, family=family, node=node, stream=call.stream, streams_usage=call.streams_usage)
    parent = tree.parent(node)
    if isinstance(parent, cst.Expr):
        return reply
    if isinstance(parent, cst.Assign) and len(parent.targets) == 1:
        _follow_assignment(reply, parent, parent.targets[0].target, tree, reaches)
    elif isinstance(parent, cst.NamedExpr) or (isinstance(parent, cst.AnnAssign) and parent.value is node):
        reply.raw_reason = "it is bound in a way that is not followed"
    else:
        reply.reads.append(node)
    if call.stream:
        _follow_chunks(reply, tree)
    return reply


def _follow_stream_helper(site: Site, family: str, tree: Tree) -> Reply:
    """Follow `with client.messages.stream(...) as stream`, of which only `stream.text_stream` may be read."""
    item = tree.parent(site.call)
    other_use = Unprovable("its stream helper is read for more than texts", "loop over stream_response(...)")
    if not isinstance(item, cst.WithItem) or item.asname is None or not isinstance(item.asname.name, cst.Name):
        raise other_use
    reply = Reply(site=site, family=family, node=site.call, stream=True, with_item=item)
    scope = tree.scope(site.call)
    name = item.asname.name.value
    if len(tree.bound.get(scope, {}).get(name, ())) != 1:
        raise other_use
    for load in tree.loads(name, scope):
        read = tree.parent(load)
        if not isinstance(read, cst.Attribute) or read.value is not load or read.attr.value != "text_stream":
            raise other_use
        reply.text_streams.append(read)
    return reply


def _follow_chunks(reply: Reply, tree: Tree) -> None:
    """Find the places that read the chunks of a stream, which must be read by a loop alone."""
    if reply.raw_reason:
        raise Unprovable(reply.raw_reason, "loop over stream_response(...) where the stream is opened")
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
        loads = tree.loads(name, scope)
        inside = [load for load in loads if isinstance(loop, cst.CompFor) or _is_below(load, loop, tree)]
        if len(inside) != len(loads):
            others = [binding for binding in tree.bound[scope][name] if binding.node is not loop.target]
            if not others:
                raise Unprovable("a chunk is read after its loop", "keep what is needed inside the loop")
        reply.chunks += inside
        for load in inside:
            reply.chunks += _loads_of_named_part(load, loop, reply, tree)


def _loads_of_named_part(
    node: cst.BaseExpression, loop: cst.For | cst.CompFor, reply: Reply, tree: Tree
) -> list[cst.Name]:
    """Return the reads of a variable that holds a part of the chunk, as in `delta = chunk.choices[0].delta`."""
    steps = attribute_path(node, tree)
    path = reply.parts.get(node, ()) + tuple(key for _, key in steps)
    assign = tree.parent(steps[-1][0]) if steps else None
    if path not in _CHUNK_PARTS or not isinstance(assign, cst.Assign) or len(assign.targets) != 1:
        return []
    target = assign.targets[0].target
    scope = tree.scope(assign)
    if not isinstance(target, cst.Name) or len(tree.bound.get(scope, {}).get(target.value, ())) != 1:
        return []
    loads = tree.loads(target.value, scope)
    if not all(_is_below(load, loop, tree) for load in loads):
        return []
    reply.parts[assign] = path
    reads = list(loads)
    for load in loads:
        reply.parts[load] = path
        reads += _loads_of_named_part(load, loop, reply, tree)
    return reads


def _is_below(node: cst.CSTNode, top: cst.CSTNode, tree: Tree) -> bool:
    return any(ancestor is top for ancestor in tree.ancestors(node))


def _reply_expression(site: Site, tree: Tree, *, stream: bool) -> cst.BaseExpression:
    """Return the expression whose value is the reply: the call, or the await around it.

    Raises:
        Unprovable: the call is asynchronous and not awaited in the same expression.
    """
    if not site.asynchronous:
        return site.call
    node: cst.CSTNode = site.call
    parent = tree.parent(node)
    while parent is not None and not isinstance(parent, cst.Await):
        call = tree.parent(parent) if isinstance(parent, cst.Arg) else None
        if stream or not isinstance(call, cst.Call) or code(call.func) not in _ASYNCIO_WRAPPERS:
            break
        node, parent = call, tree.parent(call)
    if isinstance(parent, cst.Await):
        return parent
    raise Unprovable("the call is not awaited where it stands", "await model.agenerate_response(...) there")


def _follow_assignment(
    reply: Reply, assign: cst.Assign, target: cst.BaseExpression, tree: Tree, reaches: Reaches
) -> None:
    """Find the reads that an assignment of the reply reaches."""
    scope = tree.scope(assign)
    if not isinstance(target, cst.Name) or not isinstance(scope, cst.FunctionDef | cst.Module):
        reply.raw_reason = f"it is kept in {code(target)}"
        return
    if tree.binding_scope(target.value, scope) is not scope:
        reply.raw_reason = f"{target.value} is global"
        return
    reply.binding = next(binding for binding in tree.bound[scope][target.value] if binding.node is assign)
    if scope not in reaches:
        reaches[scope] = ReachingDefinitions(tree, scope)
    reads = reaches[scope].reads
    for node in tree.loads(target.value, scope):
        if node not in reads:
            reply.raw_reason = f"{target.value} is read in a way that is not followed"
        elif reply.binding in reads[node]:
            reply.reads.append(node)


def settle_modes(replies: list[Reply], reaches: Reaches, tree: Tree) -> None:
    """Decide which replies are read through the factory's attributes and which keep the SDK's own form.

    Replies that reach the same read need the same mode, so this repeats until no mode changes.

    Raises:
        UnprovableReply: a reply needs the SDK's own form, and the factory does not have it.
    """
    by_binding = {reply.binding: reply for reply in replies if reply.binding is not None}
    for reply in replies:
        if reply.raw_reason:
            reply.mode = "raw"
    changed = True
    while changed:
        changed = False
        for reply in replies:
            if reply.mode == "reply" and _must_be_raw(reply, by_binding, reaches, tree):
                reply.mode, changed = "raw", True
    for reply in replies:
        if reply.mode == "raw" and (reply.stream or reply.family not in RAW_FAMILIES):
            reason = reply.raw_reason or "its reply goes where it cannot be followed"
            raise UnprovableReply(reply.site, Unprovable(reason, "read reply.content where the reply comes in"))


def _must_be_raw(reply: Reply, by_binding: Mapping[Binding, Reply], reaches: Reaches, tree: Tree) -> bool:
    for node in reply.all_reads():
        if read_replacement(node, reply, tree) is None:
            reply.raw_reason = reply.raw_reason or f"line {tree.line(node)} uses the whole reply"
            return True
    for node in reply.reads:
        for reach in reaches.values():
            for binding in reach.reads.get(node, ()) if isinstance(node, cst.Name) else ():
                other = by_binding.get(binding)
                if other is None or other.mode == "raw" or other.family != reply.family or other.stream != reply.stream:
                    reply.raw_reason = reply.raw_reason or f"line {tree.line(node)} may read another value"
                    return True
    return False
