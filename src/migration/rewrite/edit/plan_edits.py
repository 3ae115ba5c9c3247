"""The edits of a module that carry out its plan."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import libcst as cst

from src.migration.rewrite import sdk_vocabulary as sdk
from src.migration.rewrite.analysis.syntax import argument, code, comments_in, expression, lay_out
from src.migration.rewrite.node_edits import Edits
from src.migration.rewrite.translate import handlers
from src.migration.rewrite.translate.messages import Prompt
from src.migration.rewrite.translate.reply_reads import read_replacement
from src.migration.rewrite.translate.translated_call import Argument

if TYPE_CHECKING:
    from src.migration.rewrite.analysis.tree import Tree
    from src.migration.rewrite.analysis.values import Evaluator
    from src.migration.rewrite.find.clients import Group
    from src.migration.rewrite.node_edits import Edit, Resolve
    from src.migration.rewrite.plan import Move, Plan
    from src.migration.rewrite.translate.model_spec import ModelSpec
    from src.migration.rewrite.translate.reply_reads import ReadReplacement, Reply
    from src.migration.rewrite.translate.translated_call import TranslatedCall

Imports = set[tuple[str, str]]  # pairs of a module and a name in it
_FACTORY_IMPORT = ("src.models.model_factory", "ModelFactory")


def edits_for(plan: Plan, values: Evaluator, factory: str) -> tuple[Edits, Imports]:
    """Return the edits of a plan and the imports that they need.

    Args:
        plan: The plan of the module.
        values: What the module's expressions can be.
        factory: The factory's name in the module.
    """
    edits, needed = Edits(), set[tuple[str, str]]()
    edited_reads: set[cst.CSTNode] = set()
    for move in plan.moves:
        _edit_call(move, plan, edits, values, factory, edited_reads)
        if move.reply is not None and move.reply.with_item is not None:
            needed.add(("contextlib", "aclosing" if move.site.asynchronous else "closing"))
        if move.route == "inline" and move.spec is not None:
            needed |= move.spec.imports | {_FACTORY_IMPORT}
    for client, spec in plan.converted.items():
        edits.replace(client, _model_edit(spec, plan.fixed_models.get(client), factory))
        needed |= spec.imports | {_FACTORY_IMPORT}
    for group in plan.groups:
        if any(client in plan.converted for client in group.clients):
            needed |= _edit_opening_and_closing(group, edits)
    for package, uses in plan.handled.items():
        needed |= handlers.rewrite_error_uses(uses, edits, keep_sdk=package in plan.remaining_sdks)
    needed |= _edit_annotations(plan, edits, values)
    return edits, needed


def _edit_opening_and_closing(group: Group, edits: Edits) -> Imports:
    """Wrap `with client:` in nullcontext and remove `client.close()`: a model has no connection to close."""
    for item in group.with_items:
        wrapped = lambda updated, _resolve: updated.with_changes(  # noqa: E731 - an Edit
            item=cst.Call(cst.Name("nullcontext"), [cst.Arg(updated.item)])
        )
        edits.replace(item, wrapped)
    for statement in group.close_statements:
        edits.remove(statement)
    return {("contextlib", "nullcontext")} if group.with_items else set()


def _model_edit(spec: ModelSpec, model: cst.BaseExpression | None, factory: str) -> Edit:
    return lambda _updated, _resolve: expression(spec.get_model_code(factory, model))


def _edit_call(
    move: Move, plan: Plan, edits: Edits, values: Evaluator, factory: str, edited_reads: set[cst.CSTNode]
) -> None:
    """Add the edits of a call and of all places that read its reply, but for those that read another's, too."""
    tree, reply = values.tree, move.reply
    assert reply is not None  # noqa: S101 - the planner followed it
    edits.replace(move.site.call, _call_edit(move, plan, factory))
    if reply.node is not move.site.call and reply.stream:
        edits.replace(reply.node, lambda updated, _resolve: updated.expression)
    if reply.with_item is not None:
        _edit_stream_helper(move, reply, edits)
    elif reply.mode == "raw":
        edits.replace(reply.node, _raw_response)
    else:
        for node in reply.all_reads():
            replacement = None if node in edited_reads else read_replacement(node, reply, tree)
            edited_reads.add(node)
            if replacement is not None:
                _edit_read(node, replacement, tree, edits)
    comments = comments_in(move.site.call)
    if comments:
        _move_comments_up(tree, move.site.call, comments, edits)


def _edit_stream_helper(move: Move, reply: Reply, edits: Edits) -> None:
    """Replace a stream helper by a closing stream, and its texts by the chunks as strings."""
    closing = "aclosing" if move.site.asynchronous else "closing"

    def edit_item(updated: cst.WithItem, _resolve: Resolve) -> cst.WithItem:
        return updated.with_changes(item=cst.Call(cst.Name(closing), [cst.Arg(updated.item)]))

    def edit_texts(updated: cst.Attribute, _resolve: Resolve) -> cst.BaseExpression:
        name = code(updated.value)
        if move.site.asynchronous:
            return expression(f"(str(chunk) async for chunk in {name})")
        return expression(f"map(str, {name})")

    assert reply.with_item is not None  # noqa: S101 - the caller has checked it
    edits.replace(reply.with_item, edit_item)
    for read in reply.text_streams:
        edits.replace(read, edit_texts)


def _raw_response(updated: cst.BaseExpression, _resolve: Resolve) -> cst.BaseExpression:
    return cst.Attribute(_parenthesized_await(updated), cst.Name("raw_response"))


def _parenthesized_await(node: cst.BaseExpression) -> cst.BaseExpression:
    if isinstance(node, cst.Await) and not node.lpar:
        return node.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    return node


def _edit_read(base: cst.BaseExpression, replacement: ReadReplacement, tree: Tree, edits: Edits) -> None:
    """Add the edit of one read of the reply `base`."""

    def edit(updated: cst.BaseExpression, resolve: Resolve) -> cst.BaseExpression:
        read = _parenthesized_await(updated if replacement.node is base else resolve(base))
        for part in replacement.suffix.split(".")[1:]:
            name, _, index = part.partition("[")
            read = cst.Attribute(read, cst.Name(name))
            if index:
                item = cst.SubscriptElement(cst.Index(cst.Integer(index.removesuffix("]"))))
                read = cst.Subscript(read, [item])
        return read

    if replacement.suffix:
        edits.replace(replacement.node, edit)
    elif replacement.node is not base:
        edits.replace(replacement.node, lambda _updated, resolve: resolve(base))
    condition = tree.parent(replacement.node)
    if isinstance(replacement.node, cst.Comparison) and isinstance(condition, cst.BooleanOperation):
        edits.replace(condition, _without_repetition)


def _without_repetition(updated: cst.BaseExpression, _resolve: Resolve) -> cst.BaseExpression:
    """Return `x` for `x and x`, which two different tests of the SDK's reply can become."""
    if not isinstance(updated, cst.BooleanOperation) or not isinstance(updated.operator, cst.And):
        return updated
    return updated.left if code(updated.left) == code(updated.right) else updated


def _move_comments_up(tree: Tree, call: cst.Call, comments: list[str], edits: Edits) -> None:
    """Move the comments between a call's arguments above its statement."""
    line = next((node for node in tree.ancestors(call) if isinstance(node, cst.SimpleStatementLine)), None)
    if line is None:
        return

    def edit(updated: cst.SimpleStatementLine, _resolve: Resolve) -> cst.SimpleStatementLine:
        added = [cst.EmptyLine(comment=cst.Comment(text)) for text in comments]
        return updated.with_changes(leading_lines=[*updated.leading_lines, *added])

    edits.replace(line, edit)


def _call_edit(move: Move, plan: Plan, factory: str) -> Edit:
    def edit(updated: cst.Call, resolve: Resolve) -> cst.BaseExpression:
        is_foreign = move.spec is not None and move.spec.foreign_address
        stem, arguments = _with_client_options(move).arguments(plain_max_tokens=is_foreign)
        if move.route != "inline":
            arguments = _with_model(move, plan, arguments)
        args = [argument(name, resolve(value), star) for name, value, star in arguments]
        func = _method(move, stem, resolve, factory)
        return updated.with_changes(func=func, args=lay_out(args, move.site.call))

    return edit


def _with_client_options(move: Move) -> TranslatedCall:
    """Return a call with the system prompt and options that its client adds to each call."""
    call, spec = move.translated, move.spec
    if spec is None or not (spec.system or spec.options):
        return call
    names = {name for name, _ in call.options}
    options = [*call.options, *((name, value) for name, value in spec.options if name not in names)]
    prompt = call.prompt
    if spec.system is not None and prompt.system is None:
        prompt = Prompt(system=spec.system, user=prompt.user, messages=prompt.messages)
    return replace(call, prompt=prompt, options=options)


def _with_model(move: Move, plan: Plan, arguments: list[Argument]) -> list[Argument]:
    """Return the arguments with the model's name, which the call passes unless its client carries it."""
    model = move.translated.model
    is_fixed = any(value.node in plan.fixed_models for value in move.site.values if value.kind == "client")
    if model is None or is_fixed:
        return arguments
    positional = sum(1 for name, _, star in arguments if name is None and not star)
    return [*arguments[:positional], Argument("model", model), *arguments[positional:]]


def _method(move: Move, stem: str, resolve: Resolve, factory: str) -> cst.BaseExpression:
    """Return the expression that is called: the model with the method."""
    method = {"generate_response": "stream_response", "chat": "stream_chat"}[stem] if move.translated.stream else stem
    method = f"a{method}" if move.site.asynchronous else method
    if move.route == "inline":
        assert move.spec is not None  # noqa: S101 - the route has one
        model = resolve(move.translated.model) if move.translated.model is not None else None
        settings = [(name, resolve(value)) for name, value in move.translated.settings]
        return expression(f"{move.spec.get_model_code(factory, model, settings)}.{method}")
    base = resolve(move.site.base)
    if move.providers:
        names = [argument(None, expression(f'"{name}"')) for name in move.providers]
        base = cst.Call(cst.Attribute(base, cst.Name("as_provider")), lay_out(names, cst.Call(cst.Name("x"))))
    if move.route == "model":  # its SDK's client was called, past the factory
        base = cst.Call(cst.Attribute(base, cst.Name("as_sdk")))
    return cst.Attribute(base, cst.Name(method))


def _edit_annotations(plan: Plan, edits: Edits, values: Evaluator) -> Imports:
    """Replace annotations with a converted client's class by BaseModel."""
    sdk_names = {
        sdk_name for group in plan.groups for client, sdk_name in group.clients.items() if client in plan.converted
    }
    tree, is_edited = values.tree, False
    for node in tree.nodes:
        if not isinstance(node, cst.Name | cst.Attribute) or isinstance(tree.parent(node), cst.Attribute):
            continue
        if not any(isinstance(ancestor, cst.Annotation) for ancestor in tree.ancestors(node)):
            continue
        if sdk.CONSTRUCTORS.get(values.module(node) or "", ("", False))[0] in sdk_names:
            edits.replace(node, lambda _updated, _resolve: cst.Name("BaseModel"))
            is_edited = True
    return {("src.models.base_model", "BaseModel")} if is_edited else set()
