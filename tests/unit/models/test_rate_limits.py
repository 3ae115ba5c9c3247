from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from src.models.limits import rate_limit_headers
from src.models.limits.rate_limit_headers import Limit, ReportedLimits
from src.models.model_factory import ModelFactory
from tests.servers import Reply, Server, chat_reply

if TYPE_CHECKING:
    from src.observability.store.spool import Spool

AT = 1_795_000_000.0


@pytest.fixture(autouse=True)
def fresh() -> None:
    rate_limit_headers._latest.clear()


@pytest.mark.parametrize(
    ("headers", "kind", "limit"),
    [
        ({"x-ratelimit-limit-requests": "5000", "x-ratelimit-remaining-requests": "4999",
          "x-ratelimit-reset-requests": "12ms"}, "requests", Limit(limit=5000, remaining=4999, reset_s=0.012)),
        ({"x-ratelimit-limit-tokens": "800000", "x-ratelimit-remaining-tokens": "0",
          "x-ratelimit-reset-tokens": "6m0s"}, "tokens", Limit(limit=800_000, remaining=0, reset_s=360.0)),
        ({"x-ratelimit-reset-tokens": "2m59.56s"}, "tokens", Limit(limit=None, remaining=None, reset_s=179.56)),
        ({"anthropic-ratelimit-input-tokens-limit": "50000", "anthropic-ratelimit-input-tokens-remaining": "49000",
          "anthropic-ratelimit-input-tokens-reset": "2026-11-18T11:06:50Z"},
         "input_tokens", Limit(limit=50_000, remaining=49_000, reset_s=10.0)),
        ({"x-ratelimit-limit": "20", "x-ratelimit-remaining": "19", "x-ratelimit-reset": str(int((AT + 30) * 1000))},
         "requests", Limit(limit=20, remaining=19, reset_s=30.0)),
        ({"x-ratelimit-limit-requests": "rubbish", "x-ratelimit-reset-requests": "soon"}, "requests", Limit()),
    ],
)  # fmt: skip
def test_reads_each_providers_headers(headers: dict[str, str], kind: str, limit: Limit) -> None:
    reported = ReportedLimits(headers=headers, at=AT, monotonic=0.0).limits()[kind]
    assert reported.limit == limit.limit
    assert reported.remaining == limit.remaining
    assert reported.reset_s == (None if limit.reset_s is None else pytest.approx(limit.reset_s, abs=0.5))


def test_keeps_only_rate_limit_headers() -> None:
    rate_limit_headers.record("x", [(b"Set-Cookie", b"secret"), (b"X-RateLimit-Limit-Requests", b"5")])
    assert rate_limit_headers.latest()["x"].headers == {"x-ratelimit-limit-requests": "5"}
    rate_limit_headers.record("y", [(b"content-type", b"text/plain")])
    assert "y" not in rate_limit_headers.latest()


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_calls_limits_are_recorded_on_its_generation(spool: Spool, *, asynchronous: bool) -> None:
    headers = {"x-ratelimit-limit-requests": "500", "x-ratelimit-remaining-requests": "421"}
    answer = chat_reply("hi")
    with Server(lambda _: Reply(200, answer.body, {**answer.headers, **headers})) as server:
        model = ModelFactory.get_model("openai", api_key="sk-x", base_url=server.url + "/v1")
        reply = asyncio.run(model.agenerate_response(None, "q")) if asynchronous else model.generate_response(None, "q")
    assert rate_limit_headers.latest()["openai"].limits()["requests"] == Limit(limit=500, remaining=421, reset_s=None)
    (row,) = spool.trace(str(reply.trace_id))
    assert b"rate_limits" in row.span
    assert b"421" in row.span


def test_limits_from_before_a_call_are_not_recorded_on_it() -> None:
    rate_limit_headers.record("x", [(b"x-ratelimit-limit-requests", b"5")])
    assert rate_limit_headers.since("x", time.monotonic() + 1) is None
    assert rate_limit_headers.since("x", 0.0) == {"requests": {"limit": 5.0}}
