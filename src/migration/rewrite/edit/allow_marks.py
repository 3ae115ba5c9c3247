"""The allow comments on calls that stay because they are not chat calls."""

from __future__ import annotations

import ast
import re
import warnings
from functools import lru_cache
from typing import TYPE_CHECKING

from src.migration.check.presence import INSTALLED, only_tests_presence
from src.migration.rewrite.analysis.check_facts import check_facts
from src.migration.rewrite.find import raw_posts
from src.migration.rewrite.sdk_vocabulary import non_chat

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from src.migration.check.records import Site

_IMPORTS = ("sdk-import", "dynamic-import")
_ANY = "a provider"  # of a site whose provider is not known
TRACED_ELSEWHERE = "its client is traced where it is made"


def add_allow_comments(
    text: str, called_providers: set[str], traced_providers: Collection[str] = ()
) -> tuple[str, list[tuple[int, str]]]:
    """Return a text with allow comments on what may stay, and the lines of its non-chat calls with their reasons.

    Args:
        text: A module's text.
        called_providers: The providers that chat calls of this file still go to; what belongs to them gets no comment.
        traced_providers: The providers whose clients come from other files, which trace them.
    """
    facts = check_facts(text.encode())
    allowed_lines = {allow.line for allow in facts.allows}
    calls = [(site.line, reason) for site in facts.sites if (reason := _call_reason(site))]
    open_providers = called_providers | {
        site.provider for site in facts.sites if _asks(site) and site.provider not in traced_providers
    }
    purposes = {site.provider: reason for site in reversed(facts.sites) if (reason := _call_reason(site))}
    reasons: dict[tuple[int, int], str] = {}
    for site in facts.sites:
        is_allowed = site.first - 1 in allowed_lines or allowed_lines & set(range(site.first, site.last + 1))
        reason = _call_reason(site) or _setup_reason(site, purposes, open_providers, text)
        if not reason and site.provider in (*traced_providers, _ANY) and traced_providers and _asks(site):
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


def _asks(site: Site) -> bool:
    """Tell whether a site is a call that asks a model for text, and not one that makes a client."""
    return site.rule == "sdk-call" and not site.what.endswith(" is made") and _call_reason(site) is None


def _setup_reason(site: Site, purposes: Mapping[str, str], open_providers: set[str], text: str) -> str | None:
    """Return why an import or a client may stay: only non-chat calls of its provider need it."""
    is_setup = site.rule in _IMPORTS or site.what.endswith(" is made")
    if not is_setup or site.provider in open_providers or _ANY in open_providers:
        return None
    if site.rule == "sdk-import" and only_tests_presence(_parsed(text), site.line):
        return INSTALLED
    return purposes.get(site.provider) or purposes.get(_ANY)


@lru_cache(maxsize=2)
def _parsed(text: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text)


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
