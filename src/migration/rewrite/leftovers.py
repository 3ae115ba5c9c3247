"""The direct calls that the check still finds in a file after its migration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from src.migration.check.notebook import SUFFIX
from src.migration.check.sites import facts_of_notebook
from src.migration.rewrite.analysis.check_facts import VOCABULARY, check_facts
from src.migration.rewrite.records import LEFT, ReportedSite

if TYPE_CHECKING:
    from src.migration.check.records import Site
    from src.migration.rewrite.records import Outcome

# Not reported beside a call that was left: the import and the client are there because of that call.
_CONSEQUENCES = frozenset({"sdk-import", "sdk-call", "dynamic-import"})
# Frameworks that make HTTP clients of their own where a call is made, and those whose clients are held by objects.
_OWN_HTTP = frozenset({"litellm", "crewai", "dspy", "smolagents", "autogen", "agno", "aisuite", "mistral", "cohere",
                       "semantic_kernel", "haystack", "marvin", "magentic", "any_llm", "portkey"})  # fmt: skip
_FRAMEWORKS = frozenset({"langchain", "llama_index", "pydantic_ai", "instructor"})
_TRACE_HTTP = (
    "ModelFactory.trace_http() once, where the program starts, records what it sends through httpx; "
    "then allow this line: # direct-call: allow (recorded by trace_http)"
)
_TRACED = (
    "ModelFactory.traced(...) around the object that holds the client, such as ModelFactory.traced(ChatOpenAI(...))"
)
_AGENTS = "set_default_openai_client(ModelFactory.traced(AsyncOpenAI())) before the first run; then allow this line"
_ASK = "ModelFactory.get_model(provider, model).generate_response(system_prompt, user_content)"
_POST = "ModelFactory.post(url, headers=headers, json=payload), or an allow comment where no model is asked"


def leftovers(outcome: Outcome) -> list[ReportedSite]:
    """Return the direct calls in a style that the migration does not know, such as an unusual raw HTTP request."""
    text = outcome.after if outcome.after is not None else outcome.before
    is_notebook = outcome.name.endswith(SUFFIX)
    if not text or not (is_notebook or VOCABULARY.may_matter(text)):
        return []
    try:
        facts = facts_of_notebook(text, VOCABULARY) if is_notebook else check_facts(text)
    except (SyntaxError, ValueError, RecursionError):
        return []
    allowed_lines = {allow.line for allow in facts.allows}
    left = [site for site in outcome.sites if site.status == LEFT]
    reported_lines = {site.line for site in left} if outcome.after is None else set()
    sites = []
    for site in facts.sites:
        lines = set(range(site.first, site.last + 1))
        is_allowed = site.first - 1 in allowed_lines or allowed_lines & lines
        if is_allowed or (left and site.rule in _CONSEQUENCES) or reported_lines & lines:
            continue
        if any(reported.reason.startswith(f"{site.what}: ") for reported in left):
            continue
        reason, suggestion = _reason_and_suggestion(site)
        sites.append(
            ReportedSite(
                file=outcome.name, line=site.line, style=site.rule, status=LEFT,
                reason=f"{site.what}: {reason}", suggestion=suggestion,
            )
        )  # fmt: skip
    return sites


def _reason_and_suggestion(site: Site) -> tuple[str, str]:
    """Return why a direct call stays, and what to write instead."""
    if site.rule == "sdk-import" and site.provider in _OWN_HTTP:
        return "it makes HTTP clients of its own and takes none; it stays as it was", _TRACE_HTTP
    if site.rule == "sdk-import" and site.what.startswith("agents."):
        return "the client is the Agents SDK's own; it stays as it was", _AGENTS
    if site.rule == "sdk-import" and site.provider in _FRAMEWORKS:
        return "which client it makes is not seen in this file; it stays as it was", _TRACED
    if site.what.endswith(" is used"):
        return "it is handed on as a function", "hand on a function of your own that calls generate_response"
    if site.rule == "provider-url":
        return "how this asks is not a style that is moved; it stays as it was", _POST
    if site.rule in ("sdk-import", "dynamic-import"):
        return "no call through it is found in this file, or one that is not moved; it stays as it was", _ASK
    return "the script does not rewrite this; it stays as it was", _ASK
