"""Read what a stored generation replied, the same way for past calls and for those of a trial."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from src.insight.prompt_trials.records import Reply
from src.observability.spans.facts import vote_in

if TYPE_CHECKING:
    from src.observability.search.records import StoredObservation

# Failures that are the reply's own, and so the prompt's: they count as replies that are no decision.
OF_THE_REPLY: Final = frozenset({"malformed_response", "empty_response", "content_blocked"})


def reply_of(item: StoredObservation) -> Reply:
    """Return the reply of a generation."""
    columns = item.columns
    category = columns["error_category"] or ("error" if columns["level"] == "ERROR" else None)
    word, confidence = vote_in(item.output) if category is None else (None, None)
    return Reply(
        word=word,
        confidence=confidence,
        is_valid=word is not None and not item.facts.repaired,
        input_tokens=columns["input_tokens"],
        output_tokens=columns["output_tokens"],
        cost_usd=None if columns["cost_unknown"] else columns["cost_usd"],
        latency_ms=(columns["end_ns"] - columns["start_ns"]) / 1e6,
        start_ns=columns["start_ns"],
        failure=None if category in OF_THE_REPLY else category,
    )
