from __future__ import annotations

import contextlib
import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from src.models import ModelFactory
from src.models.retry import RetryPolicy
from src.observability import get_tracker, metrics, observe_agent
from tests.servers import Langfuse, Reply, Server, chat_reply, error_reply, in_turn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from src.models import BaseModel

MODEL = "gpt-4o"
CALL = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": MODEL}


class Reader:
    def __init__(self) -> None:
        self.reader = InMemoryMetricReader()
        self.provider = MeterProvider(metric_readers=[self.reader])

    def read(self) -> dict[str, dict[frozenset[tuple[str, Any]], Any]]:
        data = self.reader.get_metrics_data()
        if data is None:
            return {}
        return {
            metric.name: {frozenset((point.attributes or {}).items()): point for point in metric.data.data_points}
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    def only(self, name: str) -> Any:
        (point,) = self.read()[name].values()
        return point


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    reader = Reader()
    monkeypatch.setattr("opentelemetry.metrics._internal._METER_PROVIDER", reader.provider)
    yield reader
    reader.provider.shutdown()


def model_at(server: Server) -> BaseModel:
    policy = RetryPolicy(max_attempts=2, first_wait_s=0.01, longest_wait_s=0.02)
    return ModelFactory.get_model("openai", MODEL, api_key="k", base_url=f"{server.url}/v1", retry_policy=policy)


def test_a_call_is_counted_by_the_semantic_conventions(reader: Reader) -> None:
    with Server(lambda _: chat_reply("hold")) as server:
        reply = model_at(server).generate_response(None, "x")
    metrics_read = reader.read()
    labels = CALL | {"gen_ai.response.model": reply.model_name}
    duration = metrics_read["gen_ai.client.operation.duration"][frozenset(labels.items())]
    assert duration.count == 1
    assert 0 < duration.sum < 60
    assert duration.explicit_bounds[:3] == (0.01, 0.02, 0.04)
    tokens = metrics_read["gen_ai.client.token.usage"]
    assert tokens[frozenset({**labels, "gen_ai.token.type": "input"}.items())].sum == 10
    assert tokens[frozenset({**labels, "gen_ai.token.type": "output"}.items())].sum == 5
    assert reader.only("moondev.cost").value == pytest.approx(reply.cost_usd)
    assert {"moondev.errors", "moondev.retries", "moondev.calls.unpriced"}.isdisjoint(metrics_read)


def test_failures_and_retries_are_counted_by_category(reader: Reader) -> None:
    replies: Iterator[Reply] = itertools.chain(
        [error_reply(500, "x"), chat_reply("hold")], itertools.repeat(error_reply(401, "bad key"))
    )
    with Server(in_turn(replies)) as server:
        model_at(server).generate_response(None, "x")
        with pytest.raises(Exception, match="bad key"):
            model_at(server).generate_response(None, "x")
    assert dict(reader.only("moondev.retries").attributes)["error.type"] == "server"
    failed = reader.only("moondev.errors")
    assert (failed.value, dict(failed.attributes)) == (1, CALL | {"error.type": "authentication"})
    durations = reader.read()["gen_ai.client.operation.duration"]
    assert sorted(dict(key).get("error.type", "") for key in durations) == ["", "authentication"]


def test_a_call_of_unknown_price_is_counted_as_unpriced_not_as_free(reader: Reader) -> None:
    with Server(lambda _: chat_reply("hold", model="nobody-prices-this")) as server:
        policy = RetryPolicy(max_attempts=1)
        address = f"{server.url}/v1"
        model = ModelFactory.get_model("openai", "nobody-either", api_key="k", base_url=address, retry_policy=policy)
        assert model.generate_response(None, "x").cost_usd is None
    assert "moondev.cost" not in reader.read()
    assert reader.only("moondev.calls.unpriced").value == 1


@pytest.mark.parametrize("setting", [("MOONDEV_TRACING", "off"), ("MOONDEV_CAPTURE", "metadata")])
def test_calls_are_counted_whatever_is_traced(
    setting: tuple[str, str], reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(*setting)
    with Server(lambda _: chat_reply("hold")) as server:
        model_at(server).generate_response(None, "x")
    assert reader.only("gen_ai.client.operation.duration").count == 1


def test_a_stream_counts_once_however_it_is_read(reader: Reader) -> None:
    def event(**fields: Any) -> bytes:
        return b"data: " + json.dumps({"id": "1", "object": "chat.completion.chunk", "created": 1, **fields}).encode()

    pieces = [
        event(model=MODEL, choices=[{"index": 0, "delta": {"content": "ho"}, "finish_reason": None}]),
        event(model=MODEL, choices=[{"index": 0, "delta": {"content": "ld"}, "finish_reason": "stop"}]),
        event(model=MODEL, choices=[], usage={"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}),
        b"data: [DONE]",
    ]
    body = b"".join(piece + b"\n\n" for piece in pieces)
    with Server(lambda _: Reply(body=body, headers={"content-type": "text/event-stream"})) as server:
        chunks = model_at(server).stream_response(None, "x")
        whole = list(chunks)
        for number in range(1, len(whole) + 1):
            with contextlib.closing(iter(model_at(server).stream_response(None, "x"))) as events:  # type: ignore[type-var] # a generator
                for _ in range(number):
                    next(events)
    durations = reader.read()["gen_ai.client.operation.duration"].values()
    assert sum(point.count for point in durations) == 1 + len(whole)
    stopped = [point for point in durations if "error.type" in (point.attributes or {})]
    assert [(point.attributes["error.type"], point.count) for point in stopped] == [("cancelled", len(whole) - 1)]


def test_without_a_meter_provider_no_instruments_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "_known", None)
    assert not metrics.is_enabled()
    with Server(lambda _: chat_reply("hold")) as server:
        model_at(server).generate_response(None, "x")
    assert metrics._known is None


def test_instruments_are_made_once_and_anew_for_another_provider(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = metrics._instruments()
    assert metrics._instruments() is first
    other = Reader()
    monkeypatch.setattr("opentelemetry.metrics._internal._METER_PROVIDER", other.provider)
    metrics.record_retry("openai", MODEL, "server")
    assert other.only("moondev.retries").value == 1
    assert "moondev.retries" not in reader.read()


def test_the_state_of_the_store_is_observable(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    with Langfuse() as down:
        down.answer = lambda _: Reply(503)
        for name, value in {"HOST": down.url, "PUBLIC_KEY": "pk-lf-1", "SECRET_KEY": "sk-lf-1"}.items():
            monkeypatch.setenv(f"LANGFUSE_{name}", value)
        metrics._instruments()
        with observe_agent("a"):
            pass
        tracker = get_tracker()
        tracker.flush(0.5)
        assert tracker.spool is not None
        for _ in range(3):
            tracker.spool.count_loss()
        metrics_read = reader.read()
        (waiting,) = metrics_read["moondev.store.undelivered"].values()
        assert (waiting.value, waiting.attributes["destination"][:9]) == (1, "langfuse:")
        assert next(iter(metrics_read["moondev.store.lost"].values())).value == 3
        assert next(iter(metrics_read["moondev.store.refused"].values())).value == 0
        assert next(iter(metrics_read["moondev.store.size"].values())).value > 4096


def test_a_broken_instrument_breaks_no_call(
    reader: Reader, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("full")

    monkeypatch.setattr(metrics._instruments().duration, "record", broken)
    monkeypatch.setattr(metrics, "_failed", False)
    with Server(lambda _: chat_reply("hold")) as server:
        for _ in range(2):
            assert model_at(server).generate_response(None, "x").content == "hold"
    assert caplog.text.count("could not be counted (full)") == 1
