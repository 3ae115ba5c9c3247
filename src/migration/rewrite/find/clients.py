"""Find out what happens to each client, and which can become a model where it is made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import libcst as cst

from src.migration.rewrite import sdk_vocabulary as sdk
from src.migration.rewrite.analysis.syntax import code, is_none, text_of
from src.migration.rewrite.analysis.values import is_property

if TYPE_CHECKING:
    from src.migration.rewrite.analysis.tree import Tree
    from src.migration.rewrite.analysis.values import Evaluator
    from src.migration.rewrite.records import Site


@dataclass(eq=False, slots=True)
class Group:
    """Hold clients that can stand in for one another, where they are used, and why they must stay clients."""

    clients: dict[cst.CSTNode, str] = field(default_factory=dict)
    sites: list[Site] = field(default_factory=list)
    blockers: list[str] = field(default_factory=list)
    non_chat: list[str] = field(default_factory=list)
    other_uses: int = 0
    names: set[str] = field(default_factory=set)  # under which it is kept, or that functions give it by
    opened: list[cst.WithItem] = field(default_factory=list)  # `with client:`, which a model need not be
    closed: list[cst.Expr] = field(default_factory=list)  # `client.close()`, which a model has not


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
    every = list({id(group): group for group in found.values()}.values())
    by_text = _names_in_texts(tree)
    for group in every:
        group.blockers += [f"{name} is asked for by a text" for name in sorted(group.names & by_text)]
    return every


def _names_in_texts(tree: Tree) -> set[str]:
    """Return the names that `getattr(x, "name")` and its like ask for."""
    calls = (node for node in tree.nodes if isinstance(node, cst.Call))
    asking = (node for node in calls if code(node.func).rpartition(".")[2] in ("getattr", "setattr", "attrgetter"))
    return {text for node in asking for arg in node.args if (text := text_of(arg.value)) is not None}


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
    if isinstance(parent, cst.WithItem) and parent.item is node:
        group.opened.append(parent)
        return
    if isinstance(parent, cst.Return):
        _returned(parent, group, values, where)
        return
    if isinstance(parent, cst.Lambda) and _is_default_factory(parent, tree):
        return
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
    ended = _closing(one, names, tree)
    if ended is not None:
        group.closed.append(ended)
        return
    reason = sdk.non_chat(tuple(names))
    if reason:
        group.non_chat.append(reason)
    group.blockers.append(f"line {tree.line(node)}: .{'.'.join(names)} is used")


def _closing(node: cst.CSTNode, names: list[str], tree: Tree) -> cst.Expr | None:
    """Return the statement that only closes a client: `client.close()`, awaited or not."""
    call = tree.parent(node)
    if names not in (["close"], ["aclose"]) or not isinstance(call, cst.Call) or call.func is not node:
        return None
    above = tree.parent(call)
    above = tree.parent(above) if isinstance(above, cst.Await) else above
    return above if isinstance(above, cst.Expr) else None


def _returned(node: cst.Return, group: Group, values: Evaluator, where: str) -> None:
    """Record that a function gives a client; what is done with it there must be what this module does."""
    function = values.tree.function(node)
    if not isinstance(function, cst.FunctionDef):
        group.blockers.append(f"{where}: the client is returned")
        return
    name = function.name.value
    group.names.add(name)
    if is_property(function):
        reads = (one for one in values.tree.nodes if isinstance(one, cst.Attribute) and one.attr.value == name)
        used = any(not values.tree.is_target(one) for one in reads)
    else:
        dead = not function.decorators and not name.startswith("__")  # called by nobody, unless another file does
        used = (bool(values.calls_of(function)) or dead) and not values._passed_on(function)
    if not used:
        group.blockers.append(f"{where}: the client is returned to callers that are not known")


def _is_default_factory(node: cst.Lambda, tree: Tree) -> bool:
    arg = tree.parent(node)
    return isinstance(arg, cst.Arg) and arg.keyword is not None and arg.keyword.value == "default_factory"


def _is_kept(parent: cst.CSTNode | None, node: cst.CSTNode, group: Group) -> bool:
    """Tell whether a client is only stored, returned or chosen, so that its next use is judged elsewhere."""
    match parent:
        case cst.Assign(targets=targets):
            group.names |= {code(target.target).rpartition(".")[2] for target in targets}
            return all(isinstance(target.target, cst.Name | cst.Attribute | cst.Subscript) for target in targets)
        case cst.AnnAssign(target=target):
            group.names.add(code(target).rpartition(".")[2])
            return isinstance(target, cst.Name | cst.Attribute)
        case cst.NamedExpr() | cst.Param() | cst.Await():
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
