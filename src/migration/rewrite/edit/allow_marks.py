"""Mark what stays because it is no chat call, with the comment that the check asks for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from src.migration.rewrite.analysis.check_facts import check_facts
from src.migration.rewrite.find import raw_posts
from src.migration.rewrite.sdk_vocabulary import non_chat

if TYPE_CHECKING:
    from src.migration.check.records import Facts, Site

_LISTED = ("non-chat-call", "sdk-import", "sdk-call", "dynamic-import", "provider-url")
INSTALLED = "asks whether the package is installed"


def marked(text: str, left: set[str]) -> tuple[str, list[tuple[int, str]]]:
    """Return a text in which what may stay is marked, and the lines of its non-chat calls with their reasons.

    `left` names the providers that chat calls of this file still go to: what belongs to them stays unmarked.
    """
    facts = check_facts(text.encode())
    allowed = {allow.line for allow in facts.allows}
    reasons = [reason for site in facts.sites if (reason := _reason(site))]
    calls = [
        (site.line, reason)
        for site in facts.sites
        if site.rule in ("non-chat-call", "provider-url") and (reason := _reason(site))
    ]
    wanted: dict[tuple[int, int], str] = {}
    for site in facts.sites:
        spoken = site.first - 1 in allowed or allowed & set(range(site.first, site.last + 1))
        reason = _reason(site) or _shared(site, facts, reasons, left, text)
        if not spoken and reason:
            wanted.setdefault((site.first, site.last), reason)
    return _inserted(text, wanted), calls


def _reason(site: Site) -> str | None:
    if site.rule == "provider-url":
        return raw_posts.no_chat(site.what)
    if site.rule != "non-chat-call":
        return None
    words = tuple(re.findall(r"\w+", site.what))
    return non_chat(words) or "no chat call"


def _shared(site: Site, facts: Facts, reasons: list[str], left: set[str], text: str) -> str | None:
    """Return why an import or a client may stay: for the non-chat calls of its provider, and nothing else."""
    if site.rule not in _LISTED or site.provider in left or "a provider" in left:
        return None
    if site.rule == "sdk-import" and _only_asked(site, text):
        return INSTALLED
    if site.rule == "sdk-call" and any(one.rule == "sdk-call" and one is not site for one in facts.sites):
        pass
    return reasons[0] if reasons and site.rule in ("sdk-import", "sdk-call", "dynamic-import") else None


def _only_asked(site: Site, text: str) -> bool:
    """Tell whether an imported name is only compared with None, or asked for its truth."""
    found = re.search(r"import\s+(\w+)(?:\s+as\s+(\w+))?", site.text)
    if found is None:
        return False
    name = found[2] or found[1]
    uses = [line for line in text.splitlines() if re.search(rf"\b{name}\b", line.split("#")[0])]
    plain = re.compile(
        rf"^\s*(?:from\s+\S+\s+)?import\s+.*\b{name}\b|^\s*{name}\s*=\s*None\b|\b{name}\s+is\s+(?:not\s+)?None\b"
        rf"|\b(?:if|elif|and|or)\s+(?:not\s+)?{name}\b(?!\s*[.(])|[\"'][^\"']*\b{name}\b"
    )
    guarded = re.search(rf"^\s+(?:from\s+\S+\s+)?import\s+.*\b{name}\b", text, re.MULTILINE)
    return bool(guarded) and bool(uses) and all(plain.search(line) for line in uses)


def _inserted(text: str, wanted: dict[tuple[int, int], str]) -> str:
    lines = text.splitlines(keepends=True)
    for (first, last), reason in sorted(wanted.items(), reverse=True):
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
