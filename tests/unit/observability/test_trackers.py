"""How settings and switches change a tracker."""

from __future__ import annotations

import gzip
import os
import sys
import threading
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from src.observability import (
    LangFuseTracker,
    attributes,
    flush,
    get_tracker,
    observe_agent,
    score,
)
from src.observability.settings import Settings, SettingsError
from src.observability.tracing.observation import observe, start
from tests import warm
from tests.servers import Langfuse, Reply, eventually
from tests.unit.observability.stored import attributes_of, only

ROOT = Path(__file__).parents[3]


def test_switches_stop_delivery_not_the_store(langfuse: Langfuse, monkeypatch: pytest.MonkeyPatch) -> None:
    from src.observability.tracker import set_tracker

    for name, value in (("ENABLE_LANGFUSE", "false"), ("MOONDEV_OFFLINE", "1")):
        with monkeypatch.context() as scoped:
            scoped.setenv(name, value)
            set_tracker(None)
            with observe_agent("quiet"):
                pass
            assert flush(60) == 0
    assert langfuse.requests == []
    set_tracker(None)
    with observe_agent("loud"):
        pass
    assert flush(60) == 0  # what was stored while delivery was off goes too
    assert sorted(span.name for span in langfuse.spans) == ["loud.run", "quiet.run", "quiet.run"]


@pytest.mark.parametrize(
    ("value", "delivers"),
    [(True, True), (False, False), ("false", False), ("on", True), (0, False), ("scores", True)],
)
def test_the_users_config_file_switches_langfuse(
    value: object, delivers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from src import config

    keys = {"LANGFUSE_PUBLIC_KEY": "pk-lf-a", "LANGFUSE_SECRET_KEY": "sk-lf-a"}
    monkeypatch.setattr(config, "ENABLE_LANGFUSE", value)
    assert Settings.read(keys).langfuse_delivers is delivers
    assert Settings.read({**keys, "ENABLE_LANGFUSE": "true"}).langfuse_delivers
    assert not Settings.read({**keys, "ENABLE_LANGFUSE": "off"}).langfuse_delivers
    monkeypatch.setattr(config, "ENABLE_LANGFUSE", "perhaps")
    assert not Settings.read_or_default(keys).langfuse_delivers


def test_with_tracing_off_programs_that_use_ids_still_work(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MOONDEV_TRACING", "off")
    with observe_agent("a", metadata={"k": 1}) as run:
        run.update(output=1, metadata={"decision": "BUY"})
        run.event("note")
        run.score("s", 1)
        with observe("t", "tool") as tool:
            pass
    assert (run.trace_id, run.id, tool.id) == (None, None, None)
    assert score("pnl", 12.5, trace_id=run.trace_id) is None
    assert flush(60) == 0
    assert caplog.text.count("MOONDEV_TRACING is off") == 1


def test_another_otlp_backend_gets_the_spans_only_where_it_is_switched_on(monkeypatch: pytest.MonkeyPatch) -> None:
    from src.observability.tracker import set_tracker

    with Langfuse() as collector:
        collector_url = f"{collector.url}/api/public/otel/v1/traces"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", collector_url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-team=desk%201")
        with observe_agent("quiet"):
            pass
        assert flush(60) == 0
        assert collector.requests == []
        monkeypatch.setenv("MOONDEV_OTLP", "on")
        set_tracker(None)
        with observe_agent("loud") as run:
            run.score("s", 1)
        assert flush(60) == 0
        assert [span.name for span in collector.spans] == ["quiet.run", "loud.run"]
        assert collector.scores == []
        assert collector.requests[0].headers["x-team"] == "desk 1"


def test_the_release_is_delivered_on_spans_and_resource(langfuse: Langfuse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGFUSE_RELEASE", "v1.2.3")
    with observe_agent("a"):
        start("g", "generation").end()
    assert flush(60) == 0
    assert {span.attributes["langfuse.release"] for span in langfuse.spans} == {"v1.2.3"}
    request = next(request for request in langfuse.requests if "traces" in request.path)
    (resource,) = ExportTraceServiceRequest.FromString(gzip.decompress(request.body)).resource_spans
    resource_attributes = {item.key: item.value.string_value for item in resource.resource.attributes}
    assert resource_attributes["langfuse.release"] == resource_attributes["service.version"] == "v1.2.3"


def test_a_tracker_that_is_shut_down_leaves_no_thread_behind(langfuse: Langfuse) -> None:
    before = set(threading.enumerate())
    tracker = get_tracker()
    assert tracker.client is not None
    assert set(threading.enumerate()) - before  # those of earlier tests may end meanwhile
    tracker.shutdown(1.0)
    assert eventually(lambda: set(threading.enumerate()) <= before), threading.enumerate()


def test_flush_after_shutdown_does_not_wait(langfuse: Langfuse, monkeypatch: pytest.MonkeyPatch) -> None:
    langfuse.answer = lambda _: Reply(503)
    tracker = get_tracker()
    with observe_agent("a"):
        pass
    tracker.shutdown(0.0)
    assert tracker.exporter is not None

    caller = threading.get_ident()

    def wait(*_: object, **__: object) -> bool:
        assert threading.get_ident() != caller, "waited"
        return True

    for worker in tracker.exporter._workers:
        monkeypatch.setattr(worker._pass_ended, "wait_for", wait)
    assert tracker.exporter.flush(60.0) == 1


def test_capture_metadata_stores_no_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOONDEV_CAPTURE", "metadata")
    with observe_agent("a", input="the words asked") as run:
        run.update(output="the words said", metadata={"decision": "BUY"})
    spool = get_tracker().spool
    assert spool is not None
    stored = attributes_of(only(spool))
    assert "the words" not in str(stored)
    assert stored[attributes.METADATA + "decision"] == '"BUY"'


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MOONDEV_TRACING", "maybe"), ("MOONDEV_TRACE_SYNC", "always"), ("MOONDEV_CAPTURE", "all"),
        ("MOONDEV_IMAGES", "small"),
        ("MOONDEV_TRACE_MAX_MB", "-3"),
        ("LANGFUSE_TRACING_ENVIRONMENT", "Prod!"),
    ],
)  # fmt: skip
def test_an_invalid_setting_is_named_and_its_default_applies(
    name: str, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.read({name: value})
    assert Settings.read_or_default({name: value}) == Settings.read({})
    assert name in caplog.text


@pytest.mark.parametrize(
    ("name", "value"),
    [("LANGFUSE_HOST", "langfuse.internal:3000"), ("LANGFUSE_BASE_URL", "langfuse.internal"),
     ("ENABLE_LANGFUSE", "nope"), ("MOONDEV_OFFLINE", "please")],
)  # fmt: skip
def test_an_invalid_address_or_switch_never_sends_to_the_default_server(
    name: str, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    keys = {"LANGFUSE_PUBLIC_KEY": "pk-lf-own", "LANGFUSE_SECRET_KEY": "sk-lf-own"}
    with pytest.raises(SettingsError, match=name):
        Settings.read({**keys, name: value})
    assert not Settings.read_or_default({**keys, name: value}).langfuse_delivers
    assert name in caplog.text
    assert "holds: everything is stored" in caplog.text


def test_an_environment_in_capitals_becomes_lower_case_as_on_langfuses_server() -> None:
    assert Settings.read({"LANGFUSE_TRACING_ENVIRONMENT": "Production"}).environment == "production"


def test_keys_in_the_projects_env_file_apply_before_any_model_is_made(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "LANGFUSE_PUBLIC_KEY=pk-lf-file\nLANGFUSE_SECRET_KEY=sk-lf-file\nOPENAI_KEY=sk-file-0123\n"
    )
    code = (
        "from src.observability.settings import Settings; from src.models import ModelFactory; "
        "print(Settings.read_or_default().langfuse_public_key, ModelFactory.is_model_available('openai'))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "MOONDEV_DOTENV"}
    done = warm.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60,
        env={**environment, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stdout.split() == ["pk-lf-file", "True"]


def test_the_base_url_wins_over_the_host() -> None:
    both = {"LANGFUSE_BASE_URL": "http://a:1/", "LANGFUSE_HOST": "http://b:2"}
    assert Settings.read(both).langfuse_host == "http://a:1"
    assert Settings.read({**both, "LANGFUSE_BASE_URL": " "}).langfuse_host == "http://b:2"


def test_a_short_program_delivers_before_it_ends(langfuse: Langfuse) -> None:
    code = "from src.observability import observe_agent\nwith observe_agent('brief'): pass"
    warm.run([sys.executable, "-c", code], check=True, timeout=60)
    assert [span.name for span in langfuse.spans] == ["brief.run"]


def test_the_first_tracker_that_a_program_makes_becomes_the_processs() -> None:
    first = LangFuseTracker()
    assert get_tracker() is first
    later = LangFuseTracker()
    assert get_tracker() is first
    later.shutdown(0.0)


def test_one_key_without_the_other_is_named(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("LANGFUSE_PUBLIC_KEY", "pk-lf-a")
    get_tracker()
    assert "LANGFUSE_SECRET_KEY is not set, the other key is" in caplog.text
    assert "Set LANGFUSE_SECRET_KEY to see them" in caplog.text


@pytest.mark.parametrize(
    ("variables", "service", "environment"),
    [
        ({}, "moondev", "paper"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=desk%201,host.name=h"}, "desk 1", "paper"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=desk", "OTEL_SERVICE_NAME": "mine"}, "mine", "paper"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=eu-1"}, "moondev", "eu-1"),
    ],
)
def test_the_resource_names_the_program_and_the_environment(
    variables: dict[str, str], service: str, environment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**variables, "LANGFUSE_TRACING_ENVIRONMENT": "paper"}.items():
        monkeypatch.setenv(name, value)
    provider = get_tracker().provider
    assert provider is not None
    resource_attributes = provider.resource.attributes
    assert (resource_attributes["service.name"], resource_attributes["deployment.environment.name"]) == (
        service,
        environment,
    )


def test_a_tracker_with_settings_of_its_own_can_be_made(tmp_path: Path) -> None:
    tracker = LangFuseTracker(Settings.read({"MOONDEV_TRACE_DB": str(tmp_path / "own.db")}))
    assert tracker.tracer is not None
    assert tracker.flush() == 0
    tracker.shutdown()
