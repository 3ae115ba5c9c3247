from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.models.errors import InvalidRequest, RateLimited
from src.models.limits import limiter
from src.models.limits.limiter import Admission, Limiter
from src.models.model_factory import ModelFactory
from src.models.types import Timeouts
from tests.long import rounds
from tests.servers import Server, chat_reply

if TYPE_CHECKING:
    from src.observability.store.spool import Spool


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def admit(limit: Limiter, tokens: int = 0, max_wait_s: float = 9999.0) -> float | None:
    """Take a place, and return the seconds until the call may go; None where none is taken."""
    admission = limit.reserve(tokens, max_wait_s)
    return None if admission is None else round(admission.wait_s(), 1)


def test_admits_a_minutes_worth_then_none_until_a_minute_later() -> None:
    limit = Limiter(requests_per_minute=60, clock=Clock())
    assert [admit(limit) for _ in range(60)] == [0.0] * 60
    assert [admit(limit) for _ in range(3)] == pytest.approx([60.0] * 3, abs=0.2)


def test_no_minute_holds_more_than_the_limit() -> None:
    """A bucket that starts full and refills would let 119 go in the first minute."""
    clock = Clock()
    limit, sent = Limiter(requests_per_minute=60, clock=clock), []
    while clock.now < 1000 + 180:
        admission = limit.reserve(0, 9999)
        assert admission is not None
        while wait_s := admission.wait_s():
            clock.now += wait_s
        sent.append(clock.now)
        clock.now += 0.01
    assert max(sum(start <= moment < start + 60 for moment in sent) for start in sent) == 60
    assert len(sent) >= 180


def test_places_are_free_again_a_minute_after_they_were_used() -> None:
    clock = Clock()
    limit = Limiter(requests_per_minute=2, clock=clock)
    assert [admit(limit), admit(limit)] == [0.0, 0.0]
    clock.now += 30
    assert admit(limit) == pytest.approx(30.0, abs=0.2)
    clock.now += 3600
    limit = Limiter(requests_per_minute=2, clock=clock)
    assert [admit(limit) for _ in range(3)] == pytest.approx([0.0, 0.0, 60.0], abs=0.2)


def test_less_than_one_request_a_minute() -> None:
    limit = Limiter(requests_per_minute=0.5, clock=Clock())
    assert [admit(limit), admit(limit), admit(limit)] == pytest.approx([0.0, 120.0, 240.0], abs=0.2)


def test_counts_tokens_and_takes_the_longer_wait() -> None:
    limit = Limiter(requests_per_minute=600, tokens_per_minute=6000, clock=Clock())
    assert [admit(limit, 5000), admit(limit, 1000)] == [0.0, 0.0]
    assert admit(limit, 600) == pytest.approx(60.0, abs=0.2)


def test_a_call_larger_than_the_limit_goes_alone() -> None:
    limit = Limiter(tokens_per_minute=100, clock=Clock())
    assert admit(limit, 500) == 0.0
    assert [admit(limit, 500), admit(limit, 1)] == pytest.approx([60.0, 120.0], abs=0.3)


def test_a_wait_that_is_too_long_takes_no_place() -> None:
    limit = Limiter(requests_per_minute=1, clock=Clock())
    assert admit(limit) == 0.0
    assert admit(limit, max_wait_s=9) is None
    assert admit(limit, max_wait_s=99) == pytest.approx(60.0, abs=0.2)


def test_what_a_call_has_used_replaces_what_was_expected() -> None:
    limit = Limiter(tokens_per_minute=6000, clock=Clock())
    first = limit.reserve(6000, 99)
    assert first is not None
    assert first.wait_s() == 0.0
    first.correct(5000)
    first.correct(None)
    second = limit.reserve(1000, 99)
    assert second is not None
    assert second.wait_s() == 0.0
    second.correct(2000)
    assert admit(limit, 100) == pytest.approx(60.0, abs=0.2)


def test_a_place_that_is_given_back_moves_the_others_up() -> None:
    limit = Limiter(requests_per_minute=1, clock=Clock())
    assert admit(limit) == 0.0
    waiting = [limit.reserve(0, 9999) for _ in range(3)]
    first, second, third = (admission for admission in waiting if admission is not None)
    assert [round(admission.wait_s()) for admission in (first, second, third)] == [60, 120, 180]
    first.give_back()
    first.give_back()
    assert [round(admission.wait_s()) for admission in (second, third)] == [60, 120]
    second.give_back()
    third.give_back()
    assert admit(limit) == pytest.approx(60.0, abs=0.2)


def test_threads_share_a_limiter() -> None:
    limit = Limiter(requests_per_minute=60, clock=Clock())
    waits: list[float | None] = []
    threads = [threading.Thread(target=lambda: waits.append(admit(limit))) for _ in range(70)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(wait or 0.0 for wait in waits) == pytest.approx([0.0] * 60 + [60.0] * 10, abs=0.2)


@dataclass
class Waiter:
    """A call of the simulation: when it wakes up next, how late it is each time, and when it gives up."""

    admission: Admission
    wakes: float
    late_s: float
    gives_up: float


@given(
    rate=st.sampled_from([1, 2, 5, 0.5, 1.5]),
    tokens_limit=st.sampled_from([None, 100, 1000]),
    arrivals=st.lists(
        st.tuples(
            st.floats(0, 40),  # seconds since the call before
            st.integers(0, 300),  # tokens
            st.floats(0, 20),  # how late it wakes up
            st.one_of(st.just(1e9), st.floats(0, 200)),  # when it is cancelled
        ),
        max_size=25,
    ),
)
@settings(max_examples=rounds(24, 5000))
def test_never_more_than_the_limit_in_any_window_and_nobody_waits_for_ever(
    rate: float, tokens_limit: int | None, arrivals: list[tuple[float, int, float, float]]
) -> None:
    clock = Clock()
    limit = Limiter(requests_per_minute=rate, tokens_per_minute=tokens_limit, clock=clock)
    waiting: list[Waiter] = []
    sent: list[tuple[float, int]] = []
    moment, due = clock.now, []
    for gap_s, tokens, late_s, patience_s in arrivals:
        moment += gap_s
        due.append((moment, tokens, late_s, patience_s))
    while due or waiting:
        times = [item[0] for item in due[:1]] + [min(item.wakes, item.gives_up) for item in waiting]
        clock.now = max(clock.now, min(times))
        if due and due[0][0] <= clock.now:
            _, tokens, late_s, patience_s = due.pop(0)
            admission = limit.reserve(tokens, 1e9)
            assert admission is not None
            waiting.append(Waiter(admission, clock.now, late_s, clock.now + patience_s))
        for item in [item for item in waiting if min(item.wakes, item.gives_up) <= clock.now]:
            if item.gives_up <= clock.now:
                item.admission.give_back()
                waiting.remove(item)
                continue
            wait_s = item.admission.wait_s()
            if wait_s:
                item.wakes = clock.now + wait_s + item.late_s
            else:
                sent.append((clock.now, int(item.admission.tokens)))
                waiting.remove(item)
    window_s = 60 / min(rate, 1)
    for start, _ in sent:
        within = [tokens for moment, tokens in sent if start <= moment < start + window_s]
        assert len(within) <= max(int(rate), 1)
        minute = [tokens for moment, tokens in sent if start <= moment < start + 60]
        assert tokens_limit is None or len(minute) == 1 or sum(minute) <= tokens_limit or not sum(minute[1:])
    assert clock.now <= moment + (len(arrivals) + 1) * (window_s + 60 + 21)


@pytest.mark.parametrize(
    ("text", "requests", "tokens"),
    [("60rpm", 60, None), ("100000tpm", None, 100_000), ("60rpm,100000tpm", 60, 100_000), ("5 RPM; 9 tpm", 5, 9)],
)
def test_parses_a_limit(text: str, requests: float | None, tokens: float | None) -> None:
    limit = limiter.parse(text)
    assert (limit.requests_per_minute, limit.tokens_per_minute) == (requests, tokens)


@pytest.mark.parametrize("text", ["", "60", "fast", "60rps", "60rpm and more", "0rpm"])
def test_refuses_text_that_is_no_limit(text: str) -> None:
    with pytest.raises(InvalidRequest, match="rpm"):
        limiter.parse(text)


def test_the_variable_limits_its_provider_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOONDEV_LIMIT_OPENAI", "60rpm")
    monkeypatch.setenv("OPENAI_KEY", "sk-test-0123456789abcdefghij")
    first, second = ModelFactory.get_model("openai", "gpt-4o"), ModelFactory.get_model("openai", "gpt-4.1")
    assert first.limiter is second.limiter is not None
    assert ModelFactory.get_model("ollama").limiter is None


def test_a_cancelled_call_gives_its_place_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of threads and tasks that wait for one limiter, those that are left move up."""
    monkeypatch.setattr(limiter, "_MINUTE_S", 0.4)

    async def main(model: Any) -> tuple[float, int]:
        tasks = [asyncio.create_task(model.agenerate_response(None, "hi")) for _ in range(50)]
        await asyncio.sleep(0.05)
        for task in tasks[1:]:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        started = time.monotonic()
        await asyncio.to_thread(model.generate_response, None, "hi")
        return time.monotonic() - started, sum(not isinstance(result, BaseException) for result in results)

    with Server(lambda _: chat_reply("hi")) as server:
        model = ModelFactory.get_model("openai", api_key="sk-x", base_url=f"{server.url}/v1", limit="1rpm")
        waited_s, answered = asyncio.run(main(model))
        assert model.limiter is not None
        assert not model.limiter._queue
        assert answered < len(server.received) < 25  # one that was cancelled may have been on its way
    assert waited_s < 10  # with 49 places before it: 20 s


@pytest.mark.parametrize("streamed", [False, True])
def test_a_call_that_could_go_only_after_its_deadline_is_not_sent(
    monkeypatch: pytest.MonkeyPatch, spool: Spool, *, streamed: bool
) -> None:
    with Server(lambda _: chat_reply("hi")) as server:
        model = ModelFactory.get_model(
            "openai",
            api_key="sk-x",
            base_url=server.url + "/v1",
            limit="1rpm",
            timeouts=Timeouts(connect=5.0, read=5.0, total=5.0),
        )
        model.generate_response(None, "hi")
        with pytest.raises(RateLimited, match="1rpm") as caught:
            list(model.stream_response(None, "hi")) if streamed else model.generate_response(None, "hi")
        assert len(server.received) == 1
    assert spool.trace(str(caught.value.trace_id))[0].error_category == "rate_limit"
