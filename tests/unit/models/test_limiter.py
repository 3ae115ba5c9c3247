from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from src.models.errors import InvalidRequest, RateLimited
from src.models.limits import limiter
from src.models.limits.limiter import Limiter
from src.models.model_factory import ModelFactory
from src.models.types import Timeouts
from tests.servers import Server, chat_reply

if TYPE_CHECKING:
    from src.observability.store.spool import Spool


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_admits_a_minutes_worth_then_one_by_one() -> None:
    limit = Limiter(requests_per_minute=60, clock=Clock())
    assert [limit.reserve(0, 99) for _ in range(60)] == [0.0] * 60
    assert [limit.reserve(0, 99) for _ in range(3)] == pytest.approx([1.0, 2.0, 3.0])


def test_refills_with_time() -> None:
    clock = Clock()
    limit = Limiter(requests_per_minute=60, clock=clock)
    for _ in range(62):
        limit.reserve(0, 99)
    clock.now += 5
    assert [limit.reserve(0, 99) for _ in range(4)] == pytest.approx([0.0, 0.0, 0.0, 1.0])


def test_never_saves_more_than_a_minutes_worth() -> None:
    clock = Clock()
    limit = Limiter(requests_per_minute=2, clock=clock)
    clock.now += 3600
    assert [limit.reserve(0, 999) for _ in range(3)] == pytest.approx([0.0, 0.0, 30.0])


def test_counts_tokens_and_takes_the_longer_wait() -> None:
    limit = Limiter(requests_per_minute=600, tokens_per_minute=6000, clock=Clock())
    assert limit.reserve(6000, 99) == 0.0
    assert limit.reserve(600, 99) == pytest.approx(6.0)


def test_a_call_larger_than_the_limit_waits_for_a_full_bucket() -> None:
    limit = Limiter(tokens_per_minute=100, clock=Clock())
    assert limit.reserve(500, 999) == 0.0
    assert limit.reserve(500, 999) == pytest.approx(300.0)


def test_a_wait_that_is_too_long_reserves_nothing() -> None:
    limit = Limiter(requests_per_minute=1, clock=Clock())
    limit.reserve(0, 9)
    assert limit.reserve(0, 9) is None
    assert limit.reserve(0, 99) == pytest.approx(60.0)


def test_returns_tokens_that_a_call_did_not_use() -> None:
    limit = Limiter(tokens_per_minute=6000, clock=Clock())
    limit.reserve(6000, 99)
    limit.correct(6000, 5000)
    assert limit.reserve(1000, 99) == 0.0
    limit.correct(1000, 2000)
    assert limit.reserve(100, 99) == pytest.approx(11.0)


def test_threads_share_a_limiter() -> None:
    limit = Limiter(requests_per_minute=60, clock=Clock())
    waits: list[float | None] = []
    threads = [threading.Thread(target=lambda: waits.append(limit.reserve(0, 9999))) for _ in range(70)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(wait or 0.0 for wait in waits) == pytest.approx([0.0] * 60 + [float(n) for n in range(1, 11)])


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
            timeouts=Timeouts(connect=1.0, read=5.0, total=5.0),
        )
        model.generate_response(None, "hi")
        with pytest.raises(RateLimited, match="1rpm") as caught:
            list(model.stream_response(None, "hi")) if streamed else model.generate_response(None, "hi")
        assert len(server.received) == 1
    assert spool.trace(str(caught.value.trace_id))[0].error_category == "rate_limit"
