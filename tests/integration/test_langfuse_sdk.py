"""What users observe with Langfuse's own SDK joins our traces and our store, whoever made its client first."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from src.observability import attributes
from src.observability.spans import otlp
from src.observability.store.spool import Spool
from tests.servers import Langfuse, Received, Reply, Server, chat_reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from src.observability.store.spool import TraceRow

ROOT = Path(__file__).parents[2]
SECRET = "sk-ant-api03-" + "a1B" * 20
KEYS = {"LANGFUSE_PUBLIC_KEY": "pk-lf-1234567890", "LANGFUSE_SECRET_KEY": "sk-lf-1234567890"}

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
OURS = "from src.observability import observe_agent, get_tracker, flush, tracing\n"
THEIRS = "import langfuse\nfrom langfuse import Langfuse, get_client, observe\n"
END = "\nget_client().flush()\nleft = flush(20)\nassert left == 0, left\n"
ORDERS = {
    "ours is imported and used first": OURS + "get_tracker()\n" + THEIRS,
    "langfuse is imported first": THEIRS + OURS + "get_tracker()\n",
    "nothing made a tracker before the first observation": THEIRS + OURS,
    "get_client first": THEIRS + "get_client()\n" + OURS,
    "get_client first, then a tracker": THEIRS + "get_client()\n" + OURS + "get_tracker()\n",
    "a client made by hand first": THEIRS + "mine = Langfuse()\n" + OURS + "get_tracker()\n",
    "our client asked for first": OURS + "get_tracker().client\n" + THEIRS,
    "the program has a provider of its own": (
        "from opentelemetry import trace\nfrom opentelemetry.sdk.trace import TracerProvider\n"
        "trace.set_tracer_provider(TracerProvider())\n" + THEIRS + "get_client()\n" + OURS
    ),
}


@pytest.fixture
def sink() -> Iterator[Langfuse]:
    with Langfuse() as running:
        yield running


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "traces.db"


def run(script: str, db: Path, **environ: str) -> str:
    known = {name: value for name, value in os.environ.items() if not name.startswith(("LANGFUSE", "OTEL"))}
    environment = {**known, "MOONDEV_TRACE_DB": str(db), "MOONDEV_DOTENV": "off", "PYTHONPATH": str(ROOT), **environ}
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, env=environment, capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def stored(db: Path) -> dict[str, TraceRow]:
    rows = Spool(db).rows_after(0)
    assert not [name for name, count in Counter(row.name for row in rows).items() if count > 1]
    return {row.name: row for row in rows}


def unzipped(request: Received) -> bytes:
    return gzip.decompress(request.body) if request.headers.get("content-encoding") == "gzip" else request.body


def told(row: TraceRow) -> dict[str, object]:
    return dict(otlp.decode_span(row.span).attributes)


def check_one_tree(rows: dict[str, TraceRow]) -> None:
    assert set(rows) == {"users_own", "risk.run", "inner", "deep"}
    assert len({row.trace_id for row in rows.values()}) == 1
    names = {row.span_id: row.name for row in rows.values()}
    parents = {row.name: names.get(row.parent_span_id or "") for row in rows.values()}
    assert parents == {"users_own": None, "risk.run": "users_own", "inner": "risk.run", "deep": "inner"}
    assert [row.name for row in rows.values() if attributes.IS_APP_ROOT in told(row)] == ["users_own"]
    assert told(rows["inner"])[attributes.SESSION_ID] == rows["risk.run"].session_id


@pytest.mark.parametrize("order", ORDERS)
def test_observe_joins_the_trace_and_the_store_in_every_order(order: str, sink: Langfuse, db: Path) -> None:
    said = run(ORDERS[order] + RUN + END, db, LANGFUSE_HOST=sink.url, **KEYS)
    check_one_tree(stored(db))
    assert Counter(span.name for span in sink.spans) == Counter(["users_own", "risk.run", "inner", "deep"])
    assert SECRET[-30:] not in str(sink.spans)
    files = b"".join(path.read_bytes() for path in db.parent.iterdir())
    assert b"users_own" in files
    assert SECRET[-30:].encode() not in files
    assert "past redaction" not in said


@pytest.mark.parametrize("order", ["ours is imported and used first", "langfuse is imported first"])
def test_without_keys_observe_still_joins_the_local_trace(order: str, db: Path) -> None:
    run(ORDERS[order] + RUN + "assert flush(5) == 0", db)
    check_one_tree(stored(db))


def test_a_client_held_by_hand_joins_too(sink: Langfuse, db: Path) -> None:
    script = (
        THEIRS
        + "mine = Langfuse()\n"
        + OURS
        + (
            "with observe_agent('risk'):\n"
            "    with mine.start_as_current_observation(name='by_hand', as_type='generation') as span:\n"
            f"        span.update(input='{SECRET}', model='m', usage_details={{'input': 3}})\n"
        )
    )
    run(script + END, db, LANGFUSE_HOST=sink.url, **KEYS)
    rows = stored(db)
    assert (rows["by_hand"].type, rows["by_hand"].parent_span_id) == ("generation", rows["risk.run"].span_id)
    assert Counter(span.name for span in sink.spans) == Counter(["by_hand", "risk.run"])
    assert SECRET not in str(sink.spans)


def test_our_client_beside_one_made_first_is_the_same(sink: Langfuse, db: Path) -> None:
    script = THEIRS + "mine = Langfuse()\n" + OURS + (
        "client = get_tracker().client\n"
        "for held in (mine, client, get_client()):\n"
        "    with held.start_as_current_observation(name='x') as span:\n"
        "        span.score(name='pnl', value=1.5)\n"
    )  # fmt: skip
    run(script + END, db, LANGFUSE_HOST=sink.url, **KEYS)
    assert (Spool(db).stats().observations, Spool(db).stats().scores) == (3, 3)
    assert (len(sink.spans), len(sink.scores)) == (3, 3)


def test_sessions_that_the_program_says_through_langfuse_win(sink: Langfuse, db: Path) -> None:
    for first in (OURS + "get_tracker()\n" + THEIRS, THEIRS + "get_client()\n" + OURS + "get_tracker()\n"):
        script = first + (
            "with langfuse.propagate_attributes(session_id='theirs', user_id='u'):\n"
            "    observe(name='x')(lambda: None)()\n"
        )
        run(script + END, db, LANGFUSE_HOST=sink.url, **KEYS)
    found = [row.session_id for row in Spool(db).rows_after(0)]
    assert found == ["theirs", "theirs"]


def test_generations_stay_light_beside_the_sdk_and_carry_what_it_propagates(sink: Langfuse, db: Path) -> None:
    script = OURS + "get_tracker()\n" + THEIRS + (
        "import threading\n"
        "given = dict(session_id='theirs', user_id='u', tags=['t'], metadata={'k': 'v'}, environment='stage')\n"
        "with langfuse.propagate_attributes(**given):\n"
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
        found = told(rows[name])
        assert (found[attributes.SESSION_ID], found[attributes.USER_ID]) == ("theirs", "u")
        assert found[attributes.TRACE_TAGS] == (("t",) if name == "plain" else ("a", "t"))
        assert found[attributes.TRACE_METADATA + "k"] == '"v"'
        assert found[attributes.ENVIRONMENT] == "stage"
    assert told(rows["inside"])[attributes.TRACE_METADATA + "agent_type"] == '"a"'
    assert attributes.USER_ID not in told(rows["after"])


@pytest.mark.parametrize("order", ["ours is imported and used first", "a client made by hand first"])
def test_of_a_run_and_what_langfuses_sdk_propagates_the_nearer_one_wins(order: str, sink: Langfuse, db: Path) -> None:
    script = ORDERS[order] + (
        "@observe(name='theirs')\n"
        "def theirs(): pass\n"
        "with langfuse.propagate_attributes(session_id='outside', user_id='u', environment='stage', tags=['t']):\n"
        "    with observe_agent('a', session_id='run', environment='Live') as run:\n"
        "        theirs()\n"
        "        run.score('s', 1)\n"
        "        with observe_agent('b'):\n"
        "            tracing.start('deep', 'generation').end()\n"
        "        with tracing.observe('held', 'span'), langfuse.propagate_attributes(session_id='inside'):\n"
        "            tracing.start('nearest', 'generation').end()\n"
    )
    run(script + END, db, LANGFUSE_HOST=sink.url, **KEYS)
    rows = stored(db)
    for name, session in {"a.run": "run", "theirs": "run", "b.run": "run", "deep": "run", "nearest": "inside"}.items():
        found = told(rows[name])
        assert (found[attributes.SESSION_ID], found[attributes.USER_ID]) == (session, "u"), name
        assert found[attributes.ENVIRONMENT] == "live", name
        assert found[attributes.TRACE_TAGS] == (("a", "b", "t") if name in ("b.run", "deep") else ("a", "t")), name
    assert [score["environment"] for score in sink.scores] == ["live"]


def test_scores_given_to_langfuses_sdk_are_durable_and_redacted(sink: Langfuse, db: Path) -> None:
    for first in (OURS + "get_tracker()\n" + THEIRS, THEIRS + "get_client()\n" + OURS + "get_tracker()\n"):
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


def test_flush_of_langfuses_sdk_waits_for_no_server_that_fails(sink: Langfuse, db: Path) -> None:
    sink.answer = lambda _: Reply(503)
    script = OURS + "get_tracker()\n" + THEIRS + RUN + (
        "import time\n"
        "while not get_tracker().exporter.failing: time.sleep(0.01)\n"
        "get_client().flush()\nassert get_tracker().exporter.failing\nassert flush(0.1) > 0\n"
    )  # fmt: skip
    run(script, db, LANGFUSE_HOST=sink.url, **KEYS)
    assert set(stored(db)) == {"users_own", "risk.run", "inner", "deep"}


def test_nothing_leaves_where_delivery_is_off(sink: Langfuse, db: Path) -> None:
    for switch in ({"MOONDEV_OFFLINE": "1"}, {"ENABLE_LANGFUSE": "false"}):
        for order in ("ours is imported and used first", "get_client first"):
            run(ORDERS[order] + RUN + "get_client().flush()", db, LANGFUSE_HOST=sink.url, **KEYS, **switch)
    assert [request for request in sink.requests if "traces" in request.path] == []
    assert Spool(db).stats().observations == 16


def test_tracing_off_leaves_langfuses_sdk_as_it_is(sink: Langfuse, db: Path) -> None:
    script = OURS + "get_tracker()\n" + THEIRS + "observe(name='theirs')(lambda: None)()\nget_client().flush()\n"
    run(script, db, LANGFUSE_HOST=sink.url, MOONDEV_TRACING="off", **KEYS)
    assert [span.name for span in sink.spans] == ["theirs"]


def test_a_client_for_another_project_keeps_working_and_is_told_of(sink: Langfuse, db: Path) -> None:
    other = f"Langfuse(public_key='pk-lf-another-project', secret_key='sk-lf-x', base_url='{sink.url}')\n"
    for first in (OURS + "get_tracker()\n" + THEIRS + other, THEIRS + other + OURS + "get_tracker()\n"):
        for keys in (KEYS, {}):
            with Langfuse() as mine:
                before = len(sink.spans)
                said = run(
                    first + "observe(name='theirs')(lambda: None)()\nget_client().flush()\n",
                    db,
                    LANGFUSE_HOST=mine.url,
                    **keys,
                )
                assert [span.name for span in sink.spans[before:]] == ["theirs"]
                assert said.count("A Langfuse client for another project (pk-lf-ano...) is in use") == 1
                assert "sk-lf-x" not in said
    assert Spool(db).stats().observations == 0


MADE_BY_HAND = {
    "another project, first": THEIRS + "mine = Langfuse(public_key='pk-lf-another', secret_key='sk-lf-x')\n" + OURS,
    "another project, later": OURS + "get_tracker()\n" + THEIRS
    + "mine = Langfuse(public_key='pk-lf-another', secret_key='sk-lf-x')\n",
    "a mask of its own": THEIRS + "mine = Langfuse(mask_otel_spans=lambda *, params: None)\n" + OURS,
}  # fmt: skip


@pytest.mark.parametrize("kind", MADE_BY_HAND)
def test_what_a_client_sends_by_itself_is_redacted_too(kind: str, sink: Langfuse, db: Path) -> None:
    script = MADE_BY_HAND[kind] + (
        f"import datetime\nsecret = '{SECRET}'\n"
        "with observe_agent('risk'):\n"
        "    with mine.start_as_current_observation(name=f'by hand {secret}', input=[secret]) as span:\n"
        "        span.update(output=secret, metadata={'note': secret, secret: 1})\n"
        "        span.update(level='ERROR', status_message=secret)\n"
        "        span._otel_span.add_event(secret, {'a': secret})\n"
        "        span._otel_span.record_exception(ValueError(secret))\n"
        "        span.score_trace(name='s', value=1, comment=secret, data_type='NUMERIC')\n"
        "    try:\n"
        "        with mine.start_as_current_observation(name='fails', as_type='tool'): raise ValueError(secret)\n"
        "    except ValueError: pass\n"
        "mine.flush()\nflush(20)\n"
    )
    said = run(script, db, LANGFUSE_HOST=sink.url, **KEYS)
    assert "its secrets are redacted all the same" in said
    sent = [body for request in sink.requests for body in (request.body, unzipped(request))]
    assert {"by hand [REDACTED:anthropic_key]", "fails", "risk.run"} == {span.name for span in sink.spans}
    assert not [body for body in sent if SECRET[-30:].encode() in body]


def test_a_client_that_was_not_found_takes_no_place(sink: Langfuse, db: Path) -> None:
    script = OURS + "get_tracker()\n" + THEIRS + "get_client(public_key='pk-lf-no-such-thing')\n"
    script += "with get_client(public_key='pk-lf-1234567890').start_as_current_observation(name='mine'): pass\n"
    said = run(script + "assert flush(20) == 0", db, LANGFUSE_HOST=sink.url, **KEYS)
    assert set(stored(db)) == {"mine"}
    assert "for another project" not in said


def test_a_client_that_masks_spans_itself_is_left_alone_and_told_of(sink: Langfuse, db: Path) -> None:
    script = THEIRS + "Langfuse(mask_otel_spans=lambda *, params: None)\n" + OURS + "get_tracker()\n" + RUN
    said = run(script + "get_client().flush()\nflush(20)\n", db, LANGFUSE_HOST=sink.url, **KEYS)
    assert "could not be joined" in said
    assert set(stored(db)) == {"risk.run", "deep"}
    assert Counter(span.name for span in sink.spans) == Counter(["users_own", "risk.run", "inner", "deep"])


def test_other_spans_of_the_programs_own_provider_are_not_taken(sink: Langfuse, db: Path) -> None:
    script = (
        THEIRS
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
    assert attributes.IS_APP_ROOT in told(rows["risk.run"])  # its parent is not in our store


def test_nobody_waits_for_the_sdk_after_the_end_of_tracing(db: Path) -> None:
    watchers = "[f for f in sys.meta_path if type(f).__name__ == '_Watch']"
    ends = f"assert len({watchers}) == 1\nget_tracker().shutdown()\nassert not {watchers}\nimport langfuse\n"
    run(OURS + "import sys\nget_tracker()\n" + ends, db)


def test_loading_our_package_does_not_load_langfuses_sdk(db: Path) -> None:
    run(OURS + "with observe_agent('a'): pass\nimport sys\nassert 'langfuse' not in sys.modules\n", db, **KEYS)


# A second instrumentation of the same call.

ASK = """
from src.models import ModelFactory
model = ModelFactory.get_model("openai", "gpt-4o")
reply = model.generate_response("You trade.", "What now?")
assert reply.usage.input_tokens == 10, reply.usage
"""


@pytest.fixture
def provider() -> Iterator[Server]:
    with Server(lambda _: chat_reply("hold")) as running:
        yield running


@pytest.mark.parametrize(
    "first",
    ["import langfuse.openai\nget_tracker()\n", "get_tracker()\nimport langfuse.openai\n",
     "import langfuse\nlangfuse.get_client()\nimport langfuse.openai\n"],
)  # fmt: skip
def test_langfuses_openai_wrapper_is_not_counted_twice(first: str, provider: Server, sink: Langfuse, db: Path) -> None:
    """It wraps `create`, which our calls do not go through, so there is nothing to warn of either."""
    script = OURS + "from langfuse import get_client\n" + first + ASK * 2 + END
    address = {"OPENAI_KEY": "k", "OPENAI_BASE_URL": f"{provider.url}/v1"}
    said = run(script, db, LANGFUSE_HOST=sink.url, **address, **KEYS)
    rows = Spool(db).rows_after(0)
    assert [(row.name, row.type, row.input_tokens) for row in rows] == [("openai.generate", "generation", 10)] * 2
    assert "instrument" not in said
    assert len(sink.spans) == 2


def test_an_instrumentation_on_our_way_is_told_and_not_counted_twice(
    provider: Server, sink: Langfuse, db: Path
) -> None:
    """OpenInference, for one, wraps `OpenAI.request`, which every call goes through."""
    wrap = (
        "import openai\nreal = openai.OpenAI.request\n"
        "def request(self, *args, **kwargs):\n"
        "    tracer = get_tracker().provider.get_tracer('openinference.instrumentation.openai')\n"
        "    with tracer.start_as_current_span('theirs') as span:\n"
        "        span.set_attributes({'openinference.span.kind': 'LLM', 'llm.token_count.prompt': 10})\n"
        "        return real(self, *args, **kwargs)\n"
        "openai.OpenAI.request = request\n"
    )
    address = {"OPENAI_KEY": "k", "OPENAI_BASE_URL": f"{provider.url}/v1"}
    script = OURS + "from langfuse import get_client\n" + wrap + ASK * 2 + END
    said = run(script, db, LANGFUSE_HOST=sink.url, **address, **KEYS)
    rows = Spool(db).rows_after(0)
    assert [(row.name, row.type, row.input_tokens) for row in rows] == [
        ("theirs", "span", None), ("openai.generate", "generation", 10),
    ] * 2  # fmt: skip
    assert rows[0].parent_span_id == rows[1].span_id
    extra = told(rows[0])
    assert not [name for name in extra if "usage" in name or "cost" in name]
    assert rows[1].span_id in str(extra[attributes.METADATA + "second_instrumentation"])
    assert said.count("A second instrumentation (openinference.instrumentation.openai)") == 1
    assert said.count("The openai SDK is also instrumented by") == 1
    assert len(sink.spans) == 4


BY_HAND = """
import openai
client = openai.OpenAI(api_key="k", base_url=ADDRESS)

@get_tracker().trace_llm_call
def by_hand():
    return client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hi"}])

assert by_hand().usage.prompt_tokens == 10
by_hand()
"""


def test_a_call_by_hand_that_langfuses_openai_wrapper_measures_too_counts_once(
    provider: Server, sink: Langfuse, db: Path
) -> None:
    address = f"ADDRESS = {provider.url + '/v1'!r}\n"
    script = OURS + "import langfuse.openai\nfrom langfuse import get_client\n" + address + BY_HAND + END
    said = run(script, db, LANGFUSE_HOST=sink.url, **KEYS)
    rows = Spool(db).rows_after(0)
    assert [(row.name, row.type, row.input_tokens) for row in rows] == [
        ("OpenAI-generation", "span", None), ("by_hand", "generation", 10),
    ] * 2  # fmt: skip
    assert rows[0].parent_span_id == rows[1].span_id
    extra = told(rows[0])
    assert not [name for name in extra if "usage" in name or "cost" in name]
    assert rows[1].span_id in str(extra[attributes.METADATA + "second_instrumentation"])
    assert said.count("A second instrumentation (langfuse-sdk)") == 1
    assert "not langfuse.openai" in said
