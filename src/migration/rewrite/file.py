"""The migration of one file."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING

import libcst as cst

from src.migration.check import notebook
from src.migration.rewrite import notebook_file, second_opinion, site_reports
from src.migration.rewrite import sdk_vocabulary as sdk
from src.migration.rewrite.analysis.check_facts import VOCABULARY
from src.migration.rewrite.analysis.depth import is_too_deep, parse_on_deep_stack
from src.migration.rewrite.analysis.syntax import expression
from src.migration.rewrite.analysis.tree import index
from src.migration.rewrite.analysis.values import Evaluator
from src.migration.rewrite.edit import allow_marks, imports, selfcheck
from src.migration.rewrite.edit.plan_edits import edits_for
from src.migration.rewrite.find import raw_posts
from src.migration.rewrite.find.traceable import TraceableClient, traceable_clients
from src.migration.rewrite.plan import Plan, Planner
from src.migration.rewrite.project import neighbours, own_server, star_imports
from src.migration.rewrite.project.taken_names import exported_names, taken_names
from src.migration.rewrite.records import LEFT, Outcome, ProjectContext, ReportedSite, Unprovable

if TYPE_CHECKING:
    from pathlib import Path

    from src.migration.rewrite.analysis.tree import Tree
    from src.migration.rewrite.find.raw_posts import Post
    from src.migration.rewrite.node_edits import Edit

CHANGED, UNCHANGED, LEFT_OVER, UNPARSEABLE, FAILED = "migrated", "unchanged", "left over", "unparseable", "failed"
_FACTORY_IMPORT = ("src.models.model_factory", "ModelFactory")


def migrate(path: Path, name: str, project: ProjectContext | None = None) -> Outcome:
    """Return what becomes of one file; nothing is written.

    Args:
        path: The file.
        name: Its name in reports.
        project: What is known about the other files.
    """
    try:
        source = path.read_bytes()
    except OSError as error:
        return _unread(path, name, FAILED, f"cannot be read: {error.strerror}")
    if name.endswith(notebook.SUFFIX):
        return _migrate_notebook(path, name, source, project or ProjectContext())
    return _migrate_source(path, name, source, project or ProjectContext())


def _migrate_notebook(path: Path, name: str, source: bytes, project: ProjectContext) -> Outcome:
    try:
        book = notebook.read(source)
    except notebook.NotANotebook as error:
        if not VOCABULARY.may_matter(source):
            return Outcome(path=path, name=name, status=UNCHANGED)
        return _unread(path, name, UNPARSEABLE, str(error))
    faulty = next((cell for cell in book.cells if cell.fault), None)
    module = book.module.encode("utf-8", "replace")
    if faulty is not None and VOCABULARY.may_matter(module + faulty.source.encode("utf-8", "replace")):
        line = faulty.number * notebook.CELL + 1
        return _unread(path, name, UNPARSEABLE, f"a cell is not Python: {faulty.fault}", line)
    return notebook_file.outcome_of(_migrate_source(path, name, module, project), book, source)


def _migrate_source(path: Path, name: str, source: bytes, project: ProjectContext) -> Outcome:
    if not VOCABULARY.may_matter(source):
        return Outcome(path=path, name=name, status=UNCHANGED)
    try:
        if is_too_deep(source, name):
            return _too_deep(path, name)
        return _migrate_module(path, name, source, parse_on_deep_stack(source), project)
    except (cst.ParserSyntaxError, SyntaxError, ValueError, LookupError, UnicodeError) as error:
        line = getattr(error, "raw_line", None) or getattr(error, "lineno", None) or 1
        return _unread(path, name, UNPARSEABLE, "the file does not parse", line)
    except (RecursionError, MemoryError):
        return _too_deep(path, name)


def _too_deep(path: Path, name: str) -> Outcome:
    return _unread(path, name, UNPARSEABLE, "the file is nested too deeply")


def _unread(path: Path, name: str, status: str, reason: str, line: int = 1) -> Outcome:
    site = ReportedSite(file=name, line=line, style="file", status=LEFT, reason=reason)
    return Outcome(path=path, name=name, status=status, sites=(site,))


def _migrate_module(path: Path, name: str, source: bytes, module: cst.Module, project: ProjectContext) -> Outcome:
    """Plan, rewrite and check a module; what fails the check stays as it was."""
    tree = index(module)
    elsewhere = functools.cache(lambda: second_opinion.mentions_elsewhere(path))
    values = Evaluator(tree, lambda name: elsewhere().uses(name))
    planner = Planner(values, project)
    posts = [
        own_server.without_own(post, values, project.served_paths)
        for post in raw_posts.find_posts(values, source, project.addresses)
    ]
    for _ in range(len(planner.sites) + len(planner.groups) + 1):
        plan = planner.plan()
        after, fault = _checked_code(plan, posts, [], values, path, name, project)
        if fault or after == tree.code or not second_opinion.take_back(planner, plan, after, tree, path):
            break
    else:
        after, fault = tree.code, "its changes are not understood"
    clients = _clients_to_trace(plan, values) if not fault else []
    if clients:
        traced, tracing_fault = _checked_code(plan, posts, clients, values, path, name, project)
        after, clients = (after, []) if tracing_fault else (traced, clients)
    called_providers = {sdk.PROVIDERS[site.sdk] for site in plan.sites if site.blocked is not None or fault}
    traced_providers = {sdk.PROVIDERS[name] for name in sdk.PROVIDERS if sdk.PACKAGES[name] in project.traced_sdks}
    marked, non_chat_calls = allow_marks.add_allow_comments(
        after, called_providers, traced_providers if not fault else ()
    )
    if marked != after and selfcheck.fault(tree, marked, name):
        marked = after
    sites = [
        *site_reports.of_calls(
            plan, clients, values, name, fault, star_imports.undefined_names(tree, path), project.traced_sdks
        ),
        *site_reports.of_traced_clients(plan, clients, values, name),
        *site_reports.of_methods_handed_on(plan, clients, values, name),
        *site_reports.of_non_chat_calls(source, name, non_chat_calls),
        *(site_reports.of_post(post, name, fault) for post in posts),
        *site_reports.of_handlers(plan, values, name, fault),
    ]
    outcome = Outcome(
        path=path, name=name, status=UNCHANGED, sites=tuple(sorted(sites, key=lambda site: site.line)), before=source
    )
    statuses = {site.status for site in sites}
    if LEFT in statuses and statuses == {LEFT}:
        marked = tree.code  # nothing moves and nothing is marked: what nothing uses stays too
    if marked != tree.code:
        return replace(outcome, status=CHANGED, after=marked.encode(module.encoding))
    return replace(outcome, status=LEFT_OVER) if any(site.status == LEFT for site in sites) else outcome


def _clients_to_trace(plan: Plan, values: Evaluator) -> list[TraceableClient]:
    blockers = {client: group.blockers for group in plan.groups for client in group.clients}
    return traceable_clients(values, plan.sites, blockers, plan.converted)


def _checked_code(
    plan: Plan,
    posts: list[Post],
    clients: list[TraceableClient],
    values: Evaluator,
    path: Path,
    name: str,
    project: ProjectContext,
) -> tuple[str, str]:
    """Return the module's new text and no fault, or its old text with what is wrong with the new one."""
    before = values.tree.code
    try:
        after = _rewritten_code(plan, posts, clients, values, path, project)
    except Unprovable as error:
        return before, error.reason
    fault = selfcheck.fault(values.tree, after, name) if after != before else None
    return (before, fault) if fault else (after, "")


def _rewritten_code(
    plan: Plan,
    posts: list[Post],
    clients: list[TraceableClient],
    values: Evaluator,
    path: Path,
    project: ProjectContext,
) -> str:
    """Return the module's text with all planned edits and without what nothing uses any more."""
    tree = values.tree
    untraced = [client.call for client in clients if not client.is_traced]
    movable_posts = [post for post in posts if post.blocked is None]
    edited = [move.site.call for move in plan.moves] + list(plan.converted) + [post.call for post in movable_posts]
    edited += untraced
    edited += [node for uses in plan.handled.values() for node, _ in uses.names]
    if not edited:
        return _cleaned_code(tree.module, values, path, project) if _imports_sdk(tree) else tree.code
    factory = imports.factory_name(tree, min(tree.line(node) for node in edited))
    edits, needed = edits_for(plan, values, factory)
    for post in movable_posts:
        raw_posts.edit_post(post, edits, factory)
        needed.add(_FACTORY_IMPORT)
    for call in untraced:
        edits.replace(call, _traced(factory))
        needed.add(_FACTORY_IMPORT)
    if factory != "ModelFactory":
        needed.discard(_FACTORY_IMPORT)
    first = _first_edited_statement(tree, edited)
    is_last_position = first >= len(tree.module.body)
    module = edits.apply(tree)
    position = len(module.body) if is_last_position else first
    module = imports.with_imports(module, needed, position, _levels_to_root(path))
    return _cleaned_code(module, values, path, project)


def _traced(factory: str) -> Edit:
    return lambda updated, _resolve: cst.Call(expression(f"{factory}.traced"), [cst.Arg(updated)])


def _cleaned_code(module: cst.Module, values: Evaluator, path: Path, project: ProjectContext) -> str:
    taken = taken_names(path, neighbours.users_of(path)) | exported_names(values.tree, path)
    cleaned = imports.without_unused(module, values, project.required_setups, taken)
    return imports.with_blank_line_after_imports(cleaned).code


def _imports_sdk(tree: Tree) -> bool:
    return any(
        binding.kind == "import" and imports.is_sdk_import(binding)
        for names in tree.bound.values()
        for bindings in names.values()
        for binding in bindings
    )


def _first_edited_statement(tree: Tree, edited: list[cst.CSTNode]) -> int:
    """Return the position in the module's body of the first statement outside functions that is edited."""
    body: list[cst.CSTNode] = list(tree.module.body)
    first = len(body)
    for node in edited:
        path = [node, *tree.ancestors(node)]
        if any(isinstance(ancestor, cst.FunctionDef | cst.Lambda) for ancestor in path):
            continue
        top = next((ancestor for ancestor in path if tree.parent(ancestor) is tree.module), None)
        if top is not None and top in body:
            first = min(first, body.index(top))
    return first


def _levels_to_root(path: Path) -> int | None:
    """Return how many folders above a file the checkout's root is; None in the root itself and outside a checkout."""
    for levels, folder in enumerate(path.resolve().parents):
        if (folder / "src" / "models").is_dir() or folder.name == "src":
            if folder.name == "src":
                return levels + 1
            return levels or None
    return None
