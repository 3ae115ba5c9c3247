"""The direct calls that the check still finds in a file after its migration."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from src.migration.check import notebook
from src.migration.rewrite.analysis.check_facts import VOCABULARY, check_facts
from src.migration.rewrite.line_map import lines_before
from src.migration.rewrite.records import LEFT, ReportedSite

if TYPE_CHECKING:
    from src.migration.check.records import Site
from src.migration.rewrite.records import Outcome

# Not reported beside a call that was left: the import and the client are there because of that call.
_CONSEQUENCES = frozenset({"sdk-import", "dynamic-import"})
_CLIENT_MADE = re.compile(r"\b(?:Async)?(?:OpenAI|Anthropic|Groq|Client)\(")
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
    before, book = outcome.before, None
    if text and outcome.name.endswith(notebook.SUFFIX):
        try:
            book = notebook.read(before)
            before, text = book.module.encode("utf-8", "replace"), notebook.read(text).module.encode("utf-8", "replace")
        except notebook.NotANotebook:
            return []
    if not text or not VOCABULARY.may_matter(text):
        return []
    try:
        facts = check_facts(text)
    except (SyntaxError, ValueError, RecursionError):
        return []
    allowed_lines = {allow.line for allow in facts.allows}
    left = [site for site in outcome.sites if site.status == LEFT]
    reported_lines = {site.line for site in left}
    line_before = lines_before(before.decode("utf-8", "replace"), text.decode("utf-8", "replace"))
    sites = []
    for site in facts.sites:
        lines = set(range(site.first, site.last + 1))
        is_allowed = site.first - 1 in allowed_lines or allowed_lines & lines
        line = line_before.get(site.line, site.line)
        line = line if book is None else book.encoded_line(line)
        if is_allowed or (left and _is_consequence(site)) or line in reported_lines:
            continue
        reason, suggestion = _reason_and_suggestion(site)
        sites.append(
            ReportedSite(
                file=outcome.name, line=line, style=site.rule, status=LEFT,
                reason=f"{site.what}: {reason}", suggestion=suggestion,
            )
        )  # fmt: skip
    return sites


def _is_consequence(site: Site) -> bool:
    """Tell whether a direct call is an import or the making of a client, which is there because of another call."""
    is_client = site.what.endswith(" is made") or (site.rule == "provider-url" and _CLIENT_MADE.search(site.text))
    return site.rule in _CONSEQUENCES or bool(is_client)


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
    if site.rule == "sdk-call":
        return "what it is called on is not known to be a client, or it has no counterpart; it stays as it was", _ASK
    return "the script does not rewrite this; it stays as it was", _ASK
