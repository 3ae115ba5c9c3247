"""Reserve a call's highest cost of the budgets that it counts in before anything is sent, and settle it afterwards."""

from __future__ import annotations

import logging
import sqlite3
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from src.models.call import highest_cost
from src.models.call.billing import requested_tier
from src.models.call.steps import Sleep
from src.models.errors import BudgetExceeded, InvalidRequest, ModelTimeout
from src.models.limits import amounts, budget_states, budgets
from src.observability.store.budgets import BudgetStore, Refusal, Reservation, StoreIsLockedError, Window
from src.observability.store.schema import SpoolError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

    from src.models.call.billing import Bill
    from src.models.call.hooks import ModelHooks
    from src.models.limits.budgets import Budget, Keeper
    from src.models.types import ModelRequest
    from src.observability.pipeline import Pipeline
    from src.observability.tracing.observation import Observation

_log = logging.getLogger("moondev.models")
_NAP_S: Final = 0.02  # while another process has the store locked
_LONGEST_RESERVATION_S: Final = 3600.0
_GRACE_S: Final = 60.0  # beyond the call's own deadline
_LONGEST_LOCK_S: Final = 60.0  # that a call waits for a lock, where it has no deadline of its own
_SOFT_LOCK_S: Final = 1.0  # that a call waits which only soft budgets count
_TRACED: Final = {"agent": "agents", "environment": "environments"}


@dataclass(frozen=True, slots=True)
class _Hold:
    """What is reserved of some budgets, and where they are counted."""

    chosen: tuple[Budget, ...]
    keeper: Keeper
    reservation: object


class BudgetGate:
    """The budgets of one call.

    Args:
        model: The model.
        observation: The call's generation; its run and agent decide which budgets it counts in.

    Attributes:
        is_locked_out: Whether another process has the budgets' file locked, which is the traces' file too.
    """

    def __init__(self, model: ModelHooks, observation: Observation) -> None:
        self._model = model
        self._observation = observation
        self._holds: list[_Hold] = []
        self._known_usd = 0.0  # of the call's bill until now
        self._unknown = 0
        self._highest_usd = 0.0
        self._is_priced = True
        self.is_locked_out = False

    def reserve(self, request: ModelRequest, remaining_s: Callable[[], float]) -> Generator[Sleep, None, None]:
        """Reserve a request's highest cost; where the store is locked, wait for it in steps.

        Args:
            request: The request.
            remaining_s: Returns how long the call may still take; raises where its time is over.

        Raises:
            BudgetExceeded: a hard budget has too little left, the price is not known, or nothing can be counted.
            InvalidRequest: the budgets are set wrongly; the message names the variable.
        """
        own, shared = budgets.current(), budgets.shared_now()
        if (not own and shared is None) or self._model._is_free(request.model):
            return
        if self._observation.trace_id is None:
            _refuse_without_traces((*own, *(shared[0] if shared is not None else ())))
        subject = {
            "provider": self._model.provider,
            "model": request.model,
            "agent": self._observation.agent,
            "environment": self._observation.environment,
        }
        groups: list[tuple[tuple[Budget, ...], Keeper]] = []
        if chosen := tuple([item for item in own if item.applies_to(subject)]):
            groups.append((chosen, _store()))
        if shared is not None and (chosen := tuple([item for item in shared[0] if item.applies_to(subject)])):
            groups.append((chosen, shared[1]))
        if not groups:
            return
        self._estimate(request, [item for chosen, _ in groups for item in chosen])
        try:
            for chosen, keeper in groups:
                yield from self._hold(chosen, keeper, request.timeouts.total, remaining_s)
        except BaseException:
            self._give_back()
            raise

    def _estimate(self, request: ModelRequest, chosen: Sequence[Budget]) -> None:
        """Note the most that the request can cost, or what a call counts whose price is not known."""
        highest = highest_cost.highest_usd(self._model.provider, request, self._model.operation)
        self._is_priced = highest is not None
        if highest is None:
            self._highest_usd = _unpriced_usd(self._model, request, chosen)
        else:
            self._highest_usd = highest * _underestimates.get((self._model.provider, request.model), 1.0)

    def _hold(
        self, chosen: tuple[Budget, ...], keeper: Keeper, timeout_s: float, remaining_s: Callable[[], float]
    ) -> Generator[Sleep, None, None]:
        now = time.time()
        windows = [item.window_at(now, self._observation.trace_id) for item in chosen]
        until_s = now + min(timeout_s, _LONGEST_RESERVATION_S) + _GRACE_S
        is_hard = any(item.is_hard for item in chosen)
        locked_until = time.monotonic() + (_LONGEST_LOCK_S if is_hard else _SOFT_LOCK_S)
        try:
            while True:
                try:
                    result = keeper.reserve(windows, self._highest_usd, until_s)
                    break
                except StoreIsLockedError as error:
                    self.is_locked_out = True
                    yield Sleep(_nap_s(remaining_s, locked_until, error))
        except (StoreIsLockedError, SpoolError, sqlite3.Error) as error:
            _refuse_uncounted(chosen, keeper, error)
            return
        self.is_locked_out = False
        if isinstance(result, Refusal):
            raise BudgetExceeded(_refusal(chosen[windows.index(result.window)], result, self._highest_usd, now))
        self._holds.append(_Hold(chosen=chosen, keeper=keeper, reservation=result))
        if isinstance(result, Reservation):  # soft budgets of another process are warned of there
            self._warn(chosen, windows, result)

    def _give_back(self) -> None:
        """Settle what was reserved for a request that is not sent."""
        for hold in self._holds:
            hold.keeper.settle(hold.reservation, 0.0)
        self._holds = []

    def settle(self, bill: Bill) -> None:
        """Count what the request cost, by the call's bill until now.

        A request whose cost is not known counts what was reserved: the most that it can cost, or what the budgets state
        for a model without a known price.
        """
        if not self._holds:
            return
        holds, self._holds = self._holds, []
        known_usd = bill.cost.known
        cost_usd = max(known_usd - self._known_usd, 0.0)
        if bill.unknown_requests > self._unknown:
            cost_usd = max(cost_usd, self._highest_usd) if self._is_priced else cost_usd + self._highest_usd
        elif self._is_priced and cost_usd > self._highest_usd > 0:
            self._learn(cost_usd)
        self._known_usd, self._unknown = known_usd, bill.unknown_requests
        for hold in holds:
            hold.keeper.settle(hold.reservation, cost_usd)

    def _learn(self, cost_usd: float) -> None:
        """Note that the model cost more than the highest estimate, so that later calls reserve more."""
        key = (self._model.provider, self._model.model_name)
        _underestimates[key] = _underestimates.get(key, 1.0) * cost_usd / self._highest_usd
        _log.warning(
            "A call of %s:%s cost %s, more than the %s reserved for it: later calls reserve more.",
            *key, amounts.usd(cost_usd), amounts.usd(self._highest_usd),
        )  # fmt: skip

    def _warn(self, chosen: Sequence[Budget], windows: Sequence[Window], reservation: Reservation) -> None:
        """Warn of each soft budget that this call takes beyond its limit, once a window."""
        for budget, window, before in zip(chosen, windows, reservation.before, strict=True):
            if budget.is_hard or before.taken_usd + self._highest_usd <= budget.limit_usd:
                continue
            if (window.key, window.start_s) in _warned:
                continue
            _warned.add((window.key, window.start_s))
            text = (
                f"The {budget.window}'s soft budget of {amounts.limit(budget.limit_usd)} ({_matching(budget)}) is "
                f"reached: {amounts.usd(before.spent_usd)} spent, {amounts.usd(before.reserved_usd)} reserved."
            )
            _log.warning("%s", text)
            self._observation.event("budget", level="WARNING", status_message=text)


budget_states.register()  # where calls count in budgets, alert rules may ask for their status
_warned: set[tuple[str, int]] = set()
# By how much the most expensive call of a model passed its estimate: providers count what they do not show.
_underestimates: dict[tuple[str, str], float] = {}
_stores: dict[Path, BudgetStore] = {}
_latest: tuple[Pipeline, BudgetStore] | None = None


def _store() -> BudgetStore:
    """Return the budgets of the process's store, whether tracing is on or not."""
    global _latest  # noqa: PLW0603 - a pipeline stays for the life of a process
    from src.observability.current import get_pipeline

    pipeline = get_pipeline()
    if _latest is not None and _latest[0] is pipeline:
        return _latest[1]
    path = pipeline.settings.trace_db
    store = _stores.get(path)
    if store is None:
        store = _stores.setdefault(path, BudgetStore(path, recover=partial(_recover, path)))
    _latest = (pipeline, store)
    return store


def _recover(path: Path, error: sqlite3.DatabaseError) -> bool:
    """Have the trace store replace its damaged file, so that its observations move to the new one too."""
    from src.observability.current import get_pipeline

    spool = get_pipeline().spool
    return spool is not None and spool.path == path.absolute() and spool.recover(error)


def _nap_s(remaining_s: Callable[[], float], locked_until: float, error: StoreIsLockedError) -> float:
    """Return how long to wait for a lock; raise the error where the call's time is over."""
    try:
        left_s = min(remaining_s(), locked_until - time.monotonic())
    except ModelTimeout:
        raise error from None
    if left_s <= 0:
        raise error
    return min(_NAP_S, left_s)


def _refuse_uncounted(chosen: Sequence[Budget], keeper: Keeper, error: Exception) -> None:
    """Refuse a call that cannot be counted in hard budgets; soft ones refuse nothing, so that it is said in the log."""
    path = getattr(keeper, "path", None)
    name = "the file of the budgets" if path is None else f"{path}, which holds the budgets,"
    reason = str(error).rstrip(".")
    if isinstance(error, StoreIsLockedError):
        reason = (
            f"{name} stayed locked by another process: end what holds it, such as a database browser, or a copy or "
            "backup under way (`fuser` or `lsof` names it)"
        )
    elif not isinstance(error, SpoolError):
        reason = f"{name} cannot be read ({reason}): a damaged one is replaced by the next call, else move it away"
    if any(item.is_hard for item in chosen):
        raise BudgetExceeded(f"no budget can be held, since {reason}. Nothing was sent.") from error
    _log.warning("A call is counted in no soft budget, since %s.", reason)


def _unpriced_usd(model: ModelHooks, request: ModelRequest, chosen: Sequence[Budget]) -> float:
    """Return what a call counts whose price is not known; each hard budget must state it."""
    if any(item.is_hard and item.unknown_usd is None for item in chosen):
        raise BudgetExceeded(
            f"the price of {model.provider}:{request.model} is not known{_tier(model, request)}, so that no hard "
            "budget can hold it: state it in MOONDEV_PRICES, or give the budget an unknown_usd"
        )
    return max((item.unknown_usd for item in chosen if item.unknown_usd is not None), default=0.0)


def _tier(model: ModelHooks, request: ModelRequest) -> str:
    tier = requested_tier(model.provider, request)
    return "" if tier is None else f" at the service tier {tier}"


def _refuse_without_traces(chosen: Sequence[Budget]) -> None:
    """Refuse budgets that need a trace (of agents, environments, runs): without one they would limit nothing."""
    for item in chosen:
        needed = (
            "runs"
            if item.window == "run"
            else next((plural for name, plural in _TRACED.items() if name in item.match), None)
        )
        if needed is not None:
            raise InvalidRequest(
                f"MOONDEV_TRACING is off, so that {needed} are not known, and the {item.window}'s budget "
                f"({_matching(item)}, {item.source}) cannot be held: turn tracing on, or take a budget of another "
                "kind. Nothing was sent.",
                parameter=item.source,
            )


def _matching(budget: Budget) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(budget.match.items())) or "everything"


def _refusal(budget: Budget, refusal: Refusal, highest_usd: float, now: float) -> str:
    balance = refusal.balance
    spent, reserved, cost = map(amounts.usd, (balance.spent_usd, balance.reserved_usd, highest_usd))
    text = (
        f"the {budget.window}'s budget of {amounts.limit(budget.limit_usd)} ({_matching(budget)}, {budget.source}) is "
        f"not enough: {spent} spent, {reserved} reserved by calls under way, and this call may cost {cost}. Nothing "
        "was sent."
    )
    if budget.window == "run":
        return text
    end = datetime.fromtimestamp(budgets.end_of(budget.window, now), UTC)
    return f"{text} The next {budget.window} begins at {end:%Y-%m-%d %H:%M} UTC."
