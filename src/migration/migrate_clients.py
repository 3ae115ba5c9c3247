"""Find out what happens to each client, and which can become a model where it is made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import libcst as cst

from src.migration import migrate_sdk as sdk
from src.migration.migrate_syntax import code, is_none

if TYPE_CHECKING:
    from src.migration.migrate_records import Site
    from src.migration.migrate_tree import Tree
    from src.migration.migrate_values import Evaluator


@dataclass(eq=False, slots=True)
class Group:
    """Hold clients that can stand in for one another, where they are used, and why they must stay clients."""

    clients: dict[cst.CSTNode, str] = field(default_factory=dict)
    sites: list[Site] = field(default_factory=list)
    blockers: list[str] = field(default_factory=list)
    non_chat: list[str] = field(default_factory=list)
    other_uses: int = 0
    names: set[str] = field(default_factory=set)  # under which it is kept


def groups(values: Evaluator, sites: list[Site]) -> list[Group]:
    """Return the groups of clients of a module, with what is known about their uses."""
    tree = values.tree
    found: dict[cst.CSTNode, Group] = {}
    uses: list[tuple[cst.BaseExpression, list[cst.CSTNode]]] = []
    for node in tree.nodes:
        if not isinstance(node, cst.Name | cst.Attribute | cst.Call | cst.Subscript | cst.BooleanOperation | cst.IfExp):
            continue
        if isinstance(node, cst.Name) and not tree.is_load(node):
            continue
        if tree.is_target(node) or (isinstance(node, cst.Attribute) and _is_definition(node, tree)):
            continue
        made = [value for value in values.of(node) if value.kind == "client"]
        clients = [value.node for value in made if value.node is not None]
        if not clients:
            continue
        group = _merged(found, clients, {value.node: value.name for value in made if value.node is not None})
        uses.append((node, clients))
        if isinstance(node, cst.BooleanOperation) and _is_condition(node, tree):
            continue
        if any(value.kind not in ("client", "none") for value in values.of(node)) and not _is_creation(node, values):
            group.blockers.append(f"line {tree.line(node)}: {code(node)} can be something else than a client")
    by_base = {site.base: site for site in sites}
    for node, clients in uses:
        _judge(node, found[clients[0]], by_base, values)
    return list({id(group): group for group in found.values()}.values())


def _is_definition(node: cst.Attribute, tree: Tree) -> bool:
    return isinstance(tree.parent(node), cst.ImportAlias)


def _is_creation(node: cst.BaseExpression, values: Evaluator) -> bool:
    return isinstance(node, cst.Call) and values.module(node.func) in sdk.CONSTRUCTORS


def _merged(found: dict[cst.CSTNode, Group], clients: list[cst.CSTNode], kinds: dict[cst.CSTNode, str]) -> Group:
    group = next((found[client] for client in clients if client in found), None) or Group()
    for client in clients:
        other = found.get(client)
        if other is not None and other is not group:
            group.clients |= other.clients
            group.blockers += other.blockers
            for one in other.clients:
                found[one] = group
        group.clients[client] = kinds[client]
        found[client] = group
    return group


def _judge(node: cst.BaseExpression, group: Group, sites: dict[cst.BaseExpression, Site], values: Evaluator) -> None:
    """Record how one expression that is a client is used."""
    tree = values.tree
    site = sites.get(node)
    if site is not None:
        group.sites.append(site)
        return
    parent = tree.parent(node)
    if isinstance(parent, cst.Attribute) and parent.value is node:
        _attribute(parent, group, tree)
        return
    where = f"line {tree.line(node)}"
    if _is_kept(parent, node, group):
        return
    if isinstance(parent, cst.Arg) and _is_passed(parent, values):
        return
    if _is_asked(parent, node) or isinstance(parent, cst.Expr | cst.Del):
        group.other_uses += not isinstance(parent, cst.Expr | cst.Del)
        return
    group.blockers.append(f"{where}: the client is used in {code(parent)[:60].strip()}" if parent else where)


def _attribute(node: cst.Attribute, group: Group, tree: Tree) -> None:
    names = [node.attr.value]
    one: cst.CSTNode = node
    parent = tree.parent(one)
    while isinstance(parent, cst.Attribute):
        names.append(parent.attr.value)
        one, parent = parent, tree.parent(parent)
    reason = sdk.non_chat(tuple(names))
    if reason:
        group.non_chat.append(reason)
    group.blockers.append(f"line {tree.line(node)}: .{'.'.join(names)} is used")


def _is_kept(parent: cst.CSTNode | None, node: cst.CSTNode, group: Group) -> bool:
    """Tell whether a client is only stored, returned or chosen, so that its next use is judged elsewhere."""
    match parent:
        case cst.Assign(targets=targets):
            group.names |= {code(target.target).rpartition(".")[2] for target in targets}
            return all(isinstance(target.target, cst.Name | cst.Attribute | cst.Subscript) for target in targets)
        case cst.NamedExpr() | cst.Return() | cst.Param() | cst.Await():
            return True
        case cst.BooleanOperation() | cst.IfExp():
            return True
        case cst.DictElement(value=value) | cst.Element(value=value):
            return value is node
    return False


def _is_passed(arg: cst.Arg, values: Evaluator) -> bool:
    """Tell whether a client is passed to a function of this module whose parameter is followed."""
    call = values.tree.parent(arg)
    if not isinstance(call, cst.Call) or arg.star:
        return False
    if code(call.func) == "bool":
        return True
    owners = values.functions(call.func)
    made = [value.node for value in values.of(call.func) if value.kind == "class"]
    for one in made:
        names = values.tree.bound.get(one, {}) if one is not None else {}
        owners += [binding.node for binding in names.get("__init__", ()) if isinstance(binding.node, cst.FunctionDef)]
    return bool(owners) and all(_takes(owner, arg, call) for owner in owners)


def _takes(function: cst.FunctionDef, arg: cst.Arg, call: cst.Call) -> bool:
    params = [*function.params.posonly_params, *function.params.params]
    if arg.keyword is not None:
        return any(param.name.value == arg.keyword.value for param in (*params, *function.params.kwonly_params))
    return list(call.args).index(arg) < len(params)


def _is_condition(node: cst.CSTNode, tree: Tree) -> bool:
    """Tell whether only the truth of an expression counts, as in `if client and wanted:`."""
    parent = tree.parent(node)
    while isinstance(parent, cst.BooleanOperation):
        node, parent = parent, tree.parent(parent)
    return _is_asked(parent, node) or (isinstance(parent, cst.IfExp) and parent.test is node)


def _is_asked(parent: cst.CSTNode | None, node: cst.CSTNode) -> bool:
    """Tell whether only a client's truth is asked for."""
    match parent:
        case cst.If(test=test) | cst.While(test=test) | cst.Assert(test=test):
            return test is node
        case cst.UnaryOperation(operator=cst.Not()):
            return True
        case cst.Comparison(left=left, comparisons=[one]):
            return left is node and isinstance(one.operator, cst.Is | cst.IsNot) and is_none(one.comparator)
    return False
