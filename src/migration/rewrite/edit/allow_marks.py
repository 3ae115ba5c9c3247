"""The allow comments on calls that stay because they are not chat calls."""

from __future__ import annotations

import ast
import re
import warnings
from functools import lru_cache
from typing import TYPE_CHECKING

from src.migration.rewrite.analysis.check_facts import check_facts
from src.migration.rewrite.find import raw_posts
from src.migration.rewrite.sdk_vocabulary import non_chat

if TYPE_CHECKING:
    from collections.abc import Mapping

    from src.migration.check.records import Site

_SDK_RULES = ("sdk-import", "sdk-call", "dynamic-import")
TRACED_ELSEWHERE = "its client is traced where it is made"
INSTALLED = "asks whether the package is installed"


def add_allow_comments(
    text: str, called_providers: set[str], is_traced_elsewhere: bool = False
) -> tuple[str, list[tuple[int, str]]]:
    """Return a text with allow comments on what may stay, and the lines of its non-chat calls with their reasons.

    Args:
        text: A module's text.
        called_providers: The providers that chat calls of this file still go to; what belongs to them gets no comment.
        is_traced_elsewhere: Whether the clients of these calls come from other files, which trace them.
    """
    facts = check_facts(text.encode())
    allowed_lines = {allow.line for allow in facts.allows}
    calls = [(site.line, reason) for site in facts.sites if (reason := _call_reason(site))]
    reasons: dict[tuple[int, int], str] = {}
    for site in facts.sites:
        is_allowed = site.first - 1 in allowed_lines or allowed_lines & set(range(site.first, site.last + 1))
        reason = _call_reason(site) or _setup_reason(site, calls, called_providers, text)
        if not reason and is_traced_elsewhere and site.rule == "sdk-call":
            reason = TRACED_ELSEWHERE
        if not is_allowed and reason:
            reasons.setdefault((site.first, site.last), reason)
    return _with_comments(text, reasons), calls


def _call_reason(site: Site) -> str | None:
    """Return why a call is not a chat call, or None."""
    if site.rule == "provider-url":
        return raw_posts.non_chat_purpose(site.what)
    if site.rule != "non-chat-call":
        return None
    words = tuple(re.findall(r"\w+", site.what))
    return non_chat(words) or "no chat call"


def _setup_reason(site: Site, calls: list[tuple[int, str]], called_providers: set[str], text: str) -> str | None:
    """Return why an import or a client may stay: only non-chat calls need it."""
    if site.rule not in _SDK_RULES or site.provider in called_providers or "a provider" in called_providers:
        return None
    if site.rule == "sdk-import" and _only_tests_presence(site, text):
        return INSTALLED
    return calls[0][1] if calls else None


def _only_tests_presence(site: Site, text: str) -> bool:
    """Tell whether the names of an import in a `try` or a function are only compared with None or tested for truth."""
    tree = _parsed(text)
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    imported = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        and node.lineno == site.line
        and not isinstance(parents[node], ast.Module)
    ]
    aliases = [alias for node in imported for alias in node.names]
    names = {alias.asname or alias.name.partition(".")[0] for alias in aliases}
    reads = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id in names and _is_read(node)]
    exported = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and node.value in names}
    is_exported = "__all__" in text and bool(exported)
    return bool(aliases) and "*" not in names and not is_exported and all(_is_tested(n, parents) for n in reads)


@lru_cache(maxsize=2)
def _parsed(text: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text)


def _is_read(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Load)


def _is_tested(node: ast.AST, parents: Mapping[ast.AST, ast.AST]) -> bool:
    """Tell whether only the truth of an expression counts, or whether it is None."""
    parent = parents.get(node)
    match parent:
        case ast.Compare(left=left, ops=[ast.Is() | ast.IsNot()], comparators=[ast.Constant(value=None)]):
            return left is node
        case ast.UnaryOp(op=ast.Not()):
            return True
        case ast.BoolOp():
            return _is_tested(parent, parents)
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test) | ast.Assert(test=test):
            return test is node
        case ast.Call(func=ast.Name(id="bool")):
            return True
    return False


def _with_comments(text: str, reasons: dict[tuple[int, int], str]) -> str:
    """Return a text with an allow comment at each range of lines: on a single line, or above several."""
    lines = text.splitlines(keepends=True)
    for (first, last), reason in sorted(reasons.items(), reverse=True):
        comment = f"# direct-call: allow ({reason})"
        line = lines[first - 1]
        body = line.rstrip("\r\n")
        end = line[len(body) :]
        if first == last and "#" not in body and not body.rstrip().endswith("\\"):
            lines[first - 1] = f"{body}  {comment}{end}"
        else:
            indent = body[: len(body) - len(body.lstrip())]
            lines.insert(first - 1, f"{indent}{comment}{end or chr(10)}")
    return "".join(lines)
