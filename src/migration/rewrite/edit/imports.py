"""Put the factory's imports in, and take out what nothing uses any more."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import libcst as cst

from src.migration.rewrite import sdk_vocabulary as sdk
from src.migration.rewrite.analysis.syntax import code, dotted, positional, statement, text_of, walk
from src.migration.rewrite.analysis.tree import Tree, index
from src.migration.rewrite.edits import Edits
from src.migration.rewrite.records import Unprovable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src.migration.rewrite.analysis.tree import Binding
    from src.migration.rewrite.analysis.values import Evaluator

_HELPERS = ("requests", "httpx", "importlib")
_BY_NAME = ("importlib.import_module", "import_module", "__import__")
_PURE_CALLS = ("os.getenv", "os.environ.get", "getenv", "environ.get")


def factory_name(tree: Tree, first_line: int) -> str:
    """Return the name by which this module can reach the factory: one that it imports already, or ModelFactory."""
    for name in ("ModelFactory", "model_factory"):
        bindings = tree.bound.get(tree.module, {}).get(name, [])
        if len(bindings) != 1 or bindings[0].kind != "import":
            continue
        full = bindings[0].imported or ""
        plain = isinstance(tree.parent(tree.statement(bindings[0].node)), cst.SimpleStatementLine)
        top = plain and tree.parent(tree.parent(tree.statement(bindings[0].node))) is tree.module  # type: ignore[arg-type]
        if full.startswith("src.models") and top and tree.line(bindings[0].node) < first_line:
            return name
    return "ModelFactory"


def with_imports(module: cst.Module, needed: set[tuple[str, str]], before: int, bootstrap: int | None) -> cst.Module:
    """Return a module that imports what it needs.

    Args:
        module: The edited module.
        needed: Pairs of a module and a name in it.
        before: The position in the module's body that the imports must stand before.
        bootstrap: How many folders up the checkout's root is, where the module must put it on the path; or None.

    Raises:
        Unprovable: a name is taken by something else.
    """
    tree = index(module, lines=False)
    wanted: dict[str, list[str]] = {}
    for source, name in sorted(needed):
        bindings = tree.bound.get(tree.module, {}).get(name, [])
        if any(one.kind == "import" and (one.imported or "").startswith("src.models") for one in bindings):
            continue
        if any(one.kind == "import" and one.imported == f"{source}.{name}" for one in bindings):
            continue
        if any(name in names for names in tree.bound.values()):
            raise Unprovable(f"the name {name} is taken here", f"rename {name}")
        wanted.setdefault(source, []).append(name)
    if not wanted:
        return tree.module
    lines = [statement(f"from {source} import {', '.join(names)}\n") for source, names in sorted(wanted.items())]
    at, has_src = _place(tree.module.body, before)
    if bootstrap is not None and not has_src and "sys.path" not in tree.module.code:
        lines = [*_bootstrap(bootstrap), *lines]
    body = [*tree.module.body[:at], *lines, *tree.module.body[at:]]
    return tree.module.with_changes(body=body)


def _bootstrap(levels: int) -> list[cst.BaseStatement]:
    return [
        statement("import sys as _sys\n"),
        statement("from pathlib import Path as _Path\n"),
        statement(f"_sys.path.append(str(_Path(__file__).resolve().parents[{levels}]))\n"),
    ]


def _place(body: Sequence[cst.CSTNode], before: int) -> tuple[int, bool]:
    """Return where imports go: after the first import from `src`, else after the last import near the top."""
    last = 0
    for at, node in enumerate(body[:before]):
        kinds = node.body if isinstance(node, cst.SimpleStatementLine) else ()
        for one in kinds:
            if isinstance(one, cst.ImportFrom) and (dotted(one.module) or "").partition(".")[0] == "src":
                return at + 1, True
            if isinstance(one, cst.Import) and any(
                (dotted(alias.name) or "").startswith("src.") for alias in one.names
            ):
                return at + 1, True
    for at, node in enumerate(body[:before]):
        if isinstance(node, cst.FunctionDef | cst.ClassDef):
            break
        if any(isinstance(part, cst.Import | cst.ImportFrom) for part in walk(node)) or "sys.path" in code(node):
            last = at + 1
        elif at == 0 and _is_docstring(node):
            last = max(last, 1)
    return last, False


def _is_docstring(node: cst.CSTNode) -> bool:
    return (
        isinstance(node, cst.SimpleStatementLine)
        and len(node.body) == 1
        and isinstance(node.body[0], cst.Expr)
        and isinstance(node.body[0].value, cst.SimpleString | cst.ConcatenatedString)
    )


def spaced(module: cst.Module) -> cst.Module:
    """Return a module whose imports of the factory have a blank line after them, where code follows."""
    body = list(module.body)
    for at, (one, after) in enumerate(itertools.pairwise(body)):
        if _imports_factory(one) and not _is_import(after) and not getattr(after, "leading_lines", True):
            body[at + 1] = after.with_changes(leading_lines=[cst.EmptyLine(indent=False)])
    return module.with_changes(body=body)


def _imports_factory(node: cst.CSTNode) -> bool:
    inner = node.body if isinstance(node, cst.SimpleStatementLine) else ()
    return any(isinstance(one, cst.ImportFrom) and (dotted(one.module) or "").startswith("src.models") for one in inner)


def _is_import(node: cst.CSTNode) -> bool:
    inner = node.body if isinstance(node, cst.SimpleStatementLine) else ()
    return any(isinstance(one, cst.Import | cst.ImportFrom) for one in inner)


def without_dead(module: cst.Module, old: Evaluator, needed: frozenset[str] = frozenset()) -> cst.Module:
    """Return a module without the imports, keys and settings that lost their last reader.

    `needed` are SDKs whose module is set up here for other files.
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
                shared = any(one.imported in needed for one in bindings)
                if not (shared and _sets_up(tree, name, scope)):
                    _judge(tree, scope, name, bindings, (name, _scope_name(scope)) in read_before, edits)
        if not edits:
            break
        module = edits.apply(tree.module)
    return module


def _sets_up(tree: Tree, name: str, scope: cst.CSTNode) -> bool:
    return any(_only_written(tree, node) is not None for node in tree.loads(name, scope))


def _scope_name(scope: cst.CSTNode) -> str:
    name = getattr(scope, "name", None)
    return name.value if isinstance(name, cst.Name) else type(scope).__name__


def _judge(
    tree: Tree,
    scope: cst.CSTNode,
    name: str,
    bindings: list[Binding],
    was_read: bool,
    edits: Edits,
) -> None:
    unread = was_read and not tree.loads(name, scope)
    helper = unread and all(one.imported in _HELPERS for one in bindings)
    if all(one.kind == "import" and (_is_sdk(one) or helper) for one in bindings):
        loads = tree.loads(name, scope)
        writes = [_only_written(tree, node) for node in loads]
        if all(one is not None for one in writes) and not any(_guarded(tree, one) for one in bindings):
            for write in writes:
                if write is not None and write not in edits:
                    edits.remove(write)
            for one in bindings:
                _drop_alias(tree, one, edits)
        return
    local = isinstance(scope, cst.FunctionDef) and all(_is_pure(one) for one in bindings)
    if unread and (local or all(_is_sdk_by_name(one) for one in bindings)):
        for one in bindings:
            if one.node not in edits:
                edits.remove(one.node)


def _is_sdk(binding: Binding) -> bool:
    full = binding.imported or ""
    return any(full == name or full.startswith(f"{name}.") for name in sdk.MODULES)


def _is_sdk_by_name(binding: Binding) -> bool:
    """Tell `sdk = importlib.import_module("openai")`."""
    node = binding.node
    if binding.kind != "assign" or not isinstance(node, cst.Assign) or len(node.targets) != 1:
        return False
    call = node.value
    named = positional(call) if isinstance(call, cst.Call) and dotted(call.func) in _BY_NAME else []
    return isinstance(node.targets[0].target, cst.Name) and bool(named) and text_of(named[0]) in sdk.MODULES


def _guarded(tree: Tree, binding: Binding) -> bool:
    """Tell whether an import asks whether a package is there: it then stands in a `try`."""
    return any(isinstance(one, cst.Try) for one in tree.above(binding.node))


def _only_written(tree: Tree, node: cst.Name) -> cst.CSTNode | None:
    """Return the statement that only sets something up on a module: `openai.api_key = x`, `genai.configure(...)`."""
    attribute = tree.parent(node)
    if not isinstance(attribute, cst.Attribute):
        return None
    parent = tree.parent(attribute)
    if isinstance(parent, cst.AssignTarget) and attribute.attr.value in ("api_key", "api_base", "base_url"):
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
    kept = [alias for alias in imported.names if alias is not binding.node]
    kept[-1] = kept[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
    if imported not in edits:
        edits.replace(imported, lambda updated, _resolve: updated.with_changes(names=kept))


def _is_pure(binding: Binding) -> bool:
    """Tell whether a binding can go: a plain assignment of a value whose making does nothing."""
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
