from __future__ import annotations

import pytest

from src.models.errors import AuthenticationFailed, ModelTimeout, RateLimited, ServerFailed
from src.models.retry import NO_RETRIES, Retries, RetryPolicy

POLICY = RetryPolicy(max_attempts=4, first_wait_s=1.0, longest_wait_s=4.0, retry_after_cap_s=30.0)


def test_stops_at_the_last_attempt() -> None:
    retries = Retries(POLICY, 1e9)
    waits = [retries.wait_after(ServerFailed("x"), 0.0) for _ in range(5)]
    assert [wait is None for wait in waits] == [False, False, False, True, True]


def test_waits_grow_with_jitter_up_to_the_longest() -> None:
    firsts = {Retries(POLICY, 1e9).wait_after(ServerFailed("x"), 0.0) for _ in range(50)}
    assert len(firsts) > 40
    assert all(wait is not None and 0.0 <= wait <= 1.0 for wait in firsts)
    for _ in range(50):
        retries = Retries(POLICY, 1e9)
        waits = [retries.wait_after(ServerFailed("x"), 0.0) or 0.0 for _ in range(3)]
        assert all(wait <= limit for wait, limit in zip(waits, (1.0, 2.0, 4.0), strict=True))


def test_waits_for_retry_after_up_to_the_cap() -> None:
    assert Retries(POLICY, 1e9).wait_after(RateLimited("x", retry_after_s=29.0), 0.0) == 29.0
    assert Retries(POLICY, 1e9).wait_after(RateLimited("x", retry_after_s=31.0), 0.0) is None


def test_a_retry_after_of_zero_still_backs_off() -> None:
    waits = {Retries(POLICY, 1e9).wait_after(RateLimited("x", retry_after_s=0.0), 0.0) for _ in range(20)}
    assert len(waits) > 10


def test_never_waits_past_the_deadline() -> None:
    assert Retries(POLICY, 10.0).wait_after(RateLimited("x", retry_after_s=5.0), 4.0) == 5.0
    assert Retries(POLICY, 10.0).wait_after(RateLimited("x", retry_after_s=5.0), 5.0) is None
    assert Retries(POLICY, 10.0).wait_after(ModelTimeout("x"), 10.0) is None


def test_does_not_retry_an_error_that_would_recur() -> None:
    assert Retries(POLICY, 1e9).wait_after(AuthenticationFailed("x"), 0.0) is None


@pytest.mark.parametrize("error", [ServerFailed("x"), RateLimited("x", retry_after_s=0.0)])
def test_no_retries_means_none(error: ServerFailed | RateLimited) -> None:
    assert Retries(NO_RETRIES, 1e9).wait_after(error, 0.0) is None
