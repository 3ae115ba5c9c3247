"""Decide whether a failed attempt is tried again, and when: the one retry policy, on tenacity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from src.models.errors import ModelError

if TYPE_CHECKING:
    import tenacity


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Bound retries. Waits are in seconds, exponential with full jitter; Retry-After is honoured up to its cap.

    A provider that asks for a longer wait than `retry_after_cap_s` is not tried again: the error carries what it asked.
    """

    max_attempts: int = 3
    first_wait_s: float = 0.5
    longest_wait_s: float = 8.0
    retry_after_cap_s: float = 30.0

    def is_worth_retrying(self, error: BaseException) -> bool:
        """Tell whether the same request may succeed later."""
        if not isinstance(error, ModelError) or not error.retryable:
            return False
        return error.retry_after_s is None or error.retry_after_s <= self.retry_after_cap_s


NO_RETRIES = RetryPolicy(max_attempts=1)


class Retries:
    """Count the attempts of one call. tenacity decides; the caller sleeps, so that sync and async share this."""

    def __init__(self, policy: RetryPolicy, deadline_s: float) -> None:
        self._policy = policy
        self._deadline_s = deadline_s
        self._retrying: tenacity.Retrying | None = None
        self._state: tenacity.RetryCallState | None = None
        self._spent_s = 0.0

    def wait_after(self, error: ModelError, elapsed_s: float) -> float | None:
        """Return the seconds to wait before the next attempt, or None where there is to be none.

        `elapsed_s` is the time since the call began, on the caller's clock.
        """
        import tenacity

        if self._retrying is None:
            self._retrying = self._make()
            self._retrying.begin()
            self._state = tenacity.RetryCallState(self._retrying, fn=None, args=(), kwargs={})
        state = self._state
        assert state is not None  # noqa: S101 - made with the controller
        self._spent_s = elapsed_s
        state.set_exception((type(error), error, error.__traceback__))
        try:
            action = self._retrying.iter(retry_state=state)
        except ModelError:
            return None
        if not isinstance(action, tenacity.DoSleep):
            return None
        state.prepare_for_next_attempt()
        return float(action)

    def _make(self) -> tenacity.Retrying:
        import tenacity

        policy = self._policy
        backoff = tenacity.wait_random_exponential(multiplier=policy.first_wait_s, max=policy.longest_wait_s)

        def wait(state: tenacity.RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            asked = error.retry_after_s if isinstance(error, ModelError) else None
            return asked or backoff(state)  # a provider that says «now», or a time gone by, is not asked at once

        def past_deadline(state: tenacity.RetryCallState) -> bool:
            return self._spent_s + state.upcoming_sleep >= self._deadline_s

        attempts = tenacity.stop_after_attempt(policy.max_attempts)
        return tenacity.Retrying(
            retry=tenacity.retry_if_exception(policy.is_worth_retrying),
            stop=lambda state: attempts(state) or past_deadline(state),
            wait=wait,
            reraise=True,
        )
