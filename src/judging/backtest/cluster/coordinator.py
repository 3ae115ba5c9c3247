"""Have workers make the decisions of back-tests, and write what comes back into the ledger of this process alone."""

from __future__ import annotations

import queue
import time
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from src.judging.backtest.allowance import BudgetSpentError
from src.judging.backtest.cluster import work
from src.judging.backtest.cluster.messages import ClusterError, DecisionRequest, DecisionTask, RunSettings, TaskResult
from src.judging.backtest.deciders import WINDOW
from src.observability.tracing.carry import carry
from src.observability.tracing.sessions import session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from distributed import Client, Future

    from src.judging.backtest.runner import Runner

_RULES_AT_ONCE: Final = 200  # decisions of rules in one task
_CHECK_EVERY_S: Final = 2.0  # for workers that came or went
_FETCH_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class _Running:
    """A task that a worker has."""

    runner: Runner
    task: DecisionTask
    future: Future[TaskResult]

    @property
    def is_paid(self) -> bool:
        """Tell whether models are asked."""
        return not all(self.runner.deciders[item.position].is_free for item in self.task.requests)


class Coordinator:
    """The back-tests that workers make.

    A worker that is lost loses its tasks: Dask gives them to another one, which finds the replies that were kept.

    Args:
        client: A client of the workers' scheduler.
        runners: The runs.
        settings: What all tasks have in common.
        say: Tells the user something.
    """

    def __init__(
        self, client: Client, runners: Sequence[Runner], settings: RunSettings, say: Callable[[str], None]
    ) -> None:
        self._client = client
        self._runners = runners
        self._settings = settings
        self._say = say
        self._allowance = runners[0].allowance
        self._progress = runners[0].progress
        self._ended: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._running: dict[str, _Running] = {}
        self._workers: dict[str, int] = {}
        self._checked_at = -_CHECK_EVERY_S
        self._replays: dict[str, Any] = {}
        self._name = f"moondev-{uuid.uuid4().hex[:12]}"  # Dask keeps results by their names

    def run(self) -> None:
        """Have all decisions made that the ledger lacks.

        Raises:
            ClusterError: the workers cannot go on.
        """
        try:
            for runner, task in self._tasks():
                self._submit(runner, task)
                while len(self._running) >= self._capacity():
                    self._collect()
            self._collect_all()
            self._update_workers()
        except BudgetSpentError as error:
            self._progress.stopped = str(error)
            self._collect_all()
        finally:
            for runner in self._runners:
                runner.write()
            futures = [item.future for item in self._running.values()]
            if futures and self._client.status == "running":
                self._client.cancel(futures, force=True)

    def _tasks(self) -> Iterator[tuple[Runner, DecisionTask]]:
        """Yield the tasks: rules first, many decisions at once, then each decision of models."""
        for is_free, most in ((True, _RULES_AT_ONCE), (False, 1)):
            for runner in self._runners:
                plan = replace(runner.plan, times_us=())
                positions = {id(item): position for position, item in enumerate(runner.deciders)}
                requests: list[DecisionRequest] = []
                for decider, time_us, decision_id in runner.left(
                    [item for item in runner.deciders if item.is_free is is_free]
                ):
                    requests.append(
                        DecisionRequest(position=positions[id(decider)], time_us=time_us, decision_id=decision_id)
                    )
                    if len(requests) == most:
                        yield runner, DecisionTask(plan=plan, settings=self._settings, requests=tuple(requests))
                        requests = []
                if requests:
                    yield runner, DecisionTask(plan=plan, settings=self._settings, requests=tuple(requests))

    def _submit(self, runner: Runner, task: DecisionTask) -> None:
        if not all(runner.deciders[item.position].is_free for item in task.requests):
            self._allowance.refuse_beyond(sum(item.is_paid for item in self._running.values()) + 1)
        with session(runner.plan.session_id):
            carried = carry(work.decide)
        key = f"{self._name}-{task.requests[0].decision_id}"
        future = self._client.submit(carried, self._replay(runner), task, key=key, pure=False)
        self._running[key] = _Running(runner=runner, task=task, future=future)
        future.add_done_callback(lambda _: self._ended.put(key))

    def _replay(self, runner: Runner) -> Any:
        """Return the market on the workers."""
        run_id = runner.plan.run_id
        if run_id not in self._replays:
            candles = replace(runner.replay.candles, issues=(), issue_counts={}, reading=None)
            self._replays[run_id] = self._client.submit(
                work.replay_of, candles, runner.replay.symbol, WINDOW, key=f"{self._name}-market-{run_id}", pure=False
            )
        return self._replays[run_id]

    def _collect_all(self) -> None:
        while self._running:
            self._collect()

    def _collect(self) -> None:
        """Wait for a task to end, and take its result."""
        try:
            key = self._ended.get(timeout=_CHECK_EVERY_S)
        except queue.Empty:
            self._capacity()
            return
        running = self._running[key]
        result = self._result(running)
        del self._running[key]
        if result.error is not None:
            raise ClusterError(f"A worker cannot decide: {result.error}")
        for made in result.made:
            running.runner.take(made)
        running.future.release()

    def _result(self, running: _Running) -> TaskResult:
        from distributed import KilledWorker

        first = running.task.requests[0]
        try:
            result: TaskResult = running.future.result(timeout=_FETCH_S)
        except KilledWorker as error:
            name = running.runner.deciders[first.position].name
            raise ClusterError(
                f"Several workers ended while they decided for {name} on {running.runner.plan.symbol}: look at their "
                "logs, and whether they had enough memory. The same command goes on."
            ) from error
        except Exception as error:
            raise ClusterError(
                f"The cluster lost a decision ({type(error).__name__}): is its scheduler still there? The same command "
                "goes on."
            ) from error
        return result

    def _capacity(self) -> int:
        """Return how many tasks the workers can run at once; notice workers that came or went."""
        now = time.monotonic()
        if now - self._checked_at >= _CHECK_EVERY_S:
            self._checked_at = now
            self._update_workers()
        return max(1, sum(self._workers.values()))

    def _update_workers(self) -> None:
        if self._client.status != "running":
            raise ClusterError("The connection to the scheduler is lost. The same command goes on.")
        workers = dict(self._client.nthreads())
        for address in self._workers.keys() - workers.keys():
            self._say(f"The worker {address.rpartition('/')[2]} has ended; others make its decisions.")
        if not workers and self._workers:
            self._say("No worker is left: waiting for one.")
        self._workers = workers
