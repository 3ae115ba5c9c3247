"""Ask a version of a prompt on past decisions, within a budget; a reply is kept, so that nothing is paid for twice."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from src.agents.base_agent import as_model
from src.agents.decisions import Decision
from src.agents.prompts import trading
from src.insight.facts.filters import EVALUATION
from src.insight.prompt_trials.frozen import messages_of
from src.insight.prompt_trials.replies import reply_of
from src.judging.backtest.allowance import Allowance, BudgetSpentError
from src.models.call.membership import as_member
from src.models.errors import ModelError
from src.observability.ledger import LedgerReader
from src.observability.search.records import observations_of
from src.observability.store.ledger_records import ReplyRecord
from src.observability.store.reader import StoreReader
from src.observability.tracing.agent_runs import observe_agent
from src.observability.tracing.carry import carry
from src.prompts import config_temperature

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from src.insight.prompt_trials.records import FrozenCall, FrozenDecision, Reply
    from src.observability.store.spool import Spool
    from src.prompts import Prompt

AGENT: Final = "prompt_trial"
NOT_STORED: Final = "not_stored"
# After one of these every other call would fail likewise.
_HOPELESS: Final = frozenset({"authentication", "permission", "model_not_found", "unavailable", "quota", "budget"})


@dataclass(frozen=True, slots=True)
class Request:
    """One call as it is to be sent."""

    call: FrozenCall
    prompt: Prompt
    messages: tuple[Mapping[str, Any], ...]
    parameters: Mapping[str, Any]

    @property
    def key(self) -> str:
        """Return digits of all that its reply depends on, and of the member that is asked."""
        parts = [
            "prompt trial",
            self.call.model,
            self.call.member,
            self.messages,
            self.parameters,
            self.call.is_structured,
        ]
        return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:40]

    @property
    def characters(self) -> int:
        """Return the length of its texts."""
        return sum(len(str(message.get("content") or "")) for message in self.messages)


def request_of(call: FrozenCall, prompt: Prompt) -> Request:
    """Return a past call with another version of its prompt.

    Raises:
        PromptError: the version has variables that were not recorded, or cannot be used by its agent.
    """
    messages = messages_of(prompt, {name: call.values[name] for name in _used(prompt, call.values)})
    messages[-1]["content"] += call.ending
    parameters = dict(call.parameters)
    if prompt.config:
        parameters["temperature"] = config_temperature(prompt, parameters.get("temperature"))
    return Request(call=call, prompt=prompt, messages=(*messages, *call.rest), parameters=parameters)


def _used(prompt: Prompt, values: Mapping[str, str]) -> Sequence[str]:
    """Return which values to fill in: those of an agent are chosen by it, others by the prompt's variables."""
    return tuple(values) if prompt.name == trading.NAME else [name for name in values if name in prompt.variables]


@dataclass(slots=True)
class Asker:
    """Who asks.

    Attributes:
        spool: The store that keeps replies.
        allowance: What may be spent.
        failures: Why calls failed, by the category of the error.
        calls: How many calls were made.
        cost_usd: What they cost, as far as known.
        unpriced: How many have a cost of which a part is not known.
        stopped: Why it ended early.
    """

    spool: Spool
    allowance: Allowance = field(default_factory=Allowance)
    failures: dict[str, int] = field(default_factory=dict)
    calls: int = 0
    cost_usd: float = 0.0
    unpriced: int = 0
    stopped: str | None = None
    on_progress: Callable[[int], None] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _running: int = 0

    def known(self, request: Request) -> Reply | None:
        """Return the reply to a request that an earlier trial made; None where it has to be asked for."""
        store = StoreReader(self.spool.path)
        record = LedgerReader(store).reply(request.key)
        if record is None:
            return None
        return self._stored(store, **json.loads(record.vote))

    def replies(
        self, decisions: Sequence[tuple[FrozenDecision, Sequence[Request]]], threads: int
    ) -> list[list[Reply | None]]:
        """Return the replies of each decision's calls; None for a call that failed or was not made.

        Raises:
            ModelError: a model cannot be asked at all.
        """
        results: list[list[Reply | None]] = []
        with ThreadPoolExecutor(threads, thread_name_prefix="moondev-trial") as pool:
            waiting = []
            try:
                for decision, requests in decisions:
                    waiting.append(pool.submit(carry(self._decide), decision, requests))
                for number, future in enumerate(waiting, start=1):
                    results.append(future.result())
                    if self.on_progress is not None:
                        self.on_progress(number)
            finally:
                for future in waiting:
                    future.cancel()
        return results

    def _decide(self, decision: FrozenDecision, requests: Sequence[Request]) -> list[Reply | None]:
        """Ask for one decision, in a trace of its own that reports leave out."""
        replies = [self.known(request) for request in requests]
        if all(reply is not None for reply in replies) or self.stopped is not None:
            return replies
        prompt = requests[0].prompt
        metadata = {
            "tried_prompt": prompt.name,
            "tried_version": prompt.version,
            "decision": decision.entry.decision.id,
        }
        with observe_agent(
            AGENT, trading_pair=decision.symbol, environment=EVALUATION, tags=(EVALUATION,), metadata=metadata
        ):
            for place, request in enumerate(requests):
                if replies[place] is None and self.stopped is None:
                    replies[place] = self._ask(request, decision, is_swarm=len(decision.calls) > 1)
        return replies

    def _ask(self, request: Request, decision: FrozenDecision, *, is_swarm: bool) -> Reply | None:
        if not self._may_begin():
            return None
        cost = 0.0
        try:
            place, cost, is_whole = self._sent(request, is_swarm=is_swarm)
        finally:
            self._ended(cost)
        with self._lock:
            self.unpriced += not is_whole
        reply = self._stored(StoreReader(self.spool.path), **place)
        if reply is None or reply.failure is not None:
            category = NOT_STORED if reply is None else reply.failure or ""
            with self._lock:
                self.failures[category] = self.failures.get(category, 0) + 1
            return None
        decision_id = f"trial-{decision.entry.decision.id}"
        self.spool.append_ledger(
            ReplyRecord(key=request.key, decision_id=decision_id, vote=json.dumps(place), time_ns=time.time_ns())
        )
        return reply

    def _may_begin(self) -> bool:
        """Tell whether the budget allows one more call beside those that are under way, and count it as begun."""
        with self._lock:
            try:
                self.allowance.refuse_beyond(self._running + 1)
            except BudgetSpentError as error:
                self.stopped = str(error)
                return False
            self._running += 1
            return True

    def _ended(self, usd: float) -> None:
        with self._lock:
            self._running -= 1
            self.calls += 1
            self.cost_usd += usd
            self.allowance.spend(usd)

    def _sent(self, request: Request, *, is_swarm: bool) -> tuple[dict[str, str | None], float, bool]:
        """Send a request; return where its generation is, what is known of its cost, and whether that is all of it."""
        model = as_model(request.call.model)
        try:
            with as_member(request.call.member) if is_swarm else nullcontext():
                answer = model.chat(
                    list(request.messages),
                    response_format=Decision if request.call.is_structured else None,
                    langfuse_prompt=request.prompt,
                    **request.parameters,
                )
        except ModelError as error:
            if error.category in _HOPELESS:
                self.stopped = str(error)
                raise
            place = {"trace_id": error.trace_id, "observation_id": error.observation_id}
            return place, *((error.cost.known, error.cost.is_whole) if error.cost is not None else (0.0, True))
        place = {"trace_id": answer.trace_id, "observation_id": answer.observation_id}
        return place, answer.cost.known, answer.cost.is_whole

    def _stored(self, store: StoreReader, *, trace_id: str | None, observation_id: str | None) -> Reply | None:
        if trace_id is None:
            return None
        items = (item for item in observations_of(store, [trace_id]) if item.columns["span_id"] == observation_id)
        return next((reply_of(item) for item in items), None)
