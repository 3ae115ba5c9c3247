"""The SDK clients of a module, grouped by the expressions that they share, with all their uses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import libcst as cst

from src.migration.rewrite import sdk_vocabulary as sdk
from src.migration.rewrite.analysis import data_classes
from src.migration.rewrite.analysis.syntax import code, is_none, is_property, text_of
from src.migration.rewrite.find import traceable
from src.migration.rewrite.find.unknown_part import why_unknown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from src.migration.rewrite.analysis.tree import Tree
    from src.migration.rewrite.analysis.values import Evaluator
    from src.migration.rewrite.records import Site


@dataclass(eq=False, slots=True)
class Group:
    """Clients that reach the same expressions, so that all of them become models or none.

    Attributes:
        clients: The calls that construct them, each with its SDK.
        sites: The calls on them that ask for text.
        blockers: Why they must stay clients.
        names: The variables, attributes and functions through which they can be reached.
        with_items: Uses as `with client:`, which a model does not support.
        close_statements: Uses as `client.close()`, which a model does not have.
    """

    clients: dict[cst.CSTNode, str] = field(default_factory=dict)
    sites: list[Site] = field(default_factory=list)
    blockers: list[str] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    with_items: list[cst.WithItem] = field(default_factory=list)
    close_statements: list[cst.Expr] = field(default_factory=list)


def group_clients(values: Evaluator, sites: list[Site]) -> list[Group]:
    """Return the groups of clients of a module.

    Args:
        values: What the module's expressions can be.
        sites: The calls that ask for text.
    """
    tree = values.tree
    group_of: dict[cst.CSTNode, Group] = {}
    uses: list[tuple[cst.BaseExpression, cst.CSTNode]] = []
    for node in _read_expressions(tree):
        sdk_names = {
            value.node: value.name for value in values.of(node) if value.kind == "client" and value.node is not None
        }
        if not sdk_names:
            continue
        group = _merge(group_of, sdk_names)
        uses.append((node, next(iter(sdk_names))))
        if isinstance(node, cst.BooleanOperation) and _is_condition(node, tree):
            continue
        if any(value.kind not in ("client", "none") for value in values.of(node)) and not _is_creation(node, values):
            why = why_unknown(node, values)
            group.blockers.append(f"line {tree.line(node)}: {code(node)} can be something else than a client{why}")
    by_base = {site.base: site for site in sites}
    for node, client in uses:
        _record_use(node, group_of[client], by_base, values)
    groups = list({id(group): group for group in group_of.values()}.values())
    looked_up, unknown = _names_looked_up(tree), _calls_that_may_be_ollamas(values, by_base)
    for group in groups:
        group.blockers += unknown if "ollama" in group.clients.values() else []
        group.blockers += [f"{name} is asked for by a text" for name in sorted(group.names & looked_up)]
    return groups


def _read_expressions(tree: Tree) -> Iterator[cst.BaseExpression]:
    """Yield the expressions that can be a client and are read, not assigned to."""
    for node in tree.nodes:
        if not isinstance(node, cst.Name | cst.Attribute | cst.Call | cst.Subscript | cst.BooleanOperation | cst.IfExp):
            continue
        if isinstance(node, cst.Name) and not tree.is_load(node):
            continue
        if not tree.is_target(node) and not isinstance(tree.parent(node), cst.ImportAlias):
            yield node


def _names_looked_up(tree: Tree) -> set[str]:
    """Return the names of attributes that `getattr(x, "name")` and the like look up."""
    calls = (node for node in tree.nodes if isinstance(node, cst.Call))
    lookups = (node for node in calls if code(node.func).rpartition(".")[2] in ("getattr", "setattr", "attrgetter"))
    return {text for node in lookups for arg in node.args if (text := text_of(arg.value)) is not None}


def _calls_that_may_be_ollamas(values: Evaluator, sites: dict[cst.BaseExpression, Site]) -> list[str]:
    """Return the calls on something unknown that a client of Ollama takes; a model's methods have the same names."""
    calls = []
    for node in values.tree.nodes:
        if not isinstance(node, cst.Call) or not isinstance(node.func, cst.Attribute) or node.func.value in sites:
            continue
        names = {arg.keyword.value for arg in node.args if arg.keyword is not None}
        is_like_it = node.func.attr.value in ("chat", "generate") and bool(names & {"model", "messages", "prompt"})
        if is_like_it and any(value.kind == "unknown" for value in values.of(node.func.value)):
            calls.append(f"line {values.tree.line(node)}: what {code(node.func)} is called on is not known")
    return calls


def _is_creation(node: cst.BaseExpression, values: Evaluator) -> bool:
    return isinstance(node, cst.Call) and values.module(node.func) in sdk.CONSTRUCTORS


def _merge(group_of: dict[cst.CSTNode, Group], sdk_names: dict[cst.CSTNode, str]) -> Group:
    """Put clients into one group, with those of all groups that they are in already."""
    group = next((group_of[client] for client in sdk_names if client in group_of), None) or Group()
    for client, sdk_name in sdk_names.items():
        other = group_of.get(client)
        if other is not None and other is not group:
            group.clients |= other.clients
            group.blockers += other.blockers
            for merged in other.clients:
                group_of[merged] = group
        group.clients[client] = sdk_name
        group_of[client] = group
    return group


def _record_use(
    node: cst.BaseExpression, group: Group, sites: dict[cst.BaseExpression, Site], values: Evaluator
) -> None:
    """Record how an expression that is a client is used, with a blocker where a model cannot be used so."""
    tree = values.tree
    site = sites.get(node)
    if site is not None:
        group.sites.append(site)
        return
    parent = tree.parent(node)
    if isinstance(parent, cst.Attribute) and parent.value is node:
        _record_attribute(parent, group, values)
        return
    where = f"line {tree.line(node)}"
    if isinstance(parent, cst.WithItem) and parent.item is node:
        _record_with_item(parent, group, values, where)
        return
    if isinstance(parent, cst.Return):
        _record_return(parent, group, values, where)
        return
    if isinstance(parent, cst.Lambda) and _is_default_factory(parent, tree):
        return
    if _is_stored(parent, node, group):
        return
    if traceable.is_traced(node, values):
        group.blockers.append("the client is traced as it is")
        return
    if isinstance(parent, cst.Arg) and _is_passed(parent, values):
        return
    if _is_truth_test(parent, node) or isinstance(parent, cst.Expr | cst.Del):
        return
    group.blockers.append(f"{where}: the client is used in {code(parent)[:60].strip()}" if parent else where)


def _record_with_item(item: cst.WithItem, group: Group, values: Evaluator, where: str) -> None:
    """Record that a client is opened by a `with` statement; a blocker where the SDK does not support that."""
    if _can_be_entered(item, values):
        group.with_items.append(item)
    else:
        group.blockers.append(f"{where}: a client of this kind cannot stand in this with statement, which fails")


def _can_be_entered(item: cst.WithItem, values: Evaluator) -> bool:
    """Tell whether each client that an item of a `with` statement can be supports it; a `nullcontext` supports any."""
    statement = values.tree.parent(item)
    is_asynchronous = isinstance(statement, cst.With) and statement.asynchronous is not None
    return all(
        value.name != "generativeai" and (value.name == "ollama" or value.asynchronous == is_asynchronous)
        for value in values.of(item.item)
        if value.kind == "client"
    )


def _record_attribute(node: cst.Attribute, group: Group, values: Evaluator) -> None:
    tree = values.tree
    names = [node.attr.value]
    outermost: cst.CSTNode = node
    parent = tree.parent(outermost)
    while isinstance(parent, cst.Attribute):
        names.append(parent.attr.value)
        outermost, parent = parent, tree.parent(parent)
    close_statement = _closing_statement(outermost, names, tree)
    if close_statement is not None and _can_be_closed(node.value, close_statement, values):
        group.close_statements.append(close_statement)
        return
    group.blockers.append(f"line {tree.line(node)}: .{'.'.join(names)} is used")


def _can_be_closed(client: cst.BaseExpression, statement: cst.Expr, values: Evaluator) -> bool:
    """Tell whether each client that an expression can be is closed by a statement, which fails otherwise."""
    is_awaited = isinstance(statement.value, cst.Await)
    return all(
        value.name != "generativeai" and value.asynchronous == is_awaited
        for value in values.of(client)
        if value.kind == "client"
    )


def _closing_statement(node: cst.CSTNode, names: list[str], tree: Tree) -> cst.Expr | None:
    """Return the statement `client.close()`, awaited or not, that a chain of attributes is called in; or None."""
    call = tree.parent(node)
    if names != ["close"] or not isinstance(call, cst.Call) or call.func is not node:
        return None
    statement = tree.parent(call)
    statement = tree.parent(statement) if isinstance(statement, cst.Await) else statement
    return statement if isinstance(statement, cst.Expr) else None


def _record_return(node: cst.Return, group: Group, values: Evaluator, where: str) -> None:
    """Record that a function returns a client; a blocker where its callers are not all in this module."""
    function = values.tree.enclosing_function(node)
    if not isinstance(function, cst.FunctionDef):
        group.blockers.append(f"{where}: the client is returned")
        return
    name = function.name.value
    group.names.add(name)
    if is_property(function):
        reads = (read for read in values.tree.nodes if isinstance(read, cst.Attribute) and read.attr.value == name)
        has_known_callers = any(not values.tree.is_target(read) for read in reads)
    else:
        # Without calls here nobody calls it: calls from other files are known as borrowed names.
        may_have_no_calls = not function.decorators and not name.startswith("__")
        is_called = bool(values.calls_of(function)) or may_have_no_calls
        has_known_callers = is_called and not values.is_passed_around(function)
    if not has_known_callers:
        group.blockers.append(f"{where}: the client is returned to callers that are not known")


def _is_default_factory(node: cst.Lambda, tree: Tree) -> bool:
    arg = tree.parent(node)
    return isinstance(arg, cst.Arg) and arg.keyword is not None and arg.keyword.value == "default_factory"


def _is_stored(parent: cst.CSTNode | None, node: cst.CSTNode, group: Group) -> bool:
    """Tell whether a client is only stored or chosen, so that its uses are recorded where it is read again."""
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
    """Tell whether a client is passed to a parameter of a function of this module, where its uses are recorded."""
    call = values.tree.parent(arg)
    if not isinstance(call, cst.Call) or arg.star:
        return False
    if code(call.func) == "bool":
        return True
    functions = values.functions(call.func)
    classes = [value.node for value in values.of(call.func) if value.kind == "class"]
    for cls in classes:
        names = values.tree.bound.get(cls, {}) if cls is not None else {}
        functions += [init.node for init in names.get("__init__", ()) if isinstance(init.node, cst.FunctionDef)]
    is_record = len(classes) == 1 and not functions and _is_field_of(classes[0], arg, call, values)
    return is_record or (bool(functions) and all(_has_parameter_for(function, arg, call) for function in functions))


def _is_field_of(cls: cst.CSTNode | None, arg: cst.Arg, call: cst.Call, values: Evaluator) -> bool:
    """Tell whether an argument of a data class's constructor is the value of a field."""
    names = data_classes.field_names(cls, values.tree, values.module) if isinstance(cls, cst.ClassDef) else []
    return arg.keyword.value in names if arg.keyword is not None else list(call.args).index(arg) < len(names)


def _has_parameter_for(function: cst.FunctionDef, arg: cst.Arg, call: cst.Call) -> bool:
    params = [*function.params.posonly_params, *function.params.params]
    if arg.keyword is not None:
        return any(param.name.value == arg.keyword.value for param in (*params, *function.params.kwonly_params))
    return list(call.args).index(arg) < len(params)


def _is_condition(node: cst.CSTNode, tree: Tree) -> bool:
    """Tell whether only the truth of an expression counts, as in `if client and is_enabled:`."""
    parent = tree.parent(node)
    while isinstance(parent, cst.BooleanOperation):
        node, parent = parent, tree.parent(parent)
    return _is_truth_test(parent, node) or (isinstance(parent, cst.IfExp) and parent.test is node)


def _is_truth_test(parent: cst.CSTNode | None, node: cst.CSTNode) -> bool:
    """Tell whether a client is only tested for truth or compared with None."""
    match parent:
        case cst.If(test=test) | cst.While(test=test) | cst.Assert(test=test):
            return test is node
        case cst.UnaryOperation(operator=cst.Not()):
            return True
        case cst.Comparison(left=left, comparisons=[comparison]):
            is_identity_test = isinstance(comparison.operator, cst.Is | cst.IsNot)
            return left is node and is_identity_test and is_none(comparison.comparator)
    return False
