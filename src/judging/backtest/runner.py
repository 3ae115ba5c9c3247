"""Make a back-test: decide at each time, keep each decision at once, go on where an earlier run ended."""

from __future__ import annotations

import json
import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from src.judging.backtest.deciders import where_of
from src.judging.backtest.known_replies import StoredReplies
from src.judging.model_register import book_of_models
from src.observability.ledger import LedgerReader
from src.observability.store.ledger_records import DecisionRecord
from src.observability.store.reader import StoreReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from src.judging.backtest.as_of import Replay
    from src.judging.backtest.choices import Choice
    from src.judging.backtest.deciders import Decider
    from src.judging.backtest.plan import Plan
    from src.observability.store.spool import Spool

_BATCH: Final = 500


@dataclass(slots=True)
class Progress:
    """How far a run is; money is in US dollars, `cost_usd` its known part."""

    total: int
    decided: int = 0
    failed: int = 0
    abstained: int = 0
    calls: int = 0
    cost_usd: float = 0.0
    cost_unknown: bool = False
    dearest_usd: float = 0.0
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
        self.dearest_usd = max(self.dearest_usd, choice.cost_usd)


class BudgetSpentError(Exception):
    """The next decision may cost more than is left of the budget."""


class Runner:
    """One run of a plan.

    Args:
        plan: The plan.
        replay: The market.
        deciders: Who decides.
        spool: The store with the ledger.
        workers: How many decisions of models are asked for at once.
        budget_usd: The most to spend, earlier parts of the run included; None for no bound.

    Attributes:
        progress: How far it is.
        on_progress: Called after each decision.
    """

    def __init__(
        self,
        plan: Plan,
        replay: Replay,
        deciders: Sequence[Decider],
        spool: Spool,
        *,
        workers: int = 1,
        budget_usd: float | None = None,
    ) -> None:
        self._plan = plan
        self._replay = replay
        self._deciders = deciders
        self._spool = spool
        self._reader = LedgerReader(StoreReader(spool.path))
        self._workers = workers
        self._budget_usd = budget_usd
        self.on_progress: Callable[[Progress], None] | None = None
        self._fresh: list[DecisionRecord] = []
        earlier = {entry.decision.id: entry.decision for entry in self._reader.entries(run_id=plan.run_id)}
        self._failed = {record.id for record in earlier.values() if record.status == "failed"}
        self._made = earlier.keys() - self._failed
        self.spent_before_usd = sum(record.cost_usd or 0.0 for record in earlier.values())
        self.progress = Progress(total=len(plan.times_us) * len(deciders), decided=len(self._made))

    def run(self) -> Progress:
        """Make all decisions that the ledger lacks; return how far it came.

        What was decided is in the ledger whatever ends the run: an exception, Ctrl-C, or the process's death.
        """
        try:
            self._decide_by_rules([decider for decider in self._deciders if decider.is_free])
            self._decide_by_models([decider for decider in self._deciders if not decider.is_free])
        except BudgetSpentError as error:
            self.progress.stopped = str(error)
        finally:
            self._write()
        return self.progress

    def _left(self, deciders: Sequence[Decider]) -> Iterator[tuple[Decider, int, str]]:
        for time_us in self._plan.times_us:
            for decider in deciders:
                decision_id = self._plan.decision_id(decider.name, time_us)
                attempt = 0
                while decision_id in self._failed:  # an earlier run could not get an answer: it is asked for again
                    attempt += 1
                    decision_id = self._plan.decision_id(f"{decider.name}/{attempt}", time_us)
                if decision_id not in self._made:
                    yield decider, time_us, decision_id

    def _decide_by_rules(self, deciders: Sequence[Decider]) -> None:
        for decider, time_us, decision_id in self._left(deciders):
            self._decide(decider, time_us, decision_id)

    def _decide_by_models(self, deciders: Sequence[Decider]) -> None:
        """Ask models, some at once; where one raises, those that are being asked are waited for, and kept."""
        if not deciders:
            return
        running: deque[Future[None]] = deque()
        with ThreadPoolExecutor(self._workers, thread_name_prefix="moondev-backtest") as pool:
            try:
                for decider, time_us, decision_id in self._left(deciders):
                    self._refuse_beyond_budget(len(running) + 1)
                    running.append(pool.submit(self._decide, decider, time_us, decision_id))
                    while len(running) >= self._workers:
                        self._collect(running)
                while running:
                    self._collect(running)
            finally:
                for future in running:
                    future.cancel()

    @staticmethod
    def _collect(running: deque[Future[None]]) -> None:
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            running.remove(future)
            future.result()

    def _refuse_beyond_budget(self, at_once: int) -> None:
        """Raise where decisions that cost as much as the dearest one until now would pass the budget."""
        if self._budget_usd is None:
            return
        spent = self.spent_before_usd + self.progress.cost_usd
        if spent + at_once * self.progress.dearest_usd > self._budget_usd or spent >= self._budget_usd:
            raise BudgetSpentError(
                f"${spent:.4f} of the budget of ${self._budget_usd:g} are spent, and the next decision may cost "
                f"${self.progress.dearest_usd:.4f}."
            )

    def _decide(self, decider: Decider, time_us: int, decision_id: str) -> None:
        view = self._replay.view(time_us)
        votes = StoredReplies(self._spool, self._reader, decision_id) if decider.models else None
        book = book_of_models(decider.trained_models, self._replay.last_close_us(time_us) * 1000)
        where = where_of(self._plan.run_id, self._plan.horizon_names, decision_id, book, votes)
        choice = decider.decide(view, where)
        if not choice.is_written:
            self._fresh.append(self._record(decider, choice, time_us, decision_id, view.price, book))
            if decider.models or len(self._fresh) >= _BATCH:
                self._write()
        self.progress.add(choice)
        if self.on_progress is not None:
            self.on_progress(self.progress)

    def _record(
        self, decider: Decider, choice: Choice, time_us: int, decision_id: str, price: float, book: str
    ) -> DecisionRecord:
        return DecisionRecord(
            id=decision_id,
            time_ns=time.time_ns(),
            as_of_ns=self._replay.last_close_us(time_us) * 1000,
            symbol=self._plan.symbol,
            action=choice.action,
            status=choice.status,
            confidence=choice.confidence,
            price=price,
            horizons=self._plan.horizon_names,
            agent=decider.name,
            models=json.dumps([decider.name]),
            environment="backtest",
            book=book,
            run_id=self._plan.run_id,
            cost_usd=choice.cost_usd,
            cost_unknown=choice.cost_unknown,
        )

    def _write(self) -> None:
        fresh, self._fresh = self._fresh, []
        if fresh:
            self._spool.append_ledger_rows(fresh)
