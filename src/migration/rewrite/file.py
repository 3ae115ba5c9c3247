"""Migrate one file: read it, plan, rewrite, check the result, and report."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import libcst as cst

from src.migration.rewrite import sdk_vocabulary as sdk
from src.migration.rewrite.analysis.check_facts import VOCABULARY
from src.migration.rewrite.analysis.depth import is_too_deep, parsed
from src.migration.rewrite.analysis.syntax import code
from src.migration.rewrite.analysis.tree import index
from src.migration.rewrite.analysis.values import Evaluator
from src.migration.rewrite.edit import allow_marks, imports, selfcheck
from src.migration.rewrite.edit.rewrite import describe, edits_for
from src.migration.rewrite.find import raw_posts
from src.migration.rewrite.plan import Plan, plan
from src.migration.rewrite.records import (
    LEFT,
    MIGRATED,
    NON_CHAT,
    REVIEW,
    Around,
    Outcome,
    Reported,
    Site,
    Unprovable,
)

if TYPE_CHECKING:
    from pathlib import Path

    from src.migration.rewrite.analysis.tree import Tree
    from src.migration.rewrite.find.raw_posts import Post
    from src.migration.rewrite.plan import Move

CHANGED, UNCHANGED, LEFT_OVER, UNPARSEABLE, FAILED = "migrated", "unchanged", "left over", "unparseable", "failed"
_ASK = 'ModelFactory.get_model("{provider}", model).generate_response(system_prompt, user_content)'
_VANISHING = re.compile(r"\b(?:AttributeError|IndexError|KeyError|TypeError|JSONDecodeError)\b")


def migrate(path: Path, name: str, around: Around | None = None) -> Outcome:
    """Return what becomes of one file; nothing is written.

    Args:
        path: The file.
        name: Its name in reports.
        around: What is known about the other files.
    """
    try:
        source = path.read_bytes()
    except OSError as error:
        return Outcome(path, name, FAILED, (Reported(name, 1, "file", LEFT, f"cannot be read: {error.strerror}"),))
    if not VOCABULARY.may_matter(source):
        return Outcome(path, name, UNCHANGED)
    around = around or Around()
    try:
        deep = is_too_deep(source, name)
        return _deep(path, name) if deep else _migrated(path, name, source, parsed(source), around)
    except (cst.ParserSyntaxError, SyntaxError, ValueError, LookupError, UnicodeError) as error:
        line = getattr(error, "raw_line", None) or getattr(error, "lineno", None) or 1
        return Outcome(path, name, UNPARSEABLE, (Reported(name, line, "file", LEFT, "the file does not parse"),))
    except (RecursionError, MemoryError):
        return _deep(path, name)


def _deep(path: Path, name: str) -> Outcome:
    return Outcome(path, name, UNPARSEABLE, (Reported(name, 1, "file", LEFT, "the file is nested too deeply"),))


def _migrated(
    path: Path,
    name: str,
    source: bytes,
    module: cst.Module,
    around: Around,
) -> Outcome:
    tree = index(module)
    values = Evaluator(tree)
    made, posts = plan(values, around), raw_posts.find(values, source, around.addresses)
    fault = ""
    try:
        after = _rewritten(made, posts, values, path, around)
    except Unprovable as error:
        after, fault = tree.module.code, error.reason
    if after != tree.module.code:
        fault = selfcheck.fault(tree, after, name) or fault
    if fault:
        after = tree.module.code
    left = {sdk.PROVIDERS[site.sdk] for site in made.sites if site.blocked is not None or fault}
    marked, calls = allow_marks.marked(after, left)
    if marked != after and selfcheck.fault(tree, marked, name):
        marked = after
    sites = _reported(made, values, name, fault) + _non_chat(source, name, calls, marked)
    sites += [_posted(post, name, fault) for post in posts] + _only_handled(made, values, name, fault)
    status = CHANGED if marked != tree.module.code else UNCHANGED
    if any(site.status == LEFT for site in sites):
        status = LEFT_OVER if status == UNCHANGED else status
    encoded = marked.encode(module.encoding) if status in (CHANGED, LEFT_OVER) and marked != tree.module.code else None
    return Outcome(path, name, status, tuple(sorted(sites, key=lambda one: one.line)), source, encoded)


def _rewritten(made: Plan, posts: list[Post], values: Evaluator, path: Path, around: Around) -> str:
    tree = values.tree
    moved = [post for post in posts if post.blocked is None]
    touched = [move.site.call for move in made.moves] + list(made.converted) + [post.call for post in moved]
    touched += [node for handled in made.handled.values() for node, _ in handled.names]
    if not touched:
        return _cleaned(tree.module, values, around) if _dead_import(tree) else tree.module.code
    first = min(tree.line(node) for node in touched)
    factory = imports.factory_name(tree, first)
    edits, needed = edits_for(made, values, factory)
    for post in moved:
        raw_posts.edit(post, edits, factory)
        needed.add(("src.models.model_factory", "ModelFactory"))
    if factory != "ModelFactory":
        needed.discard(("src.models.model_factory", "ModelFactory"))
    before = _first_top(tree, touched)
    marker = tree.module.body[before] if before < len(tree.module.body) else None
    module = edits.apply(tree.module)
    at = before if marker is not None else len(module.body)
    module = imports.with_imports(module, needed, at, _levels(path))
    return _cleaned(module, values, around)


def _cleaned(module: cst.Module, values: Evaluator, around: Around) -> str:
    return imports.spaced(imports.without_dead(module, values, around.needed)).code


def _dead_import(tree: Tree) -> bool:
    return any(
        one.kind == "import" and imports._is_sdk(one)
        for names in tree.bound.values()
        for bindings in names.values()
        for one in bindings
    )


def _first_top(tree: Tree, touched: list[cst.CSTNode]) -> int:
    """Return the position in the module's body of the first statement outside functions that is rewritten."""
    body: list[cst.CSTNode] = list(tree.module.body)
    found = len(body)
    for node in touched:
        above = [node, *tree.above(node)]
        if any(isinstance(one, cst.FunctionDef | cst.Lambda) for one in above):
            continue
        top = next((one for one in above if tree.parent(one) is tree.module), None)
        if top is not None and top in body:
            found = min(found, body.index(top))
    return found


def _levels(path: Path) -> int | None:
    """Return how many folders up the folder is that holds `src`, None where the file stands in it or there is none."""
    for levels, folder in enumerate(path.resolve().parents):
        if (folder / "src" / "models").is_dir() or folder.name == "src":
            if folder.name == "src":
                return levels + 1
            return levels or None
    return None


def _reported(made: Plan, values: Evaluator, name: str, fault: str) -> list[Reported]:
    moves = {move.site: move for move in made.moves}
    undefined = {} if values.tree.stars else values.tree.undefined()
    found = []
    for site in made.sites:
        ask = _ASK.format(provider=sdk.PROVIDERS[site.sdk])
        if site.blocked is not None:
            found.append(
                Reported(name, site.line, site.style, LEFT, site.blocked.reason, site.blocked.suggestion or ask)
            )
        elif fault:
            found.append(Reported(name, site.line, site.style, LEFT, f"the file stays as it was: {fault}", ask))
        else:
            found.append(_moved(moves[site], site, values, undefined, name))
    return found


def _only_handled(made: Plan, values: Evaluator, name: str, fault: str) -> list[Reported]:
    """Return what became of handlers whose calls stand in other files."""
    own = {sdk.PACKAGES[site.sdk] for site in made.sites}
    ask = "name the classes of src.models.errors that docs/errors.md lists"
    found = []
    for package, why in made.unhandled.items():
        if package not in own:
            reason = f"calls of another file now raise the factory's errors, and {why.reason}"
            found.append(Reported(name, 1, f"{package}.errors", LEFT, reason, why.suggestion or ask))
    for package, handled in made.handled.items():
        if package not in own and handled.names:
            status = LEFT if fault else MIGRATED
            line = values.tree.line(handled.names[0][0])
            reason = (
                f"the file stays as it was: {fault}" if fault else "handles errors of calls that another file makes"
            )
            found.append(Reported(name, line, f"{package}.errors", status, reason, ask if fault else ""))
    return found


def _posted(post: Post, name: str, fault: str) -> Reported:
    if post.blocked is not None:
        return Reported(name, post.line, post.style, LEFT, post.blocked.reason, post.blocked.suggestion)
    if fault:
        return Reported(name, post.line, post.style, LEFT, f"the file stays as it was: {fault}", _ASK)
    return Reported(name, post.line, post.style, MIGRATED)


def _moved(move: Move, site: Site, values: Evaluator, undefined: dict[str, list[cst.Name]], name: str) -> Reported:
    reasons = [*site.notes, *filter(None, [describe(move)])]
    warnings = _warnings(site, values, undefined)
    if warnings:
        reason = "; ".join([f"review: behaviour may change: {', '.join(warnings)}", *reasons])
        return Reported(name, site.line, site.style, REVIEW, reason, "read this path once more before it runs")
    return Reported(name, site.line, site.style, MIGRATED, "; ".join(reasons))


def _warnings(site: Site, values: Evaluator, undefined: dict[str, list[cst.Name]]) -> list[str]:
    """Return what on this site's path may behave otherwise: names without definition, handlers without their cause."""
    tree = values.tree
    function = tree.function(site.call)
    found = list(site.review)
    for one, nodes in undefined.items():
        lines = [tree.line(node) for node in nodes if tree.function(node) is function]
        if lines:
            found.append(f"{one} is not defined (line {lines[0]})")
    child: cst.CSTNode = site.call
    for above in tree.above(site.call):
        if above is function:
            break
        if isinstance(above, cst.Try) and child is above.body:
            found += [
                f"line {tree.line(handler)} handles {code(handler.type)}, which reading the reply raised"
                for handler in above.handlers
                if handler.type is not None and _VANISHING.search(code(handler.type))
            ]
        child = above
    return found


def _non_chat(source: bytes, name: str, calls: list[tuple[int, str]], marked: str) -> list[Reported]:
    """Return the calls that stay, each with its line in the file as it is now."""
    lines = source.decode("utf-8", "replace").splitlines()
    del marked
    before = allow_marks.marked(source.decode("utf-8", "replace"), {"a provider"})[1]
    shown = before if len(before) == len(calls) else [(min(line, len(lines)), reason) for line, reason in calls]
    return [
        Reported(name, line, f"non-chat.{reason.partition(',')[0]}", NON_CHAT, f"stays, and is marked: {reason}")
        for line, reason in shown
    ]
