"""Let the workers of a fleet ask the coordinator: for replies that were paid for, and for money of its budgets.

Requests and answers are small records in queues of Dask's scheduler, so that nobody needs to reach the coordinator's
machine, and what protects the cluster (TLS) protects them. They hold digests, votes and amounts, no prompt and no key.
"""

from __future__ import annotations

import functools
import logging
import threading
import time
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from src.observability.redaction import redact_text
from src.observability.store.budgets import BudgetStore, Refusal, StoreIsLockedError, Window, WindowBalance
from src.observability.store.ledger_records import ReplyRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from distributed import Client

    from src.judging.backtest.stored_replies import LocalReplies
    from src.observability.store.budgets import Reservation

_log = logging.getLogger("moondev.judging")
_PATIENCE_S: Final = 60.0  # of a worker for an answer
_CHECK_EVERY_S: Final = 0.5  # of the coordinator, whether it is to end
_LOCKED_S: Final = 10.0  # that the coordinator tries again where another process has its store locked
_THREADS: Final = 4


class CoordinatorLostError(Exception):
    """The coordinator does not answer, so that nothing may be asked of a model."""


class Link:
    """A worker's way to the coordinator.

    Args:
        client: A client of the scheduler.
        name: The coordinator's name there.
    """

    def __init__(self, client: Client, name: str) -> None:
        from distributed import Queue

        self._client = client
        self._name = name
        self._requests = Queue(f"{name}-requests", client=client)
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="moondev-link")

    def ask(self, what: str, *fields: Any) -> Any:
        """Return the coordinator's answer.

        Raises:
            CoordinatorLostError: there is none, or it failed there.
        """
        from distributed import Queue

        answers = Queue(f"{self._name}-{uuid.uuid4().hex}", client=self._client)
        try:
            self._requests.put([what, answers.name, list(fields)], timeout=_PATIENCE_S)
            is_done, value = answers.get(timeout=_PATIENCE_S)
        except Exception as error:
            raise CoordinatorLostError(f"the coordinator does not answer ({type(error).__name__})") from error
        finally:
            answers.close()
        if not is_done:
            raise CoordinatorLostError(f"the coordinator cannot answer: {value}")
        return value

    def ask_later(self, what: str, *fields: Any) -> Future[Any]:
        """Ask on another thread."""
        return self._pool.submit(self.ask, what, *fields)


@functools.lru_cache(maxsize=4)
def link_named(name: str) -> Link:
    """Return this worker's way to a coordinator; called in a task's thread, which knows the scheduler."""
    from distributed import get_client

    return Link(get_client(), name)


class LinkedReplies:
    """Replies that the coordinator keeps; this worker's store has its own ones too, should the coordinator be lost."""

    def __init__(self, link: Link, local: LocalReplies) -> None:
        self._link = link
        self._local = local

    def reply(self, key: str) -> ReplyRecord | None:
        """Return the vote on an exact request, None where neither the coordinator nor this worker has one."""
        fields = self._link.ask("reply", key)
        if fields is not None:
            return ReplyRecord(**fields)
        record = self._local.reply(key)
        if record is not None:
            self._link.ask("keep", asdict(record))
        return record

    def keep(self, record: ReplyRecord) -> None:
        """Keep a vote here and with the coordinator, durable in both places before this returns."""
        self._local.keep(record)
        self._link.ask("keep", asdict(record))


class LinkedBudgets:
    """The coordinator's budgets, of which a worker reserves what its calls may cost."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._asked: dict[int, Future[Any]] = {}

    def reserve(self, windows: Sequence[Window], highest_usd: float, until_s: float) -> str | Refusal:
        """Reserve a call's highest cost; return the reservation's name.

        Raises:
            StoreIsLockedError: the answer is under way: call again with the same windows.
            CoordinatorLostError: there is none.
        """
        key = id(windows)
        if key not in self._asked:
            fields = [asdict(window) for window in windows]
            self._asked[key] = self._link.ask_later("reserve", fields, highest_usd, until_s)
        if not self._asked[key].done():
            raise StoreIsLockedError("the coordinator has not answered yet")
        name, refused, balance = self._asked.pop(key).result()
        return name if name is not None else Refusal(window=windows[refused], balance=WindowBalance(**balance))

    def settle(self, reservation: str, cost_usd: float) -> None:
        """Replace a reservation by what the call cost, soon."""
        self._link.ask_later("settle", reservation, cost_usd)


class LinkServer:
    """The coordinator's end: a thread that answers until it is closed.

    Args:
        client: A client of the scheduler.
        name: The coordinator's name there.
        replies: The replies that it keeps.
        budgets: What its budgets are counted in.
        say: Tells the user something.
    """

    def __init__(
        self, client: Client, name: str, replies: LocalReplies, budgets: BudgetStore, say: Callable[[str], None]
    ) -> None:
        from distributed import Queue

        self._client = client
        self._replies = replies
        self._budgets = budgets
        self._say = say
        self._warned: set[str] = set()
        self._reservations: dict[str, Reservation] = {}
        self._answers: dict[str, Callable[..., Any]] = {
            "reply": self._reply, "keep": self._keep, "reserve": self._reserve, "settle": self._settle
        }  # fmt: skip
        self._is_closed = threading.Event()
        self._requests = Queue(f"{name}-requests", client=client)
        self._thread = threading.Thread(target=self._serve, name="moondev-link", daemon=True)

    def __enter__(self) -> LinkServer:
        """Begin to answer."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Answer nothing more."""
        self._is_closed.set()
        self._thread.join(_CHECK_EVERY_S * 4)
        if self._client.status == "running":
            self._requests.close()

    def _serve(self) -> None:
        while not self._is_closed.is_set():
            try:
                what, answers, fields = self._requests.get(timeout=_CHECK_EVERY_S)
            except TimeoutError:
                continue
            except Exception as error:  # noqa: BLE001 - the scheduler is gone, which the coordinator notices by itself
                if not self._is_closed.is_set():
                    _log.debug("The link to the workers ends: %s", error)
                return
            self._answer(what, answers, fields)

    def _answer(self, what: str, name: str, fields: list[Any]) -> None:
        from distributed import Queue

        try:
            value = [True, self._answers[what](*fields)]
        except Exception as error:  # noqa: BLE001 - told to the worker, whose decision fails with it
            value = [False, redact_text(f"{type(error).__name__}: {error}")]
        answers = Queue(name, client=self._client)
        answers.put(value)
        answers.close()

    def _reply(self, key: str) -> dict[str, Any] | None:
        record = self._replies.reply(key)
        return None if record is None else asdict(record)

    def _keep(self, fields: dict[str, Any]) -> None:
        self._replies.keep(ReplyRecord(**fields))

    def _reserve(self, windows: list[dict[str, Any]], highest_usd: float, until_s: float) -> list[Any]:
        asked = [Window(**fields) for fields in windows]
        give_up_at = time.monotonic() + _LOCKED_S
        while True:
            try:
                result = self._budgets.reserve(asked, highest_usd, until_s)
                break
            except StoreIsLockedError:
                if time.monotonic() > give_up_at:
                    raise
        if isinstance(result, Refusal):
            return [None, asked.index(result.window), asdict(result.balance)]
        for window, before in zip(asked, result.before, strict=True):
            self._warn(window, before.taken_usd + highest_usd)
        name = uuid.uuid4().hex
        self._reservations[name] = result
        return [name, 0, {}]

    def _warn(self, window: Window, taken_usd: float) -> None:
        """Warn once of a soft budget that a call takes beyond its limit."""
        is_beyond = window.limit_usd is not None and taken_usd > window.limit_usd
        if is_beyond and not window.is_hard and window.key not in self._warned:
            self._warned.add(window.key)
            self._say(f"A soft budget of ${window.limit_usd:g} ({window.key}) is reached.")

    def _settle(self, name: str, cost_usd: float) -> None:
        reservation = self._reservations.pop(name, None)
        if reservation is not None:
            self._budgets.settle(reservation, cost_usd)
