"""Follow a reply to every place that reads it, and say each read in the factory's words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from src.migration.rewrite.analysis.reaching import Reach
from src.migration.rewrite.analysis.syntax import code
from src.migration.rewrite.records import Unprovable
from src.migration.rewrite.translate.reply_reads import _RAW, Reply, reading, tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

    from src.migration.rewrite.analysis.tree import Binding, Tree
    from src.migration.rewrite.records import Site
    from src.migration.rewrite.translate.arguments import Asked

Edit = "Callable[[cst.CSTNode], cst.CSTNode]"

# Parts of a chunk that a name can stand for: a chunk of ours has the same text.
_PARTS = (("choices", 0), ("choices", 0, "delta"), ("message",), ("delta",))


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
