"""Turn a plan into edits of the module."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import libcst as cst

from src.migration.rewrite import sdk_vocabulary as sdk
from src.migration.rewrite.analysis.syntax import Star, argument, code, comments_in, expression, spread
from src.migration.rewrite.edits import Edits
from src.migration.rewrite.translate import handlers
from src.migration.rewrite.translate.arguments import arguments
from src.migration.rewrite.translate.messages import Prompt
from src.migration.rewrite.translate.reply_reads import reading

if TYPE_CHECKING:
    from src.migration.rewrite.analysis.tree import Tree
    from src.migration.rewrite.analysis.values import Evaluator
    from src.migration.rewrite.edits import Edit, Resolve
    from src.migration.rewrite.find.clients import Group
    from src.migration.rewrite.plan import Move, Plan
    from src.migration.rewrite.translate.arguments import Asked
    from src.migration.rewrite.translate.models import Made
    from src.migration.rewrite.translate.reply_reads import Reading, Reply

Needed = set[tuple[str, str]]


def edits_for(plan: Plan, values: Evaluator, factory: str) -> tuple[Edits, Needed]:
    """Return the edits of a plan and the names that they import."""
    edits, needed = Edits(), set[tuple[str, str]]()
    for move in plan.moves:
        _move(move, plan, edits, values, factory)
        if move.reply is not None and move.reply.opened is not None:
            needed.add(("contextlib", "aclosing" if move.site.asynchronous else "closing"))
        if move.route == "inline" and move.made is not None:
            needed |= move.made.imports | {("src.models.model_factory", "ModelFactory")}
    for client, made in plan.converted.items():
        edits.replace(client, _model(made, plan.baked.get(client), factory))
        needed |= made.imports | {("src.models.model_factory", "ModelFactory")}
    for group in plan.groups:
        if any(client in plan.converted for client in group.clients):
            needed |= _unopened(group, edits)
    for package, handled in plan.handled.items():
        needed |= handlers.rewrite(handled, edits, keep=package in plan.kept)
    needed |= _annotations(plan, edits, values)
    return edits, needed


def _unopened(group: Group, edits: Edits) -> Needed:
    """Have what opened or closed a client do neither: a model keeps no connection that its user must end."""
    for item in group.opened:
        wrapped = lambda updated, _resolve: updated.with_changes(  # noqa: E731 - an Edit
            item=cst.Call(cst.Name("nullcontext"), [cst.Arg(updated.item)])
        )
        edits.replace(item, wrapped)
    for statement in group.closed:
        edits.remove(statement)
    return {("contextlib", "nullcontext")} if group.opened else set()


def _model(made: Made, model: cst.BaseExpression | None, factory: str) -> Edit:
    return lambda _updated, _resolve: expression(made.get_model(factory, model))


def _move(move: Move, plan: Plan, edits: Edits, values: Evaluator, factory: str) -> None:
    tree, reply = values.tree, move.reply
    assert reply is not None  # noqa: S101 - the planner followed it
    edits.replace(move.site.call, _call(move, plan, factory))
    if reply.node is not move.site.call and reply.stream:
        edits.replace(reply.node, lambda updated, _resolve: updated.expression)
    if reply.opened is not None:
        _helper(move, reply, edits)
    elif reply.mode == "raw":
        edits.replace(reply.node, _raw)
    else:
        for node in reply.all_reads():
            found = reading(node, reply, tree)
            if found is not None:
                _read(node, found, edits)
                both = tree.parent(found.node)
                if isinstance(found.node, cst.Comparison) and isinstance(both, cst.BooleanOperation):
                    edits.replace(both, _once)
    comments = comments_in(move.site.call)
    if comments:
        _keep_comments(tree, move.site.call, comments, edits)


def _helper(move: Move, reply: Reply, edits: Edits) -> None:
    """Have a stream's texts read from our chunks, each of which is its text as a string."""
    closing = "aclosing" if move.site.asynchronous else "closing"

    def opened(updated: cst.WithItem, _resolve: Resolve) -> cst.WithItem:
        return updated.with_changes(item=cst.Call(cst.Name(closing), [cst.Arg(updated.item)]))

    def texts(updated: cst.Attribute, _resolve: Resolve) -> cst.BaseExpression:
        name = code(updated.value)
        if move.site.asynchronous:
            return expression(f"(str(chunk) async for chunk in {name})")
        return expression(f"map(str, {name})")

    assert reply.opened is not None  # noqa: S101 - the caller has looked
    edits.replace(reply.opened, opened)
    for read in reply.texts:
        edits.replace(read, texts)


def _raw(updated: cst.BaseExpression, _resolve: Resolve) -> cst.BaseExpression:
    return cst.Attribute(_bracketed(updated), cst.Name("raw_response"))


def _bracketed(node: cst.BaseExpression) -> cst.BaseExpression:
    if isinstance(node, cst.Await) and not node.lpar:
        return node.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    return node


def _read(base: cst.BaseExpression, found: Reading, edits: Edits) -> None:
    def edit(updated: cst.BaseExpression, resolve: Resolve) -> cst.BaseExpression:
        made = _bracketed(updated if found.node is base else resolve(base))
        for name in found.words.split(".")[1:]:
            made = cst.Attribute(made, cst.Name(name))
        return made

    if found.words:
        edits.replace(found.node, edit)
    elif found.node is not base:
        edits.replace(found.node, lambda _updated, resolve: resolve(base))


def _once(updated: cst.BaseExpression, _resolve: Resolve) -> cst.BaseExpression:
    """Say what became the same question only once: `x and x`."""
    if not isinstance(updated, cst.BooleanOperation) or not isinstance(updated.operator, cst.And):
        return updated
    return updated.left if code(updated.left) == code(updated.right) else updated


def _keep_comments(tree: Tree, call: cst.Call, comments: list[str], edits: Edits) -> None:
    """Put the comments that stood between a call's arguments above its statement."""
    line = next((one for one in tree.above(call) if isinstance(one, cst.SimpleStatementLine)), None)
    if line is None:
        return

    def edit(updated: cst.SimpleStatementLine, _resolve: Resolve) -> cst.SimpleStatementLine:
        added = [cst.EmptyLine(comment=cst.Comment(text)) for text in comments]
        return updated.with_changes(leading_lines=[*updated.leading_lines, *added])

    edits.replace(line, edit)


def _call(move: Move, plan: Plan, factory: str) -> Edit:
    def edit(updated: cst.Call, resolve: Resolve) -> cst.BaseExpression:
        asked = _completed(move)
        foreign = move.made is not None and move.made.foreign_address
        stem, given = arguments(asked, plain_max_tokens=foreign)
        if move.route != "inline":
            given = _with_model(move, plan, given)
        args = [argument(name, resolve(value), star) for name, value, star in given]
        func = _func(move, stem, resolve, factory)
        return updated.with_changes(func=func, args=spread(args, move.site.call))

    return edit


def _completed(move: Move) -> Asked:
    """Return what is asked, with what the client itself brought to each call."""
    asked = move.asked
    if move.made is None or not (move.made.system or move.made.options):
        return asked
    names = {name for name, _ in asked.options}
    options = [*asked.options, *((name, value) for name, value in move.made.options if name not in names)]
    prompt = asked.prompt
    if move.made.system is not None and prompt.system is None:
        prompt = Prompt(move.made.system, prompt.user, prompt.messages)
    return replace(asked, prompt=prompt, options=options)


def _with_model(
    move: Move, plan: Plan, given: list[tuple[str | None, cst.BaseExpression, Star]]
) -> list[tuple[str | None, cst.BaseExpression, Star]]:
    """Name the model in the call, unless the model was made for it."""
    model = move.asked.model
    baked = any(value.node in plan.baked for value in move.site.values if value.kind == "client")
    if model is None or baked:
        return given
    first = sum(1 for name, _, star in given if name is None and not star)
    return [*given[:first], ("model", model, ""), *given[first:]]


def _func(move: Move, stem: str, resolve: Resolve, factory: str) -> cst.BaseExpression:
    method = {"generate_response": "stream_response", "chat": "stream_chat"}[stem] if move.asked.stream else stem
    method = f"a{method}" if move.site.asynchronous else method
    if move.route == "inline":
        assert move.made is not None  # noqa: S101 - of this route
        model = resolve(move.asked.model) if move.asked.model is not None else None
        settings = [(name, resolve(value)) for name, value in move.asked.settings]
        return expression(f"{move.made.get_model(factory, model, settings)}.{method}")
    return cst.Attribute(resolve(move.site.base), cst.Name(method))


def _annotations(plan: Plan, edits: Edits, values: Evaluator) -> Needed:
    """Say annotations that name a converted client's class as BaseModel."""
    kits = {kit for group in plan.groups for client, kit in group.clients.items() if client in plan.converted}
    tree, found = values.tree, False
    for node in tree.nodes:
        if not isinstance(node, cst.Name | cst.Attribute) or isinstance(tree.parent(node), cst.Attribute):
            continue
        if not any(isinstance(one, cst.Annotation) for one in tree.above(node)):
            continue
        if sdk.CONSTRUCTORS.get(values.module(node) or "", ("", False))[0] in kits:
            edits.replace(node, lambda _updated, _resolve: cst.Name("BaseModel"))
            found = True
    return {("src.models.base_model", "BaseModel")} if found else set()


def describe(move: Move) -> str:
    """Return a note on how a reply is read, where that is not by our own words."""
    reply = move.reply
    if reply is not None and reply.mode == "raw":
        return f"the reply keeps the SDK's own form (raw_response): {reply.bare}"
    return ""


def text(module: cst.Module) -> str:
    """Return a module's source text."""
    return code(module)
