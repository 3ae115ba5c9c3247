"""The migration of one file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import libcst as cst

from src.migration.rewrite import sdk_vocabulary as sdk
from src.migration.rewrite import second_opinion, site_reports
from src.migration.rewrite.analysis.check_facts import VOCABULARY
from src.migration.rewrite.analysis.depth import is_too_deep, parse_on_deep_stack
from src.migration.rewrite.analysis.tree import index
from src.migration.rewrite.analysis.values import Evaluator
from src.migration.rewrite.edit import allow_marks, imports, selfcheck
from src.migration.rewrite.edit.plan_edits import edits_for
from src.migration.rewrite.find import raw_posts
from src.migration.rewrite.plan import Plan, Planner
from src.migration.rewrite.project import neighbours, own_server, star_imports
from src.migration.rewrite.project.taken_names import taken_names
from src.migration.rewrite.records import LEFT, Outcome, ProjectContext, ReportedSite, Unprovable

if TYPE_CHECKING:
    from pathlib import Path

    from src.migration.rewrite.analysis.tree import Tree
    from src.migration.rewrite.find.raw_posts import Post

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
    if not VOCABULARY.may_matter(source):
        return Outcome(path=path, name=name, status=UNCHANGED)
    try:
        if is_too_deep(source, name):
            return _too_deep(path, name)
        return _migrate_module(path, name, source, parse_on_deep_stack(source), project or ProjectContext())
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
    values = Evaluator(tree)
    planner = Planner(values, project)
    posts = [
        own_server.without_own(post, values, project.served_paths)
        for post in raw_posts.find_posts(values, source, project.addresses)
    ]
    for _ in range(len(planner.sites) + len(planner.groups) + 1):
        plan = planner.plan()
        after, fault = _checked_code(plan, posts, values, path, name, project)
        if fault or after == tree.module.code or not second_opinion.take_back(planner, plan, after, tree, path):
            break
    else:
        after, fault = tree.module.code, "its changes are not understood"
    called_providers = {sdk.PROVIDERS[site.sdk] for site in plan.sites if site.blocked is not None or fault}
    marked, non_chat_calls = allow_marks.add_allow_comments(after, called_providers)
    if marked != after and selfcheck.fault(tree, marked, name):
        marked = after
    sites = [
        *site_reports.of_calls(plan, values, name, fault, star_imports.undefined_names(tree, path)),
        *site_reports.of_non_chat_calls(source, name, non_chat_calls),
        *(site_reports.of_post(post, name, fault) for post in posts),
        *site_reports.of_handlers(plan, values, name, fault),
    ]
    outcome = Outcome(
        path=path, name=name, status=UNCHANGED, sites=tuple(sorted(sites, key=lambda site: site.line)), before=source
    )
    statuses = {site.status for site in sites}
    if LEFT in statuses and statuses == {LEFT}:
        marked = tree.module.code  # nothing moves and nothing is marked: what nothing uses stays too
    if marked != tree.module.code:
        return replace(outcome, status=CHANGED, after=marked.encode(module.encoding))
    return replace(outcome, status=LEFT_OVER) if any(site.status == LEFT for site in sites) else outcome


def _checked_code(
    plan: Plan, posts: list[Post], values: Evaluator, path: Path, name: str, project: ProjectContext
) -> tuple[str, str]:
    """Return the module's new text and no fault, or its old text with what is wrong with the new one."""
    before = values.tree.module.code
    try:
        after = _rewritten_code(plan, posts, values, path, project)
    except Unprovable as error:
        return before, error.reason
    fault = selfcheck.fault(values.tree, after, name) if after != before else None
    return (before, fault) if fault else (after, "")


def _rewritten_code(plan: Plan, posts: list[Post], values: Evaluator, path: Path, project: ProjectContext) -> str:
    """Return the module's text with all planned edits and without what nothing uses any more."""
    tree = values.tree
    movable_posts = [post for post in posts if post.blocked is None]
    edited = [move.site.call for move in plan.moves] + list(plan.converted) + [post.call for post in movable_posts]
    edited += [node for uses in plan.handled.values() for node, _ in uses.names]
    if not edited:
        return _cleaned_code(tree.module, values, path, project) if _imports_sdk(tree) else tree.module.code
    factory = imports.factory_name(tree, min(tree.line(node) for node in edited))
    edits, needed = edits_for(plan, values, factory)
    for post in movable_posts:
        raw_posts.edit_post(post, edits, factory)
        needed.add(_FACTORY_IMPORT)
    if factory != "ModelFactory":
        needed.discard(_FACTORY_IMPORT)
    first = _first_edited_statement(tree, edited)
    is_last_position = first >= len(tree.module.body)
    module = edits.apply(tree.module)
    position = len(module.body) if is_last_position else first
    module = imports.with_imports(module, needed, position, _levels_to_root(path))
    return _cleaned_code(module, values, path, project)


def _cleaned_code(module: cst.Module, values: Evaluator, path: Path, project: ProjectContext) -> str:
    taken = taken_names(path, neighbours.users_of(path))
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
