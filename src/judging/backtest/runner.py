"""Make a back-test: decide at each time, keep each decision at once, go on where an earlier run ended."""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from src.judging.backtest.allowance import Allowance, BudgetSpentError
from src.judging.backtest.decision_making import make_decision
from src.judging.backtest.stored_replies import LocalReplies, StoredReplies
from src.observability.ledger import LedgerReader
from src.observability.store.reader import StoreReader
from src.observability.tracing.carry import carry
from src.observability.tracing.sessions import session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from src.judging.backtest.as_of import Replay
    from src.judging.backtest.choices import Choice
    from src.judging.backtest.deciders import Decider
    from src.judging.backtest.decision_making import MadeDecision
    from src.judging.backtest.plan import Plan
    from src.observability.store.ledger_records import DecisionRecord
    from src.observability.store.spool import Spool

_BATCH: Final = 500


@dataclass(slots=True)
class Progress:
    """How far a back-test is; money is in US dollars, `cost_usd` its known part."""

    total: int = 0
    decided: int = 0
    failed: int = 0
    abstained: int = 0
    calls: int = 0
    cost_usd: float = 0.0
    cost_unknown: bool = False
    stopped: str | None = None
    started: float = field(default_factory=time.monotonic)

    def add(self, choice: Choice) -> None:
        """Count a decision that was made now."""
        self.decided += 1
        self.failed += choice.status == "failed"
        self.abstained += choice.status == "abstained"
        self.calls += choice.calls
        self.cost_usd += choice.cost_usd
        self.cost_unknown = self.cost_unknown or choice.cost_unknown


class Runner:
    """One run of a plan.

    Args:
        plan: The plan.
        replay: The market.
        deciders: Who decides.
        spool: The store with the ledger.
        threads: How many decisions of models are asked for at once.
        budget_usd: The most to spend, earlier parts of the run included; None for no bound.
        allowance: Instead of `budget_usd`, one that several runs share.
        progress: One that several runs share.

    Attributes:
        plan: The plan.
        replay: The market.
        deciders: Who decides.
        progress: How far it is.
        calls: How many models were asked by this run alone.
        allowance: What it may spend.
        on_progress: Called after each decision.
    """

    def __init__(
        self,
        plan: Plan,
        replay: Replay,
        deciders: Sequence[Decider],
        spool: Spool,
        *,
        threads: int = 1,
        budget_usd: float | None = None,
        allowance: Allowance | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.plan = plan
        self.replay = replay
        self.deciders = deciders
        self.progress = progress or Progress()
        self.calls = 0
        self.allowance = allowance or Allowance(limit_usd=budget_usd)
        self.on_progress: Callable[[Progress], None] | None = None
        self._spool = spool
        self._reader = LedgerReader(StoreReader(spool.path))
        self._replies = LocalReplies(spool, self._reader)
        self._threads = threads
        self._fresh: list[DecisionRecord] = []
        self._failed: set[str] = set()
        self._made: set[str] = set()
        for entry in self._reader.entries(run_id=plan.run_id):
            record = entry.decision
            (self._failed if record.status == "failed" else self._made).add(record.id)
            self.allowance.spent_usd += record.cost_usd or 0.0
        self.progress.total += len(plan.times_us) * len(deciders)
        self.progress.decided += len(self._made)

    @property
    def decided_before(self) -> int:
        """Return how many decisions stood in the ledger when this run began."""
        return len(self._made)

    def run(self) -> Progress:
        """Make all decisions that the ledger lacks; return how far it came.

        What was decided is in the ledger whatever ends the run: an exception, Ctrl-C, or the process's death.
        """
        try:
            with session(self.plan.session_id):
                self._decide_by_rules([decider for decider in self.deciders if decider.is_free])
                self._decide_by_models([decider for decider in self.deciders if not decider.is_free])
        except BudgetSpentError as error:
            self.progress.stopped = str(error)
        finally:
            self.write()
        return self.progress

    def left(self, deciders: Sequence[Decider]) -> Iterator[tuple[Decider, int, str]]:
        """Yield what is still to be decided: by whom, at which time in microseconds, and under which id."""
        for time_us in self.plan.times_us:
            for decider in deciders:
                decision_id = self.plan.decision_id(decider.name, time_us)
                attempt = 0
                while decision_id in self._failed:  # an earlier run could not get an answer: it is asked for again
                    attempt += 1
                    decision_id = self.plan.decision_id(f"{decider.name}/{attempt}", time_us)
                if decision_id not in self._made:
                    yield decider, time_us, decision_id

    def take(self, made: MadeDecision) -> None:
        """Count a decision, and keep it where it is not in the ledger yet: rules' soon, models' at once."""
        choice = made.choice
        if made.record is not None:
            self._fresh.append(made.record)
            if made.record.trace_id is not None or choice.calls or len(self._fresh) >= _BATCH:
                self.write()
        self.calls += choice.calls
        self.allowance.spend(choice.cost_usd)
        self.progress.add(choice)
        if self.on_progress is not None:
            self.on_progress(self.progress)

    def write(self) -> None:
        """Write the decisions that wait for that."""
        fresh, self._fresh = self._fresh, []
        if fresh:
            self._spool.append_ledger_rows(fresh)

    def _decide_by_rules(self, deciders: Sequence[Decider]) -> None:
        for decider, time_us, decision_id in self.left(deciders):
            self.take(self._decide(decider, time_us, decision_id))

    def _decide_by_models(self, deciders: Sequence[Decider]) -> None:
        """Ask models, some at once; where one raises, those that are being asked are waited for, and kept."""
        if not deciders:
            return
        running: deque[Future[MadeDecision]] = deque()
        with ThreadPoolExecutor(self._threads, thread_name_prefix="moondev-backtest") as pool:
            try:
                for decider, time_us, decision_id in self.left(deciders):
                    self.allowance.refuse_beyond(len(running) + 1)
                    running.append(pool.submit(carry(self._decide), decider, time_us, decision_id))
                    while len(running) >= self._threads:
                        self._collect(running)
                while running:
                    self._collect(running)
            finally:
                for future in running:
                    future.cancel()
                for future in [item for item in running if not item.cancelled()]:
                    self._take_last(future)

    def _collect(self, running: deque[Future[MadeDecision]]) -> None:
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            running.remove(future)
            self.take(future.result())

    def _take_last(self, future: Future[MadeDecision]) -> None:
        """Keep a decision that was under way when the run ended; an error of it is not the one that is raised."""
        if future.exception() is None:
            self.take(future.result())

    def _decide(self, decider: Decider, time_us: int, decision_id: str) -> MadeDecision:
        votes = StoredReplies(self._replies, decision_id) if decider.models else None
        return make_decision(self.plan, self.replay, decider, time_us, decision_id, votes=votes)
