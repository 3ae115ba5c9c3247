"""Decide with tenacity whether and when a failed attempt is retried."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from src.models.errors import InvalidRequest, ModelError

if TYPE_CHECKING:
    import tenacity


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The bounds of retries: exponential backoff with full jitter, in seconds; Retry-After is honoured up to its cap.

    A provider that asks for a longer wait than `retry_after_cap_s` is not retried; the error carries that wait.
    """

    max_attempts: int = 3
    first_wait_s: float = 0.5
    longest_wait_s: float = 8.0
    retry_after_cap_s: float = 30.0

    def __post_init__(self) -> None:
        """Check the bounds.

        Raises:
            InvalidRequest: one of them has an impossible value; the error names it.
        """
        attempts: object = self.max_attempts
        if isinstance(attempts, bool) or not isinstance(attempts, int) or attempts < 1:
            raise InvalidRequest(f"max_attempts is {attempts!r}, not a whole number above 0.", parameter="max_attempts")
        for name in ("first_wait_s", "longest_wait_s", "retry_after_cap_s"):
            value: object = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
                raise InvalidRequest(f"{name} is {value!r}: give seconds, 0 or more.", parameter=name)

    def is_worth_retrying(self, error: BaseException) -> bool:
        """Tell whether the same request may succeed later."""
        if not isinstance(error, ModelError) or not error.retryable:
            return False
        return error.retry_after_s is None or error.retry_after_s <= self.retry_after_cap_s


NO_RETRIES = RetryPolicy(max_attempts=1)


class Retries:
    """The retries of one call: tenacity decides, and the caller sleeps, so that sync and async share this."""

    def __init__(self, policy: RetryPolicy, deadline_s: float) -> None:
        self._policy = policy
        self._deadline_s = deadline_s
        self._retrying: tenacity.Retrying | None = None
        self._state: tenacity.RetryCallState | None = None
        self._elapsed_s = 0.0

    def wait_after(self, error: ModelError, elapsed_s: float) -> float | None:
        """Return the seconds to wait before the next attempt, or None to give up.

        Args:
            error: Why the last attempt failed.
            elapsed_s: The time since the call began, on the caller's clock.
        """
        import tenacity

        if self._retrying is None:
            self._retrying = self._make()
            self._retrying.begin()
            self._state = tenacity.RetryCallState(self._retrying, fn=None, args=(), kwargs={})
        state = self._state
        assert state is not None  # noqa: S101 - made with the controller
        self._elapsed_s = elapsed_s
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
            retry_after_s = error.retry_after_s if isinstance(error, ModelError) else None
            return retry_after_s or backoff(state)  # a Retry-After of 0, or in the past, still backs off

        def past_deadline(state: tenacity.RetryCallState) -> bool:
            return self._elapsed_s + state.upcoming_sleep >= self._deadline_s

        attempts = tenacity.stop_after_attempt(policy.max_attempts)
        return tenacity.Retrying(
            retry=tenacity.retry_if_exception(policy.is_worth_retrying),
            stop=lambda state: attempts(state) or past_deadline(state),
            wait=wait,
            reraise=True,
        )
