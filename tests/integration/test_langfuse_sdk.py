"""What users observe with Langfuse's own SDK joins our traces and our store, whoever made its client first."""

from __future__ import annotations

import gzip
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from src.observability import attributes
from src.observability.store.spool import Spool
from tests.integration.langfuse_programs import END, KEYS, LANGFUSE, OURS, run, stored
from tests.servers import Langfuse, Received, Reply
from tests.unit.observability.stored import attributes_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from src.observability.store.spool import TraceRow

SECRET = "sk-ant-api03-" + "a1B" * 20

RUN = f"""
@observe(name="users_own")
def users_own():
    with observe_agent("risk"):
        inner()

@observe(name="inner")
def inner():
    with tracing.observe("deep", "tool"):
        return "{SECRET}"

users_own()
"""
ORDERS = {
    "ours is imported and used first": OURS + "get_tracker()\n" + LANGFUSE,
    "langfuse is imported first": LANGFUSE + OURS + "get_tracker()\n",
    "nothing made a tracker before the first observation": LANGFUSE + OURS,
    "get_client first": LANGFUSE + "get_client()\n" + OURS,
    "get_client first, then a tracker": LANGFUSE + "get_client()\n" + OURS + "get_tracker()\n",
    "a client made by hand first": LANGFUSE + "by_hand = Langfuse()\n" + OURS + "get_tracker()\n",
    "our client asked for first": OURS + "get_tracker().client\n" + LANGFUSE,
    "the program has a provider of its own": (
        "from opentelemetry import trace\nfrom opentelemetry.sdk.trace import TracerProvider\n"
        "trace.set_tracer_provider(TracerProvider())\n" + LANGFUSE + "get_client()\n" + OURS
    ),
}


@pytest.fixture
def sink() -> Iterator[Langfuse]:
    with Langfuse() as running:
        yield running


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "traces.db"


def unzipped(request: Received) -> bytes:
    return gzip.decompress(request.body) if request.headers.get("content-encoding") == "gzip" else request.body


def check_one_tree(rows: dict[str, TraceRow]) -> None:
    assert set(rows) == {"users_own", "risk.run", "inner", "deep"}
    assert len({row.trace_id for row in rows.values()}) == 1
    names = {row.span_id: row.name for row in rows.values()}
    parents = {row.name: names.get(row.parent_span_id or "") for row in rows.values()}
    assert parents == {"users_own": None, "risk.run": "users_own", "inner": "risk.run", "deep": "inner"}
    assert [row.name for row in rows.values() if attributes.IS_APP_ROOT in attributes_of(row)] == ["users_own"]
    assert attributes_of(rows["inner"])[attributes.SESSION_ID] == rows["risk.run"].session_id


@pytest.mark.parametrize("order", ORDERS)
def test_observe_joins_the_trace_and_the_store_in_every_order(order: str, sink: Langfuse, db: Path) -> None:
    log = run(ORDERS[order] + RUN + END, db, LANGFUSE_HOST=sink.url, **KEYS)
    check_one_tree(stored(db))
    assert Counter(span.name for span in sink.spans) == Counter(["users_own", "risk.run", "inner", "deep"])
    assert SECRET[-30:] not in str(sink.spans)
    files = b"".join(path.read_bytes() for path in db.parent.iterdir())
    assert b"users_own" in files
    assert SECRET[-30:].encode() not in files
    assert "past redaction" not in log


@pytest.mark.parametrize("order", ["ours is imported and used first", "langfuse is imported first"])
def test_without_keys_observe_still_joins_the_local_trace(order: str, db: Path) -> None:
    run(ORDERS[order] + RUN + "assert flush(60) == 0", db)
    check_one_tree(stored(db))


def test_a_client_that_the_program_made_joins_too(sink: Langfuse, db: Path) -> None:
    script = (
        LANGFUSE
        + "by_hand = Langfuse()\n"
        + OURS
        + (
            "with observe_agent('risk'):\n"
            "    with by_hand.start_as_current_observation(name='by_hand', as_type='generation') as span:\n"
            f"        span.update(input='{SECRET}', model='m', usage_details={{'input': 3}})\n"
        )
    )
    run(script + END, db, LANGFUSE_HOST=sink.url, **KEYS)
    rows = stored(db)
    assert (rows["by_hand"].type, rows["by_hand"].parent_span_id) == ("generation", rows["risk.run"].span_id)
    assert Counter(span.name for span in sink.spans) == Counter(["by_hand", "risk.run"])
    assert SECRET not in str(sink.spans)


def test_our_client_beside_one_that_was_made_first_observes_the_same(sink: Langfuse, db: Path) -> None:
    script = LANGFUSE + "by_hand = Langfuse()\n" + OURS + (
        "client = get_tracker().client\n"
        "for each in (by_hand, client, get_client()):\n"
        "    with each.start_as_current_observation(name='x') as span:\n"
        "        span.score(name='pnl', value=1.5)\n"
    )  # fmt: skip
    run(script + END, db, LANGFUSE_HOST=sink.url, **KEYS)
    assert (Spool(db).stats().observations, Spool(db).stats().scores) == (3, 3)
    assert (len(sink.spans), len(sink.scores)) == (3, 3)


def test_sessions_that_the_program_sets_through_langfuse_win(sink: Langfuse, db: Path) -> None:
    for first in (OURS + "get_tracker()\n" + LANGFUSE, LANGFUSE + "get_client()\n" + OURS + "get_tracker()\n"):
        script = first + (
            "with langfuse.propagate_attributes(session_id='program', user_id='u'):\n"
            "    observe(name='x')(lambda: None)()\n"
        )
        run(script + END, db, LANGFUSE_HOST=sink.url, **KEYS)
    sessions = [row.session_id for row in Spool(db).rows_after(0)]
    assert sessions == ["program", "program"]


def test_generations_stay_light_spans_beside_the_sdk_and_have_what_it_propagates(sink: Langfuse, db: Path) -> None:
    script = OURS + "get_tracker()\n" + LANGFUSE + (
        "import threading\n"
        "scope = dict(session_id='program', user_id='u', tags=['t'], metadata={'k': 'v'}, environment='stage')\n"
        "with langfuse.propagate_attributes(**scope):\n"
        "    tracing.start('plain', 'generation').end()\n"
        "    with observe_agent('a', metadata={'m': 1}):\n"
        "        tracing.start('inside', 'generation').end()\n"
        "tracing.start('after', 'generation').end()\n"
        "assert get_tracker().light_tracer.has_single_processor\n"
        "assert not [t.name for t in threading.enumerate() if 'Batch' in t.name]\n"
    )  # fmt: skip
    run(script + END, db, LANGFUSE_HOST=sink.url, **KEYS)
    rows = stored(db)
    for name in ("plain", "inside", "a.run"):
        recorded = attributes_of(rows[name])
        assert (recorded[attributes.SESSION_ID], recorded[attributes.USER_ID]) == ("program", "u")
        assert recorded[attributes.TRACE_TAGS] == (("t",) if name == "plain" else ("a", "t"))
        assert recorded[attributes.TRACE_METADATA + "k"] == '"v"'
        assert recorded[attributes.ENVIRONMENT] == "stage"
    assert attributes_of(rows["inside"])[attributes.TRACE_METADATA + "agent_type"] == '"a"'
    assert attributes.USER_ID not in attributes_of(rows["after"])


@pytest.mark.parametrize("order", ["ours is imported and used first", "a client made by hand first"])
def test_the_nearer_of_a_run_and_langfuses_propagated_attributes_wins(order: str, sink: Langfuse, db: Path) -> None:
    script = ORDERS[order] + (
        "@observe(name='observed')\n"
        "def observed(): pass\n"
        "with langfuse.propagate_attributes(session_id='outside', user_id='u', environment='stage', tags=['t']):\n"
        "    with observe_agent('a', session_id='run', environment='Live') as run:\n"
        "        observed()\n"
        "        run.score('s', 1)\n"
        "        with observe_agent('b'):\n"
        "            tracing.start('deep', 'generation').end()\n"
        "        with tracing.observe('around', 'span'), langfuse.propagate_attributes(session_id='inside'):\n"
        "            tracing.start('nearest', 'generation').end()\n"
    )
    run(script + END, db, LANGFUSE_HOST=sink.url, **KEYS)
    rows = stored(db)
    for name, session in {
        "a.run": "run",
        "observed": "run",
        "b.run": "run",
        "deep": "run",
        "nearest": "inside",
    }.items():
        recorded = attributes_of(rows[name])
        assert (recorded[attributes.SESSION_ID], recorded[attributes.USER_ID]) == (session, "u"), name
        assert recorded[attributes.ENVIRONMENT] == "live", name
        assert recorded[attributes.TRACE_TAGS] == (("a", "b", "t") if name in ("b.run", "deep") else ("a", "t")), name
    assert [score["environment"] for score in sink.scores] == ["live"]


def test_scores_made_with_langfuses_sdk_are_durable_and_redacted(sink: Langfuse, db: Path) -> None:
    for first in (OURS + "get_tracker()\n" + LANGFUSE, LANGFUSE + "get_client()\n" + OURS + "get_tracker()\n"):
        script = first + (
            "with get_client().start_as_current_observation(name='x') as span:\n"
            f"    span.score_trace(name='good', value=True, data_type='BOOLEAN', comment='{SECRET}')\n"
            "    span.score(name='pnl', value=1.5)\n"
        )
        run(script + END, db, LANGFUSE_HOST=sink.url, **KEYS)
    assert Spool(db).stats().scores == 4
    assert Counter((score["name"], score["dataType"], score["value"]) for score in sink.scores) == {
        ("good", "BOOLEAN", 1.0): 2,
        ("pnl", "NUMERIC", 1.5): 2,
    }
    assert SECRET not in str(sink.scores)


@pytest.mark.parametrize("order", ["ours is imported and used first", "a client made by hand first"])
def test_flush_of_langfuses_sdk_delivers(order: str, sink: Langfuse, db: Path) -> None:
    """As the last line of a function that is frozen or ended without an exit, such as one in a cloud."""
    script = ORDERS[order] + RUN + "get_client().flush()\nimport os\nos._exit(0)\n"
    run(script, db, LANGFUSE_HOST=sink.url, **KEYS)
    assert Counter(span.name for span in sink.spans) == Counter(["users_own", "risk.run", "inner", "deep"])


def test_flush_of_langfuses_sdk_does_not_wait_for_a_server_that_fails(sink: Langfuse, db: Path) -> None:
    sink.answer = lambda _: Reply(503)
    script = OURS + "get_tracker()\n" + LANGFUSE + RUN + (
        "import time\n"
        "while not get_tracker().exporter.failing: time.sleep(0.01)\n"
        "get_client().flush()\nassert get_tracker().exporter.failing\nassert flush(0.1) > 0\n"
    )  # fmt: skip
    run(script, db, LANGFUSE_HOST=sink.url, **KEYS)
    assert set(stored(db)) == {"users_own", "risk.run", "inner", "deep"}


def test_nothing_is_sent_where_delivery_is_off(sink: Langfuse, db: Path) -> None:
    for switch in ({"MOONDEV_OFFLINE": "1"}, {"ENABLE_LANGFUSE": "false"}):
        for order in ("ours is imported and used first", "get_client first"):
            run(ORDERS[order] + RUN + "get_client().flush()", db, LANGFUSE_HOST=sink.url, **KEYS, **switch)
    assert [request for request in sink.requests if "traces" in request.path] == []
    assert Spool(db).stats().observations == 16


def test_tracing_off_leaves_langfuses_sdk_unchanged(sink: Langfuse, db: Path) -> None:
    script = OURS + "get_tracker()\n" + LANGFUSE + "observe(name='observed')(lambda: None)()\nget_client().flush()\n"
    run(script, db, LANGFUSE_HOST=sink.url, MOONDEV_TRACING="off", **KEYS)
    assert [span.name for span in sink.spans] == ["observed"]


def test_a_client_for_another_project_keeps_working_and_is_warned_of_once(sink: Langfuse, db: Path) -> None:
    other = f"Langfuse(public_key='pk-lf-another-project', secret_key='sk-lf-x', base_url='{sink.url}')\n"
    for first in (OURS + "get_tracker()\n" + LANGFUSE + other, LANGFUSE + other + OURS + "get_tracker()\n"):
        for keys in (KEYS, {}):
            with Langfuse() as own_server:
                before = len(sink.spans)
                log = run(
                    first + "observe(name='observed')(lambda: None)()\nget_client().flush()\n",
                    db,
                    LANGFUSE_HOST=own_server.url,
                    **keys,
                )
                assert [span.name for span in sink.spans[before:]] == ["observed"]
                assert log.count("A Langfuse client for another project (pk-lf-ano...) is in use") == 1
                assert "sk-lf-x" not in log
    assert Spool(db).stats().observations == 0


OTHER_PROJECT = "by_hand = Langfuse(public_key='pk-lf-another', secret_key='sk-lf-x')\n"
MADE_BY_HAND = {
    "another project, first": LANGFUSE + OTHER_PROJECT + OURS,
    "another project, later": OURS + "get_tracker()\n" + LANGFUSE + OTHER_PROJECT,
    "a mask of its own": LANGFUSE + "by_hand = Langfuse(mask_otel_spans=lambda *, params: None)\n" + OURS,
}


@pytest.mark.parametrize("kind", MADE_BY_HAND)
def test_a_client_that_sends_by_itself_sends_redacted(kind: str, sink: Langfuse, db: Path) -> None:
    script = MADE_BY_HAND[kind] + (
        f"import datetime\nsecret = '{SECRET}'\n"
        "with observe_agent('risk'):\n"
        "    with by_hand.start_as_current_observation(name=f'by hand {secret}', input=[secret]) as span:\n"
        "        span.update(output=secret, metadata={'note': secret, secret: 1})\n"
        "        span.update(level='ERROR', status_message=secret)\n"
        "        span._otel_span.add_event(secret, {'a': secret})\n"
        "        span._otel_span.record_exception(ValueError(secret))\n"
        "        span.score_trace(name='s', value=1, comment=secret, data_type='NUMERIC')\n"
        "    try:\n"
        "        with by_hand.start_as_current_observation(name='fails', as_type='tool'): raise ValueError(secret)\n"
        "    except ValueError: pass\n"
        "by_hand.flush()\nflush(20)\n"
    )
    log = run(script, db, LANGFUSE_HOST=sink.url, **KEYS)
    assert "its secrets are redacted all the same" in log
    sent = [body for request in sink.requests for body in (request.body, unzipped(request))]
    assert {"by hand [REDACTED:anthropic_key]", "fails", "risk.run"} == {span.name for span in sink.spans}
    assert not [body for body in sent if SECRET[-30:].encode() in body]


def test_a_placeholder_for_a_missing_client_replaces_none(sink: Langfuse, db: Path) -> None:
    script = OURS + "get_tracker()\n" + LANGFUSE + "get_client(public_key='pk-lf-no-such-thing')\n"
    script += "with get_client(public_key='pk-lf-1234567890').start_as_current_observation(name='ours'): pass\n"
    log = run(script + "assert flush(60) == 0", db, LANGFUSE_HOST=sink.url, **KEYS)
    assert set(stored(db)) == {"ours"}
    assert "for another project" not in log


def test_a_client_that_masks_spans_itself_is_left_alone_and_warned_of(sink: Langfuse, db: Path) -> None:
    script = LANGFUSE + "Langfuse(mask_otel_spans=lambda *, params: None)\n" + OURS + "get_tracker()\n" + RUN
    log = run(script + "get_client().flush()\nflush(20)\n", db, LANGFUSE_HOST=sink.url, **KEYS)
    assert "could not be joined" in log
    assert set(stored(db)) == {"risk.run", "deep"}
    assert Counter(span.name for span in sink.spans) == Counter(["users_own", "risk.run", "inner", "deep"])


def test_other_spans_of_the_programs_own_provider_are_not_stored(sink: Langfuse, db: Path) -> None:
    script = (
        LANGFUSE
        + "get_client()\n"
        + OURS
        + (
            "get_tracker()\nfrom opentelemetry import trace\n"
            "with trace.get_tracer('web').start_as_current_span('GET /') as span:\n"
            "    with observe_agent('risk'): pass\n"
        )
    )
    run(script + END, db, LANGFUSE_HOST=sink.url, **KEYS)
    rows = stored(db)
    assert set(rows) == {"risk.run"}
    assert attributes.IS_APP_ROOT in attributes_of(rows["risk.run"])  # its parent is not in our store


def test_shutdown_removes_the_import_hook(db: Path) -> None:
    hooks = "[f for f in sys.meta_path if type(f).__name__ == '_ImportHook']"
    ends = f"assert len({hooks}) == 1\nget_tracker().shutdown()\nassert not {hooks}\nimport langfuse\n"
    run(OURS + "import sys\nget_tracker()\n" + ends, db)


def test_loading_our_package_does_not_load_langfuses_sdk(db: Path) -> None:
    run(OURS + "with observe_agent('a'): pass\nimport sys\nassert 'langfuse' not in sys.modules\n", db, **KEYS)
