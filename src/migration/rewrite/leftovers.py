"""Report what the check still finds in a file after its migration, so that nothing is left unsaid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from src.migration.rewrite.analysis.check_facts import VOCABULARY, check_facts
from src.migration.rewrite.records import LEFT, Reported

if TYPE_CHECKING:
    from src.migration.check.records import Site
    from src.migration.rewrite.records import Outcome

# These follow from a call that is reported by itself, where there is one.
_FOLLOWING = frozenset({"sdk-import", "sdk-call", "dynamic-import"})
_ASK = "ModelFactory.get_model(provider, model).generate_response(system_prompt, user_content)"
_POST = "ModelFactory.post(url, headers=headers, json=payload), or an allow comment where no model is asked"


def leftovers(outcome: Outcome) -> list[Reported]:
    """Return the direct calls that no style of the migration knows, such as an unusual request over raw HTTP."""
    text = outcome.after if outcome.after is not None else outcome.before
    if not text or not VOCABULARY.may_matter(text):
        return []
    try:
        facts = check_facts(text)
    except (SyntaxError, ValueError, RecursionError):
        return []
    allowed = {allow.line for allow in facts.allows}
    left = [site for site in outcome.sites if site.status == LEFT]
    known = {site.line for site in left} if outcome.after is None else set()
    found = []
    for site in facts.sites:
        spoken = site.first - 1 in allowed or allowed & set(range(site.first, site.last + 1))
        if spoken or (left and site.rule in _FOLLOWING) or known & set(range(site.first, site.last + 1)):
            continue
        if any(one.reason.startswith(f"{site.what}: ") for one in left):
            continue
        why, ask = _why(site)
        found.append(Reported(outcome.name, site.line, site.rule, LEFT, f"{site.what}: {why}", ask))
    return found


def _why(site: Site) -> tuple[str, str]:
    """Return why a direct call stays, and what to write instead."""
    if site.what.endswith(" is used"):
        return "it is handed on as a function", "hand on a function of your own that calls generate_response"
    if site.rule == "provider-url":
        return "how this asks is not a style that is moved; it stays as it was", _POST
    if site.rule in ("sdk-import", "dynamic-import"):
        return "no call through it is found in this file, or one that is not moved; it stays as it was", _ASK
    return "the script does not rewrite this; it stays as it was", _ASK
