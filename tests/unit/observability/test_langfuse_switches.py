"""Every switch that Langfuse's own SDK documents is honoured, or named as not being so in docs/langfuse.md."""

from __future__ import annotations

import importlib.util
import logging
import re
from pathlib import Path
from typing import Any

import pytest

from src.observability import flush, get_tracker, observe_agent, score, settings
from src.observability.delivery.destinations import langfuse_destination
from src.observability.settings import Settings, SettingsError
from src.observability.tracker import set_tracker
from tests.langfuse_server import LangfuseServer
from tests.servers import Received, Reply

KEYS = {"LANGFUSE_PUBLIC_KEY": "pk-lf-1", "LANGFUSE_SECRET_KEY": "sk-lf-1"}
PAGE = Path(__file__).resolve().parents[3] / "docs" / "langfuse.md"


def use(monkeypatch: pytest.MonkeyPatch, server: LangfuseServer, **variables: str) -> None:
    for name, value in {"LANGFUSE_HOST": server.url, **KEYS, **variables}.items():
        monkeypatch.setenv(name, value)


def run_once() -> str:
    with observe_agent("momentum", trading_pair="BTC-USD") as run:
        run.update(output="BUY")
    assert run.trace_id is not None
    score("pnl", 1.0, trace_id=run.trace_id)
    return run.trace_id


def test_every_documented_switch_is_on_the_page() -> None:
    spec = importlib.util.find_spec("langfuse")
    assert spec is not None
    assert spec.origin is not None
    source = (Path(spec.origin).parent / "_client" / "environment_variables.py").read_text(encoding="utf-8")
    documented = set(re.findall(r"^(LANGFUSE_\w+)", source, re.MULTILINE))
    assert len(documented) > 15
    assert documented <= set(re.findall(r"LANGFUSE_\w+", PAGE.read_text(encoding="utf-8")))


@pytest.mark.parametrize("word", ["false", "False", "FALSE", "0", "off", "no"])
def test_tracing_enabled_false_sends_nothing_and_stores_everything(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with LangfuseServer() as server:
        use(monkeypatch, server, LANGFUSE_TRACING_ENABLED=word)
        trace_id = run_once()
        assert flush(60) == 0
        spool = get_tracker().spool
        assert spool is not None
        assert len(spool.trace(trace_id)) == 1
        assert server.requests == []
        client = get_tracker().client  # Langfuse's own client obeys the same switch
        client.create_score(name="x", value=1.0, trace_id=trace_id)
        client.flush()
        assert server.requests == []


@pytest.mark.parametrize("word", ["", "true", "1"])
def test_tracing_enabled_otherwise_sends(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with LangfuseServer() as server:
        use(monkeypatch, server, LANGFUSE_TRACING_ENABLED=word)
        run_once()
        assert flush(60) == 0
        assert (server.counted(), len(server.scores)) == (1, 1)


def test_the_sample_rate_selects_whole_traces_and_the_store_has_all(monkeypatch: pytest.MonkeyPatch) -> None:
    from opentelemetry.sdk.trace.sampling import Decision, TraceIdRatioBased

    with LangfuseServer() as server:
        use(monkeypatch, server, LANGFUSE_SAMPLE_RATE="0.5")
        trace_ids = [run_once() for _ in range(40)]
        assert flush(60) == 0
        sampler = TraceIdRatioBased(0.5)
        selected = {
            trace_id
            for trace_id in trace_ids
            if sampler.should_sample(None, int(trace_id, 16), "x").decision is Decision.RECORD_AND_SAMPLE
        }
        assert {span.trace_id for span in server.spans} == selected
        assert {item["traceId"] for item in server.scores.values()} == selected
        spool = get_tracker().spool
        assert spool is not None
        assert (spool.stats().observations, spool.stats().scores) == (40, 40)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("LANGFUSE_TRACING_ENABLED", "flase"),
        ("LANGFUSE_SAMPLE_RATE", "2"),
        ("LANGFUSE_SAMPLE_RATE", "-0.1"),
        ("LANGFUSE_SAMPLE_RATE", "nan"),
        ("LANGFUSE_SAMPLE_RATE", "half"),
        ("LANGFUSE_FLUSH_AT", "0"),
        ("LANGFUSE_FLUSH_AT", "1.5"),
        ("LANGFUSE_FLUSH_INTERVAL", "soon"),
        ("LANGFUSE_TIMEOUT", "0"),
        ("LANGFUSE_OTEL_COMPRESSION", "br"),
        ("LANGFUSE_OTEL_MAX_BATCH_SIZE_BYTES", "1MB"),
        ("LANGFUSE_DEBUG", "maybe"),
        ("LANGFUSE_MEDIA_UPLOAD_ENABLED", "maybe"),
        ("MOONDEV_CONFIRM_AFTER_S", "-1"),
    ],
)
def test_a_wrong_value_is_named(variable: str, value: str, caplog: pytest.LogCaptureFixture) -> None:
    environ = {variable: value, **KEYS}
    with pytest.raises(SettingsError, match=variable) as raised:
        Settings.read(environ)
    assert repr(value) in str(raised.value)
    fallback = Settings.read_or_default(environ)
    assert variable in caplog.text
    stops = variable in ("LANGFUSE_TRACING_ENABLED", "LANGFUSE_SAMPLE_RATE")
    assert fallback.langfuse_delivers is not stops  # where the intent was to send less, nothing is sent


def test_limits_and_paths_reach_the_destination() -> None:
    environ = {
        "LANGFUSE_FLUSH_AT": "7",
        "LANGFUSE_FLUSH_INTERVAL": "0.2",
        "LANGFUSE_TIMEOUT": "45",
        "LANGFUSE_OTEL_TRACES_EXPORT_PATH": "otel/traces",
        "LANGFUSE_OTEL_MAX_BATCH_SIZE_BYTES": "1000",
        "LANGFUSE_OTEL_COMPRESSION": "None",
        "MOONDEV_CONFIRM_AFTER_S": "5",
    }
    switches = Settings.read(environ).langfuse
    destination = langfuse_destination("http://host", "pk", "sk", switches=switches)
    assert (destination.max_rows, destination.gather_s, destination.max_bytes) == (7, 0.2, 1000)
    assert (destination.timeout_s, destination.ask_timeout_s, destination.confirm_after_s) == (45, 45, 5)
    assert (destination.traces_url, destination.gzip) == ("http://host/otel/traces", False)
    short = Settings.read({"LANGFUSE_TIMEOUT": "5"}).langfuse
    assert langfuse_destination("http://host", "pk", "sk", switches=short).timeout_s == 30  # else more is in doubt


def test_flush_at_bounds_each_request(monkeypatch: pytest.MonkeyPatch) -> None:
    with LangfuseServer() as server:
        use(monkeypatch, server, LANGFUSE_FLUSH_AT="4", LANGFUSE_OTEL_TRACES_EXPORT_PATH="/api/public/otel/v1/traces")
        for _ in range(10):
            run_once()
        assert flush(60) == 0
        assert server.counted() == 10
        assert server.paths("POST").count("/api/public/otel/v1/traces") == 3


def test_debug_logs_each_request(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(logging, "basicConfig", lambda **_: None)
    logger = logging.getLogger("moondev")
    before = logger.level
    try:
        with LangfuseServer() as server:
            use(monkeypatch, server, LANGFUSE_DEBUG="True")
            run_once()
            assert flush(60) == 0
        assert "1 observations: accepted" in caplog.text
        assert "sk-lf-1" not in caplog.text
    finally:
        logger.setLevel(before)


def test_files_are_uploaded_unless_that_is_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = "data:image/png;base64," + "iVBORw0KGgo" * 20 + "AAAA"
    for word, uploads in (("false", 0), ("true", 1)):
        with LangfuseServer() as server:
            use(monkeypatch, server, LANGFUSE_MEDIA_UPLOAD_ENABLED=word, MOONDEV_IMAGES="whole")
            with observe_agent("momentum", input={"image_url": {"url": picture}}):
                pass
            assert flush(60) == 0
            assert server.paths("POST").count("/api/public/media") == uploads
            assert "sha256" in str(server.spans[0].attributes)  # this server has no media store
        set_tracker(None)


def test_base_url_wins_over_host() -> None:
    read = Settings.read({"LANGFUSE_HOST": "http://a", "LANGFUSE_BASE_URL": "http://b/"})
    assert read.langfuse_host == "http://b"
    assert Settings.read({"LANGFUSE_HOST": "http://a", "LANGFUSE_BASE_URL": " "}).langfuse_host == "http://a"
    assert Settings.read({}).langfuse_host == settings.LANGFUSE_CLOUD


def test_where_langfuses_sdk_has_its_environment_and_release_from_ours_has_them_too() -> None:
    read: Any = Settings.read({"LANGFUSE_TRACING_ENVIRONMENT": "Prod", "LANGFUSE_RELEASE": "v7"})
    assert (read.environment, read.release) == ("prod", "v7")


def test_a_key_that_may_not_read_is_no_reason_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    with LangfuseServer() as server:
        use(monkeypatch, server)

        def forbid(request: Received) -> Reply | None:
            return Reply(403) if request.method == "GET" else None

        server.answer = forbid
        run_once()
        assert flush(60) == 0
        assert server.counted() == 1
