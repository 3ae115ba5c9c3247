"""The imports of a rewritten module: those of the factory are added, unused ones of SDKs are removed."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import libcst as cst

from src.migration.rewrite import sdk_vocabulary as sdk
from src.migration.rewrite.analysis.syntax import dotted, positional, statement, text_of, walk
from src.migration.rewrite.analysis.tree import Tree, index
from src.migration.rewrite.edit import search_path
from src.migration.rewrite.node_edits import Edits
from src.migration.rewrite.records import Unprovable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src.migration.rewrite.analysis.tree import Binding
    from src.migration.rewrite.analysis.values import Evaluator

_HELPERS = ("requests", "httpx", "importlib")
_SETTINGS = ("api_key", "api_base", "base_url", "timeout", "max_retries")  # of an SDK's module, which the model takes
_BY_NAME = ("importlib.import_module", "import_module", "__import__")
_PURE_CALLS = ("os.getenv", "os.environ.get", "getenv", "environ.get")


def factory_name(tree: Tree, first_line: int) -> str:
    """Return the name of the factory in this module: one that it imports before `first_line`, or ModelFactory."""
    for name in ("ModelFactory", "model_factory"):
        bindings = tree.bound.get(tree.module, {}).get(name, [])
        if len(bindings) != 1 or bindings[0].kind != "import":
            continue
        (binding,) = bindings
        line = tree.parent(tree.statement(binding.node))
        is_top_level = isinstance(line, cst.SimpleStatementLine) and tree.parent(line) is tree.module
        is_factory = (binding.imported or "").startswith("src.models")
        if is_factory and is_top_level and tree.line(binding.node) < first_line:
            return name
    return "ModelFactory"


def with_imports(module: cst.Module, needed: set[tuple[str, str]], before: int, bootstrap: int | None) -> cst.Module:
    """Return a module that imports what it needs.

    Args:
        module: The edited module.
        needed: Pairs of a module and a name in it.
        before: The position in the module's body before which the imports must be.
        bootstrap: How many folders above the file the checkout's root is; None where it need not be put on `sys.path`.

    Raises:
        Unprovable: a name is bound to something else.
    """
    tree = index(module, lines=False)
    missing: dict[str, list[str]] = {}
    for source, name in sorted(needed):
        bindings = tree.bound.get(tree.module, {}).get(name, [])
        if any(binding.kind == "import" and (binding.imported or "").startswith("src.models") for binding in bindings):
            continue
        if any(binding.kind == "import" and binding.imported == f"{source}.{name}" for binding in bindings):
            continue
        if any(name in names for names in tree.bound.values()):
            raise Unprovable(f"the name {name} is taken here", f"rename {name}")
        missing.setdefault(source, []).append(name)
    if not missing:
        return tree.module
    lines = [statement(f"from {source} import {', '.join(names)}\n") for source, names in sorted(missing.items())]
    position, has_src = _import_position(tree.module.body, before)
    if bootstrap is not None and not has_src and not search_path.has_root(tree.module.body[:position], bootstrap):
        lines = [*_bootstrap(bootstrap), *lines]
    body = [*tree.module.body[:position], *lines, *tree.module.body[position:]]
    return tree.module.with_changes(body=body)


def _bootstrap(levels: int) -> list[cst.BaseStatement]:
    return [
        statement("import sys as _sys\n"),
        statement("from pathlib import Path as _Path\n"),
        statement(f"_sys.path.append(str(_Path(__file__).resolve().parents[{levels}]))\n"),
    ]


def _import_position(body: Sequence[cst.CSTNode], before: int) -> tuple[int, bool]:
    """Return the position for new imports, and whether the module imports from `src` already.

    It is after the first import from `src`, else after the last import near the top.
    """
    for at, node in enumerate(body[:before]):
        if any(_is_src_import(part) for part in _small_statements(node)):
            return at + 1, True
    position = 0
    for at, node in enumerate(body[:before]):
        if isinstance(node, cst.FunctionDef | cst.ClassDef):
            break
        if any(isinstance(part, cst.Import | cst.ImportFrom) for part in walk(node)) or search_path.mentions_path(node):
            position = at + 1
        elif at == 0 and _is_docstring(node):
            position = max(position, 1)
    return position, False


def _small_statements(node: cst.CSTNode) -> Sequence[cst.CSTNode]:
    return node.body if isinstance(node, cst.SimpleStatementLine) else ()


def _is_src_import(node: cst.CSTNode) -> bool:
    if isinstance(node, cst.ImportFrom):
        return (dotted(node.module) or "").partition(".")[0] == "src"
    return isinstance(node, cst.Import) and any((dotted(alias.name) or "").startswith("src.") for alias in node.names)


def _is_docstring(node: cst.CSTNode) -> bool:
    return (
        isinstance(node, cst.SimpleStatementLine)
        and len(node.body) == 1
        and isinstance(node.body[0], cst.Expr)
        and isinstance(node.body[0].value, cst.SimpleString | cst.ConcatenatedString)
    )


def with_blank_line_after_imports(module: cst.Module) -> cst.Module:
    """Return a module with a blank line between the imports of the factory and code that follows them."""
    body = list(module.body)
    for position, (current, following) in enumerate(itertools.pairwise(body), 1):
        is_last_import = _imports_factory(current) and not _is_import(following)
        if is_last_import and not getattr(following, "leading_lines", True):
            body[position] = following.with_changes(leading_lines=[cst.EmptyLine(indent=False)])
    return module.with_changes(body=body)


def _imports_factory(node: cst.CSTNode) -> bool:
    return any(
        isinstance(part, cst.ImportFrom) and (dotted(part.module) or "").startswith("src.models")
        for part in _small_statements(node)
    )


def _is_import(node: cst.CSTNode) -> bool:
    return any(isinstance(part, cst.Import | cst.ImportFrom) for part in _small_statements(node))


def without_unused(
    module: cst.Module,
    old: Evaluator,
    required_setups: frozenset[str] = frozenset(),
    taken: frozenset[str] = frozenset(),
) -> cst.Module:
    """Return a module without the imports, keys and settings whose last use was removed by the edits.

    Args:
        module: The edited module.
        old: The module before its edits.
        required_setups: SDKs whose module this file sets up for other files.
        taken: The names that other files take from this one.
    """
    read_before = {
        (name, _scope_name(scope))
        for scope, names in old.tree.bound.items()
        for name in names
        if old.tree.loads(name, scope)
    }
    for _ in range(4):
        tree = index(module, lines=False)
        edits = Edits()
        for scope, names in tree.bound.items():
            for name, bindings in names.items():
                is_required = any(binding.imported in required_setups for binding in bindings)
                is_taken = name in taken and isinstance(scope, cst.Module)
                if not is_taken and not (is_required and _is_set_up(tree, name, scope)):
                    lost_reads = (name, _scope_name(scope)) in read_before and not tree.loads(name, scope)
                    _remove_unused(tree, scope, bindings, edits, lost_reads=lost_reads)
        if not edits:
            break
        module = edits.apply(tree)
    return module


def _is_set_up(tree: Tree, name: str, scope: cst.CSTNode) -> bool:
    return any(_setup_statement(tree, node) is not None for node in tree.loads(name, scope))


def _scope_name(scope: cst.CSTNode) -> str:
    name = getattr(scope, "name", None)
    return name.value if isinstance(name, cst.Name) else type(scope).__name__


def _remove_unused(tree: Tree, scope: cst.CSTNode, bindings: list[Binding], edits: Edits, *, lost_reads: bool) -> None:
    """Remove all bindings of one name where nothing uses it.

    Args:
        tree: The edited module.
        scope: The scope of the name.
        bindings: Its bindings.
        edits: Where the removals go.
        lost_reads: Whether the name was read before the edits, and is no more.
    """
    is_unread_helper = lost_reads and all(binding.imported in _HELPERS for binding in bindings)
    if all(binding.kind == "import" and (is_sdk_import(binding) or is_unread_helper) for binding in bindings):
        _remove_imports(tree, scope, bindings, edits)
        return
    is_local = isinstance(scope, cst.FunctionDef) and all(_is_removable(binding) for binding in bindings)
    if lost_reads and (is_local or all(_is_sdk_by_name(binding) for binding in bindings)):
        for binding in bindings:
            if binding.node not in edits:
                edits.remove(binding.node)


def _remove_imports(tree: Tree, scope: cst.CSTNode, bindings: list[Binding], edits: Edits) -> None:
    """Remove imports of one name, with the statements that set the module up, where nothing else uses it."""
    setups = [_setup_statement(tree, node) for node in tree.loads(bindings[0].name, scope)]
    if any(setup is None for setup in setups) or any(_is_guarded(tree, binding) for binding in bindings):
        return
    for setup in setups:
        if setup is not None and setup not in edits:
            edits.remove(setup)
    for binding in bindings:
        _drop_alias(tree, binding, edits)


def is_sdk_import(binding: Binding) -> bool:
    """Tell whether a binding imports an SDK or something from it."""
    full = binding.imported or ""
    return any(full == name or full.startswith(f"{name}.") for name in sdk.MODULES)


def _is_sdk_by_name(binding: Binding) -> bool:
    """Tell whether a binding is `name = importlib.import_module("openai")` or the like."""
    node = binding.node
    if binding.kind != "assign" or not isinstance(node, cst.Assign) or len(node.targets) != 1:
        return False
    call = node.value
    args = positional(call) if isinstance(call, cst.Call) and dotted(call.func) in _BY_NAME else []
    return isinstance(node.targets[0].target, cst.Name) and bool(args) and text_of(args[0]) in sdk.MODULES


def _is_guarded(tree: Tree, binding: Binding) -> bool:
    """Tell whether an import is in a `try`, where it tests whether the package is installed."""
    return any(isinstance(ancestor, cst.Try) for ancestor in tree.ancestors(binding.node))


def _setup_statement(tree: Tree, node: cst.Name) -> cst.CSTNode | None:
    """Return the statement in which a module is only set up, such as `openai.api_key = x` or `genai.configure(...)`.

    None where the name is used in another way.
    """
    attribute = tree.parent(node)
    if not isinstance(attribute, cst.Attribute):
        return None
    parent = tree.parent(attribute)
    if isinstance(parent, cst.AssignTarget) and attribute.attr.value in _SETTINGS:
        assign = tree.parent(parent)
        return assign if isinstance(assign, cst.Assign) and len(assign.targets) == 1 else None
    if isinstance(parent, cst.Call) and attribute.attr.value == "configure" and parent.func is attribute:
        expr = tree.parent(parent)
        return expr if isinstance(expr, cst.Expr) else None
    return None


def _drop_alias(tree: Tree, binding: Binding, edits: Edits) -> None:
    imported = tree.parent(binding.node)
    if not isinstance(imported, cst.Import | cst.ImportFrom) or isinstance(imported.names, cst.ImportStar):
        return
    if len(imported.names) == 1:
        edits.remove(imported)
        return
    remaining = [alias for alias in imported.names if alias is not binding.node]
    remaining[-1] = remaining[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
    if imported not in edits:
        edits.replace(imported, lambda updated, _resolve: updated.with_changes(names=remaining))


def _is_removable(binding: Binding) -> bool:
    """Tell whether a binding is a plain assignment of a value whose evaluation has no side effects."""
    node = binding.node
    if binding.kind != "assign" or not isinstance(node, cst.Assign) or len(node.targets) != 1:
        return False
    if not isinstance(node.targets[0].target, cst.Name):
        return False
    return all(
        not isinstance(part, cst.Call | cst.Await | cst.Yield | cst.NamedExpr | cst.Subscript | cst.BinaryOperation)
        or (isinstance(part, cst.Call) and dotted(part.func) in _PURE_CALLS)
        for part in walk(node.value)
    )
