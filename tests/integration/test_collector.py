"""A fleet that delivers through an OpenTelemetry Collector: our side over the wire, and its example configuration."""

from __future__ import annotations

import gzip
import importlib
import importlib.util
import os
import ssl
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from src.observability import flush, get_tracker, observe_agent, score
from src.observability.delivery.destinations import otlp_destination
from src.observability.redaction import redact
from src.observability.settings import Settings, SettingsError
from src.observability.tracker import set_tracker
from tests import warm
from tests.certificates import Authority
from tests.servers import Langfuse, Received, Reply, Server, eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
PROTOBUF = {"content-type": "application/x-protobuf"}


class Collector:
    """A server that accepts OTLP/HTTP as specified, and forwards it as a Collector's exporter does."""

    def __init__(self, onward: str | None = None) -> None:
        self.onward = onward
        self.names: Counter[str] = Counter()
        self.answer: Callable[[], Reply | None] = lambda: None
        self.server = Server(self._take)
        self.url = self.server.url

    def _take(self, request: Received) -> Reply:
        assert request.path == "/v1/traces"
        assert request.headers["content-type"] == "application/x-protobuf"
        body = gzip.decompress(request.body) if request.headers.get("content-encoding") == "gzip" else request.body
        batch = ExportTraceServiceRequest.FromString(body)
        assert len(batch.resource_spans) > 0
        special = self.answer()
        if special is not None:
            return special
        for resource in batch.resource_spans:
            assert resource.resource.attributes
            for scope in resource.scope_spans:
                self.names.update(span.name for span in scope.spans)
                for span in scope.spans:
                    assert (len(span.trace_id), len(span.span_id)) == (16, 8)
                    assert 0 < span.start_time_unix_nano <= span.end_time_unix_nano
        if self.onward:
            headers = {**PROTOBUF, "content-encoding": "gzip"}
            reply = httpx.post(self.onward, content=gzip.compress(batch.SerializeToString()), headers=headers)
            assert reply.status_code == 200
        return Reply(body=ExportTraceServiceResponse().SerializeToString(), headers=PROTOBUF)

    def __enter__(self) -> Collector:
        self.server.__enter__()
        return self

    def __exit__(self, *failure: Any) -> None:
        self.server.__exit__(*failure)


@pytest.fixture
def langfuse() -> Iterator[Langfuse]:
    with Langfuse() as running:
        yield running


def fleet(collector: Collector, langfuse: Langfuse, **more: str) -> dict[str, str]:
    return {
        "MOONDEV_OTLP": "on", "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "ENABLE_LANGFUSE": "scores",
        "LANGFUSE_HOST": langfuse.url, "LANGFUSE_PUBLIC_KEY": "pk-lf-1", "LANGFUSE_SECRET_KEY": "sk-lf-1", **more,
    }  # fmt: skip


def use(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    set_tracker(None)


MACHINE = """
from src.observability import flush, observe_agent
for number in range(20):
    with observe_agent("agent", agent_name="NAME") as run:
        run.score("vote", number)
assert flush(60) == 0
"""


def test_every_observation_reaches_langfuse_once_through_the_collector_and_every_score_directly(
    langfuse: Langfuse, tmp_path: Path
) -> None:
    with Collector(f"{langfuse.url}/api/public/otel/v1/traces") as collector:
        known = {name: value for name, value in os.environ.items() if not name.startswith(("LANGFUSE", "OTEL"))}
        machines = []
        for number in range(3):
            db = str(tmp_path / f"{number}" / "traces.db")
            variables = {"MOONDEV_TRACE_DB": db, "MOONDEV_DOTENV": "off", "PYTHONPATH": str(ROOT)}
            script = MACHINE.replace("NAME", f"machine{number}")
            environment = known | variables | fleet(collector, langfuse)
            machines.append(warm.Program([sys.executable, "-c", script], env=environment, stderr=subprocess.PIPE))
        for machine in machines:
            _, errors = machine.communicate(timeout=90)
            assert machine.returncode == 0, errors
    ids = Counter(span.span_id for span in langfuse.spans)
    assert len(ids) == 60
    assert set(ids.values()) == {1}
    assert langfuse.scopes == {"langfuse-sdk"}
    assert {span.attributes["langfuse.observation.type"] for span in langfuse.spans} == {"agent"}
    assert len({item["id"] for item in langfuse.scores}) == len(langfuse.scores) == 60
    assert {item["traceId"] for item in langfuse.scores} == {span.trace_id for span in langfuse.spans}


def test_what_the_collector_refuses_for_now_stays_and_arrives_later(
    langfuse: Langfuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Collector() as collector:
        use(monkeypatch, fleet(collector, langfuse))
        refusals = iter([Reply(503, headers={"retry-after": "0"}), Reply(429)])
        collector.answer = lambda: next(refusals, None)
        with observe_agent("a"):
            pass
        assert flush(60) == 0
        assert collector.names == {"a.run": 1}
        assert len(collector.server.received) == 3


def test_partial_success_is_told_and_not_sent_again(
    langfuse: Langfuse, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    partial_success = ExportTracePartialSuccess(rejected_spans=1, error_message="too old")
    partly = Reply(
        body=ExportTraceServiceResponse(partial_success=partial_success).SerializeToString(), headers=PROTOBUF
    )
    with Collector() as collector:
        use(monkeypatch, fleet(collector, langfuse))
        collector.answer = lambda: partly
        with observe_agent("a"):
            pass
        assert flush(60) == 0
        assert len(collector.server.received) == 1
    assert "1 spans rejected: too old" in caplog.text


def test_the_standard_variables_hold(langfuse: Langfuse, monkeypatch: pytest.MonkeyPatch) -> None:
    with Collector() as collector:
        variables = {
            "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
            "OTEL_EXPORTER_OTLP_HEADERS": "x-desk=a%20b,authorization=Bearer%20t",
        }
        use(monkeypatch, fleet(collector, langfuse, **variables))
        with observe_agent("a"):
            pass
        assert flush(60) == 0
        (request,) = collector.server.received
        assert "content-encoding" not in request.headers
        assert (request.headers["x-desk"], request.headers["authorization"]) == ("a b", "Bearer t")


@pytest.mark.parametrize(
    ("name", "value"),
    [("PROTOCOL", "grpc"), ("COMPRESSION", "zstd"), ("TRACES_PROTOCOL", "http/json"), ("TIMEOUT", "soon")],
)
def test_what_is_not_possible_is_said(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.read({"MOONDEV_OTLP": "on", f"OTEL_EXPORTER_OTLP_{name}": value})
    assert Settings.read({f"OTEL_EXPORTER_OTLP_{name}": value}).otlp is None  # meant for other software
    assert Settings.read_or_default({"MOONDEV_OTLP": "on", f"OTEL_EXPORTER_OTLP_{name}": value}).otlp is not None


@pytest.mark.parametrize(
    ("name", "value"),
    [("ENDPOINT", "collector:4318"), ("TRACES_ENDPOINT", "collector"), ("HEADERS", "a=%0d%0ab"), ("HEADERS", "ä=1")],
)
def test_where_the_place_is_not_known_nothing_is_sent_anywhere(
    name: str, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    environ = {"MOONDEV_OTLP": "on", f"OTEL_EXPORTER_OTLP_{name}": value}
    with pytest.raises(SettingsError, match=name):
        Settings.read(environ)
    assert Settings.read_or_default(environ).otlp is None
    assert name in caplog.text
    assert "MOONDEV_OTLP=off holds" in caplog.text


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        ({"ENDPOINT": "http://c:4318/"}, "http://c:4318/v1/traces"),
        ({"ENDPOINT": "https://c/otlp?tenant=7"}, "https://c/otlp/v1/traces?tenant=7"),
        ({"ENDPOINT": "http://c", "TRACES_ENDPOINT": "http://t/in"}, "http://t/in"),
        ({}, "http://localhost:4318/v1/traces"),
    ],
)
def test_the_address_is_made_by_the_specification(variables: dict[str, str], url: str) -> None:
    otlp = Settings.read(
        {"MOONDEV_OTLP": "on"} | {f"OTEL_EXPORTER_OTLP_{name}": variables[name] for name in variables}
    ).otlp
    assert otlp is not None
    assert otlp.url == url


def test_words_in_capitals_and_the_timeout_hold() -> None:
    variables = {"PROTOCOL": "HTTP/protobuf", "COMPRESSION": "None", "TIMEOUT": "20", "TRACES_TIMEOUT": "2.5"}
    otlp = Settings.read(
        {"MOONDEV_OTLP": "on"} | {f"OTEL_EXPORTER_OTLP_{name}": variables[name] for name in variables}
    ).otlp
    assert otlp is not None
    assert (otlp.gzip, otlp.timeout_s) == (False, 2.5)
    assert otlp_destination(otlp).timeout_s == 2.5


def test_a_password_in_an_address_is_neither_stored_nor_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    answers = iter([Reply(401), Reply(headers=PROTOBUF)])
    with Server(lambda _: next(answers)) as backend:
        monkeypatch.setenv("MOONDEV_OTLP", "on")
        address = backend.url.replace("http://", "http://desk:s3cret-words@")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"{address}?key=0ther-words")
        with observe_agent("a"):
            pass
        assert eventually(lambda: "HTTP 401" in caplog.text)
        assert flush(60) == 0
        assert backend.received[0].path == "/v1/traces?key=0ther-words"
        assert backend.received[0].headers["authorization"].startswith("Basic ")
    spool = get_tracker().spool
    assert spool is not None
    written = caplog.text.encode() + b"".join(path.read_bytes() for path in spool.path.parent.iterdir())
    assert b"a.run" in written
    assert not [word for word in (b"s3cret-words", b"0ther-words") if word in written]


def test_what_goes_into_headers_is_a_secret_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    key, token = "hcaik" + "9871236", "abcWord" + "1234xyz"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", f"x-team={key},authorization=Bearer%20{token}")
    redacted = redact(f"the team is {key} and the word {token}")
    assert key not in redacted
    assert token not in redacted


def test_a_variable_for_traces_wins() -> None:
    variables = {"MOONDEV_OTLP": "on", "OTEL_EXPORTER_OTLP_HEADERS": "a=1", "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "b=2"}
    otlp = Settings.read(variables).otlp
    assert otlp is not None
    assert otlp.headers == {"b": "2"}
    assert "2" not in repr(otlp)  # headers carry keys


# Scores alone.


def test_scores_alone_are_counted_apart_from_what_langfuse_gets_otherwise(
    langfuse: Langfuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Collector() as collector:
        use(monkeypatch, fleet(collector, langfuse))
        with observe_agent("a") as run:
            pass
        score("s", 1, trace_id=run.trace_id)
        assert flush(60) == 0
        spool = get_tracker().spool
        assert spool is not None
        undelivered = {name.partition(":")[0]: count for name, count in spool.stats().undelivered.items()}
        assert undelivered == {"langfuse-scores": 0, "otlp": 0}
        assert (len(langfuse.spans), len(langfuse.scores)) == (0, 1)


def test_scores_alone_hold_up_no_retention(langfuse: Langfuse, monkeypatch: pytest.MonkeyPatch) -> None:
    with Collector() as collector:
        use(monkeypatch, fleet(collector, langfuse))
        for _ in range(3):
            with observe_agent("a"):
                pass
            score("s", 1, session_id="x")
        assert flush(60) == 0
        tracker = get_tracker()
        assert tracker.retention is not None
        assert tracker.retention._destinations.keys() >= {f"otlp:{collector.url}/v1/traces"}
        monkeypatch.setattr(tracker.retention, "_clock", lambda: time.time() + 91 * 86_400)
        assert tracker.retention.run_once(force=True) == 4


# TLS.


@pytest.mark.parametrize("mutual", [False, True])
def test_a_collector_with_certificates_of_a_private_authority_is_trusted(
    mutual: bool, langfuse: Langfuse, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority = Authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("collector"))
    variables = {"OTEL_EXPORTER_OTLP_CERTIFICATE": str(authority.file)}
    if mutual:
        context.load_verify_locations(authority.file)
        context.verify_mode = ssl.CERT_REQUIRED
        certificate, key = authority.issue("machine")
        variables["OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"] = str(certificate)
        variables["OTEL_EXPORTER_OTLP_CLIENT_KEY"] = str(key)
    collector = Collector()
    httpd = collector.server._httpd
    httpd.socket = context.wrap_socket(httpd.socket, server_side=True)
    collector.url = collector.url.replace("http:", "https:")
    with collector:
        use(monkeypatch, fleet(collector, langfuse))
        with observe_agent("a"):
            pass
        assert flush(1.0) == 1  # who is not known is not trusted
        assert collector.names == {}
        assert "does not take observations" in caplog.text
        use(monkeypatch, fleet(collector, langfuse, **variables))
        get_tracker()
        assert flush(60) == 0
        assert collector.names == {"a.run": 1}


# The example configuration.


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    # The lock has a build of its own for free-threaded Pythons, under another name.
    yaml: Any = importlib.import_module("yaml" if importlib.util.find_spec("yaml") else "yaml_ft")
    configuration = yaml.safe_load((ROOT / "docs" / "collector.yaml").read_text())
    assert isinstance(configuration, dict)
    return configuration


def test_the_example_defines_what_its_pipeline_uses_and_uses_what_it_defines(example: dict[str, Any]) -> None:
    service = example["service"]
    (pipeline,) = service["pipelines"].values()
    for kind in ("receivers", "processors", "exporters"):
        assert set(pipeline[kind]) == set(example[kind])
    assert set(service["extensions"]) == set(example["extensions"])
    assert set(service["pipelines"]) == {"traces"}
    assert pipeline["processors"][0] == "memory_limiter"
    assert not any(name.startswith("batch") for name in example["processors"])


def test_the_examples_queues_are_on_disk_and_never_give_up(example: dict[str, Any]) -> None:
    for exporter in example["exporters"].values():
        assert exporter["sending_queue"]["storage"] in example["extensions"]
        assert exporter["retry_on_failure"]["max_elapsed_time"] == "0s"
        assert exporter["sending_queue"]["block_on_overflow"] is False
    assert example["extensions"]["file_storage"]["fsync"] is True
    limiter = example["processors"]["memory_limiter"]
    assert limiter["spike_limit_mib"] < limiter["limit_mib"]


def test_the_example_sends_to_langfuse_what_we_would(example: dict[str, Any]) -> None:
    from src.observability.delivery.destinations import langfuse_destination

    ours = langfuse_destination("https://host", "pk-lf-1", "sk-lf-1")
    exporter = example["exporters"]["otlphttp/langfuse"]
    auth = ours.headers["Authorization"].removeprefix("Basic ")
    filled = exporter["headers"]["Authorization"].replace("${env:LANGFUSE_OTLP_AUTH}", auth)
    assert filled == ours.headers["Authorization"]
    assert exporter["endpoint"].replace("${env:LANGFUSE_HOST}", "https://host") + "/v1/traces" == ours.traces_url
    name = "x-langfuse-ingestion-version"
    assert exporter["headers"][name] == ours.headers[name] == "4"


def test_the_example_holds_no_secret(example: dict[str, Any]) -> None:
    for exporter in example["exporters"].values():
        assert "${env:" in exporter["headers"]["Authorization"]
