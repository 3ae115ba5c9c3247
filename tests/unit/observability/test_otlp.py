from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from src.observability.spans import otlp

scalars = st.one_of(
    st.text(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.binary(max_size=20),
)
attributes = st.dictionaries(st.text(min_size=1), st.one_of(scalars, st.lists(st.text(), max_size=4)), max_size=8)


def encode(values: dict[str, Any], **changes: Any) -> bytes:
    arguments: dict[str, Any] = {
        "trace_id": 2**127 + 1, "span_id": 2**63 + 1, "parent_span_id": 7, "name": "n", "kind": 1,
        "start_ns": 1_700_000_000_000_000_000, "end_ns": 1_700_000_000_000_000_001, "attributes": values, **changes,
    }  # fmt: skip
    return otlp.encode_span(**arguments)


# Generating data may be slow on a busy machine; that says nothing about the encoder.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(attributes, st.text(), st.text())
def test_spans_are_encoded_as_protobuf_itself_would_write_them(values: dict[str, Any], name: str, message: str) -> None:
    if not all(_encodable(text) for text in [name, message, *_texts(values)]):
        return
    data = encode(values, name=name, status_code=2, status_message=message)
    span = Span.FromString(data)
    assert span.SerializeToString() == data
    assert (span.name, span.status.message, span.status.code) == (name, message, 2)
    decoded = otlp.decode_span(data).attributes
    for key, value in values.items():
        assert decoded[key] == (tuple(value) if isinstance(value, list) else value)
        assert type(decoded[key]) is (tuple if isinstance(value, list) else type(value))


def _texts(values: dict[str, Any]) -> list[str]:
    flat: list[str] = list(values)
    for value in values.values():
        flat += (
            [value]
            if isinstance(value, str)
            else [item for item in value if isinstance(item, str)]
            if isinstance(value, list)
            else []
        )
    return flat


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def test_a_lone_surrogate_is_replaced_not_raised() -> None:
    assert otlp.decode_span(encode({"k": "a\ud800b"})).attributes["k"] == "a?b"


def test_an_integer_too_large_for_the_wire_becomes_text() -> None:
    assert otlp.decode_span(encode({"k": 2**70})).attributes["k"] == str(2**70)


def test_events_and_links_are_encoded() -> None:
    event = otlp.SpanEvent(name="exception", time_ns=5, attributes={"exception.message": "m"})
    link = otlp.SpanLink(trace_id=3, span_id=4, attributes={"a": "b"})
    data = encode({}, events=[event], links=[link])
    span = Span.FromString(data)
    assert (span.events[0].name, span.events[0].attributes[0].value.string_value) == ("exception", "m")
    assert (span.links[0].trace_id[-1], span.links[0].attributes[0].key) == (3, "a")


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3)), max_size=6))
def test_a_request_holds_each_span_under_its_own_resource_and_scope(groups: list[tuple[int, int]]) -> None:
    envelopes = [otlp.encode_envelope({"service.name": "s" * 300 * n}, f"scope{n}", "1", {"k": n}) for n in range(3)]
    request = otlp.build_request((envelopes[kind], [encode({"n": kind})] * count) for kind, count in groups)
    resource_spans = ExportTraceServiceRequest.FromString(request).resource_spans
    assert [(len(item.scope_spans[0].spans), item.scope_spans[0].scope.name) for item in resource_spans] == [
        (count, f"scope{kind}") for kind, count in groups
    ]
    for item, (kind, _) in zip(resource_spans, groups, strict=True):
        assert item.resource.attributes[0].value.string_value == "s" * 300 * kind
