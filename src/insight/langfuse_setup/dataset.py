"""Make a dataset of judged decisions: what a model was asked, and what it should have answered, in hindsight."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from src.insight.langfuse_setup.steps import Item
from src.judging.costs import TradingCosts
from src.observability.search.records import decoded, observations_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from src.insight.langfuse_setup.steps import Creator, State
    from src.observability.ledger import Entry
    from src.observability.search.records import StoredObservation
    from src.observability.store.ledger_records import DecisionRecord, OutcomeRecord
    from src.observability.store.reader import StoreReader

DATASETS: Final = "/api/public/v2/datasets"
ITEMS: Final = "/api/public/dataset-items"
_ABOUT: Final = (
    "Decisions of trading agents with the action that paid after costs by their horizon. One path of the market, in "
    "hindsight: another action may have been as reasonable. Texts are redacted as in the local store, where "
    "moondev traces show ID shows the source trace."
)
_HASH_DIGITS: Final = 12
NOT_JUDGED: Final = "not judged yet (moondev decisions resolve)"
NO_DECISION: Final = "no decision came about"
BARRIER: Final = "ended at a stop, so that what another action had made is not known"
NO_TEXT: Final = "what the model was asked is not in the store (any more)"


@dataclass(frozen=True, slots=True)
class Example:
    """One item of a dataset.

    Attributes:
        id: The same for the same decision in the same dataset, however often it is made.
        body: The request that creates it.
    """

    id: str
    body: Mapping[str, Any]


def right_action(decision: DecisionRecord, outcome: OutcomeRecord) -> str | None:
    """Return the action that paid after costs from entry to exit: BUY, SELL, or NOTHING where neither did.

    Returns None where that is not known: a trade that a stop ended says nothing of what another action had made.
    Funding is left out of it.
    """
    if outcome.exit_reason != "horizon":
        return decision.action if outcome.net > 0 else None
    move = outcome.exit / outcome.entry - 1
    costs = TradingCosts(**json.loads(outcome.costs)).of_round_trip
    if abs(move) <= costs:
        return "NOTHING"
    return "BUY" if move > 0 else "SELL"


def examples(entries: Iterable[Entry], store: StoreReader, dataset: str, left_out: Counter[str]) -> Iterator[Example]:
    """Yield the items of a dataset; decisions that make none are counted by the reason.

    Args:
        entries: The decisions with their outcomes.
        store: The store with their traces.
        dataset: The name of the dataset.
        left_out: Counts decisions that make no item, by the reason.
    """
    for entry in entries:
        decision = entry.decision
        outcome = entry.outcomes.get(entry.horizons[0])
        if decision.status != "decided":
            left_out[NO_DECISION] += 1
        elif outcome is None:
            left_out[NOT_JUDGED] += 1
        elif (expected := right_action(decision, outcome)) is None:
            left_out[BARRIER] += 1
        elif (generation := _generation(decision, store)) is None:
            left_out[NO_TEXT] += 1
        else:
            yield _example(dataset, decision, outcome, expected, generation)


def _generation(decision: DecisionRecord, store: StoreReader) -> StoredObservation | None:
    """Return the first generation of a decision that has a text: its own, or one below the run that decided."""
    if decision.trace_id is None:
        return None
    rows = [
        item
        for item in observations_of(store, [decision.trace_id])
        if item.columns["type"] == "generation" and item.input
    ]
    own = [
        item for item in rows if decision.observation_id in (item.columns["span_id"], item.columns["parent_span_id"])
    ]
    return next(iter(own or rows), None)


def _example(
    dataset: str, decision: DecisionRecord, outcome: OutcomeRecord, expected: str, generation: StoredObservation
) -> Example:
    mark = hashlib.sha256(dataset.encode()).hexdigest()[:_HASH_DIGITS]  # an id serves one dataset of a project
    item_id = f"moondev-{mark}-{decision.id}"[:255]
    metadata = {
        "decision_id": decision.id,
        "symbol": decision.symbol,
        "decided": decision.action,
        "confidence": decision.confidence,
        "agent": decision.agent,
        "environment": decision.environment,
        "horizon": outcome.horizon,
        "move": outcome.exit / outcome.entry - 1,
        "net_return": outcome.net,
        "exit_reason": outcome.exit_reason,
        "prices": outcome.source,
        "moondev": f"moondev traces show {decision.trace_id}",
    }
    body = {
        "datasetName": dataset,
        "id": item_id,
        "input": decoded(generation.input),
        "expectedOutput": {"action": expected},
        "metadata": {name: value for name, value in metadata.items() if value is not None},
        "sourceTraceId": decision.trace_id,
        "sourceObservationId": generation.columns["span_id"],
    }
    return Example(id=item_id, body=body)


def set_up_dataset(creator: Creator, name: str, candidates: Iterable[Example]) -> None:
    """Create a dataset and those of its items that it lacks; an item whose expected output differs is left, and said.

    Args:
        creator: Creates objects.
        name: The dataset's name.
        candidates: Its items.
    """
    datasets = creator.listed("dataset", DATASETS)
    if datasets is None:
        return
    is_there = any(item.get("name") == name for item in datasets)
    existing: dict[str, Any] = {}
    if is_there:
        creator.add(Item("dataset", name, "there"))
        items = creator.listed("dataset item", ITEMS, datasetName=name)
        if items is None:
            return
        existing = {str(item.get("id")): item.get("expectedOutput") for item in items}
    elif (
        creator.create("dataset", name, DATASETS, {"name": name, "description": _ABOUT}) is None and not creator.is_dry
    ):
        return
    _bring_items(creator, name, candidates, existing)


def _bring_items(creator: Creator, name: str, candidates: Iterable[Example], existing: Mapping[str, Any]) -> None:
    states: Counter[State] = Counter()
    begin = len(creator.items)
    for example in candidates:
        if example.id in existing:
            is_same = existing[example.id] == example.body["expectedOutput"]
            states["there" if is_same else "differs"] += 1
            continue
        creator.create("dataset item", example.id, ITEMS, dict(example.body))
        state: State = creator.items[-1].state
        states[state] += 1
        if state in ("failed", "unavailable") and states[state] >= 3 and not states["created"]:
            break  # the server takes none of them
    noted = creator.items[begin:]
    del creator.items[begin:]  # many of a kind are one line, but for those that failed
    for state, count in states.items():
        reasons = [item.detail for item in noted if item.state == state and item.detail]
        detail = "its expected output differs from the outcome's; left as it is" if state == "differs" else ""
        detail = detail or next(iter(reasons), "")
        creator.items.append(Item("dataset items", name, state, detail, count))
