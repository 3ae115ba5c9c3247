"""Freeze past decisions: what a prompt's variables were, what was sent, and what came back.

A decision is taken only where the prompt's old version with these variables gives, letter for letter, what was sent.
Whatever redaction or a bound on size has changed is so left out, and counted under its reason.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from src.agents.decisions import Decision
from src.agents.prompts import trading
from src.insight.prompt_trials.records import NO_DECISION, FrozenCall, FrozenDecision, NotFrozen
from src.insight.prompt_trials.replies import reply_of
from src.judging.grouping import recounted
from src.models.types import digest_of_texts
from src.observability.search.records import StoredObservation, observations_of
from src.prompts import PromptError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from src.observability.ledger import Entry, MemberVote
    from src.observability.store.reader import StoreReader
    from src.prompts import Prompt

NO_TRACE: Final = "its trace is not in the store any more"
NO_TEXTS: Final = "what its models were sent was not recorded"
NO_VARIABLES: Final = "the variables of its prompt were not recorded, or are redacted or cut"
NOT_EXACT: Final = "the old version does not give what was sent, letter for letter: redacted, cut, or asked otherwise"
FAILED_THEN: Final = "a model failed then, for another reason than its reply"
OTHER_COUNT: Final = "its votes do not give its action: another quorum, or code of yours decided"
WITH_TOOLS: Final = "its models had tools"
OTHER_FORM: Final = "its reply was requested in a form that only its program knows"
SEVERAL: Final = "several calls of the prompt, and nothing says how they made the decision"
_PARAMETERS: Final = ("temperature", "max_tokens", "top_p", "stop", "seed", "reasoning_effort")
_STEP: Final = 50


def messages_of(prompt: Prompt, values: Mapping[str, str]) -> list[dict[str, str]]:
    """Return what a prompt says with its variables filled in, as the caller of the prompt does it.

    Raises:
        PromptError: the variables are not those of this version.
    """
    if prompt.name != trading.NAME:
        return prompt.bind(**values).messages
    system, user = trading.texts_of(prompt, trading.Facts(**values))
    return [*([{"role": "system", "content": system}] if system else []), {"role": "user", "content": user}]


def frozen(
    entries: Iterable[Entry], old: Prompt, store: StoreReader
) -> Iterator[tuple[Entry, FrozenDecision | NotFrozen]]:
    """Yield decisions of an old version as they were made, or why one cannot be made again; some traces at a time."""
    part: list[Entry] = []
    for entry in entries:
        part.append(entry)
        if len(part) == _STEP:
            yield from _frozen(part, old, store)
            part = []
    yield from _frozen(part, old, store)


def _frozen(
    entries: Sequence[Entry], old: Prompt, store: StoreReader
) -> Iterator[tuple[Entry, FrozenDecision | NotFrozen]]:
    traces: dict[str, dict[str, StoredObservation]] = {}
    ids = list(dict.fromkeys(entry.decision.trace_id for entry in entries if entry.decision.trace_id))
    for item in observations_of(store, ids):
        traces.setdefault(item.columns["trace_id"], {})[item.columns["span_id"]] = item
    for entry in entries:
        try:
            yield entry, _decision(entry, traces.get(entry.decision.trace_id or "", {}), old)
        except NotFrozen as reason:
            yield entry, reason


def _decision(entry: Entry, observations: Mapping[str, StoredObservation], old: Prompt) -> FrozenDecision:
    decision = entry.decision
    votes = _votes(entry, observations, old)
    if len(votes) > 1 and (recounted(entry) or NO_DECISION) != _action(entry):
        raise NotFrozen(OTHER_COUNT)
    calls = tuple(_call(vote, item, _values(entry, item, observations, old), old) for vote, item in votes)
    recorded = calls[0].recorded
    if len(calls) == 1 and recorded is not None and _action(entry) != (recorded.voted or NO_DECISION):
        raise NotFrozen(OTHER_COUNT)
    return FrozenDecision(entry=entry, symbol=decision.symbol, action=_action(entry), calls=calls)


def _action(entry: Entry) -> str:
    return entry.decision.action if entry.decision.status == "decided" else NO_DECISION


def _votes(
    entry: Entry, observations: Mapping[str, StoredObservation], old: Prompt
) -> list[tuple[MemberVote | None, StoredObservation]]:
    """Return the calls that made a decision, with the votes of a swarm's members."""
    if entry.votes:
        votes = [(vote, observations.get(vote.observation_id or "")) for vote in entry.votes]
        if any(item is None for _, item in votes):
            raise NotFrozen(NO_TRACE)
        return [(vote, item) for vote, item in votes if item is not None]
    calls = [
        item
        for item in observations.values()
        if item.columns["type"] == "generation" and item.facts.prompt_name == old.name
    ]
    if len(calls) != 1:
        raise NotFrozen(SEVERAL if calls else NO_TRACE)
    return [(None, calls[0])]


def _values(
    entry: Entry, item: StoredObservation, observations: Mapping[str, StoredObservation], old: Prompt
) -> dict[str, str]:
    """Return what a prompt's variables were; that nothing has changed them is told by their digest."""
    if old.name == trading.NAME:
        return _trading_values(entry, observations)
    values, digest = item.metadata.get("prompt_variables"), item.metadata.get("prompt_variables_hash")
    if not isinstance(values, dict):
        if old.variables:
            raise NotFrozen(NO_VARIABLES)
        return {}
    texts = {str(name): str(value) for name, value in values.items()}
    if digest_of_texts(texts) != digest:
        raise NotFrozen(NO_VARIABLES)
    return texts


def _trading_values(entry: Entry, observations: Mapping[str, StoredObservation]) -> dict[str, str]:
    """Read the market and the position out of the run's input, whose digest stands in the ledger."""
    decision = entry.decision
    run = observations.get(decision.observation_id or "")
    if run is None or run.input is None:
        raise NotFrozen(NO_TEXTS)
    digest = hashlib.sha256(run.input.encode("utf-8", "surrogatepass")).hexdigest()
    position = run.metadata.get("position")
    facts = trading.facts_in(run.input, decision.symbol, position if isinstance(position, str) else "")
    if facts is None or not decision.snapshot_hash or not digest.startswith(decision.snapshot_hash):
        raise NotFrozen(NO_VARIABLES)
    return {"symbol": facts.symbol, "market": facts.market, "position": facts.position}


def _call(vote: MemberVote | None, item: StoredObservation, values: Mapping[str, str], old: Prompt) -> FrozenCall:
    reply = reply_of(item)
    if reply.failure is not None:
        raise NotFrozen(FAILED_THEN)
    try:
        before = messages_of(old, values)
    except PromptError as error:
        raise NotFrozen(NO_VARIABLES) from error
    ending, rest = _rest(_sent(item), before)
    parameters = _parameters(item.parameters)
    form = parameters.get("response_format")
    if form is not None and (old.name, form) != (trading.NAME, Decision.__name__):
        raise NotFrozen(OTHER_FORM)
    provider, model = item.columns["provider"], item.facts.requested_model or item.columns["model"]
    return FrozenCall(
        member=vote.member if vote is not None else f"{provider}:{model}",
        model=f"{provider}:{model}",
        weight=vote.weight if vote is not None else 1.0,
        parameters={key: parameters[key] for key in _PARAMETERS if key in parameters},
        is_structured=form is not None,
        values=dict(values),
        ending=ending,
        rest=rest,
        recorded=reply,
        characters=sum(len(message["content"]) for message in before) + len(ending),
    )


def _sent(item: StoredObservation) -> list[dict[str, Any]]:
    try:
        sent = json.loads(item.input or "")
    except ValueError as error:
        raise NotFrozen(NO_TEXTS) from error
    if isinstance(sent, dict) and "tools" in sent:
        raise NotFrozen(WITH_TOOLS)
    if not isinstance(sent, list) or not all(isinstance(message, dict) for message in sent):
        raise NotFrozen(NO_TEXTS)
    return sent


def _rest(sent: Sequence[dict[str, Any]], before: Sequence[dict[str, str]]) -> tuple[str, tuple[dict[str, Any], ...]]:
    """Return what followed the old version's own words: in its last message, such as a member's brief, and after it."""
    if len(sent) < len(before):
        raise NotFrozen(NOT_EXACT)
    for place, message in enumerate(before, start=1):
        content = sent[place - 1].get("content")
        is_last = place == len(before)
        is_same = isinstance(content, str) and (
            content == message["content"] or (is_last and content.startswith(f"{message['content']}\n\n"))
        )
        if sent[place - 1].get("role") != message["role"] or not is_same:
            raise NotFrozen(NOT_EXACT)
    ending = sent[len(before) - 1]["content"][len(before[-1]["content"]) :]
    return ending, tuple(sent[len(before) :])


def _parameters(text: str | None) -> dict[str, Any]:
    try:
        values = json.loads(text or "{}")
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}


@dataclass(frozen=True, slots=True)
class Chosen:
    """The decisions of a trial.

    Attributes:
        decisions: Those that can be made again, newest first.
        left_out: How many were left out for which reason.
    """

    decisions: tuple[FrozenDecision, ...]
    left_out: dict[str, int]


def choose(entries: Iterable[Entry], old: Prompt, store: StoreReader, most: int) -> Chosen:
    """Return the newest decisions that can be made again.

    Args:
        entries: The decisions that the old version made, newest first.
        old: The old version.
        store: The store with their traces.
        most: How many.
    """
    decisions: list[FrozenDecision] = []
    left_out: dict[str, int] = {}
    for _, item in frozen(entries, old, store):
        if len(decisions) == most:
            break
        if isinstance(item, NotFrozen):
            left_out[item.reason] = left_out.get(item.reason, 0) + 1
        else:
            decisions.append(item)
    return Chosen(decisions=tuple(decisions), left_out=left_out)
