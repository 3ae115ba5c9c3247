"""A model call that a second instrumentation measures too is counted once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from src.observability import attributes
from src.observability.store.spool import Spool
from tests.integration.langfuse_programs import END, KEYS, OURS, run
from tests.servers import Langfuse, Server, chat_reply
from tests.unit.observability.stored import attributes_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def sink() -> Iterator[Langfuse]:
    with Langfuse() as running:
        yield running


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "traces.db"


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
    log = run(script, db, LANGFUSE_HOST=sink.url, **address, **KEYS)
    rows = Spool(db).rows_after(0)
    assert [(row.name, row.type, row.input_tokens) for row in rows] == [("openai.generate", "generation", 10)] * 2
    assert "instrument" not in log
    assert len(sink.spans) == 2


def test_an_instrumentation_that_our_calls_go_through_is_warned_of_and_not_counted_twice(
    provider: Server, sink: Langfuse, db: Path
) -> None:
    """OpenInference, for one, wraps `OpenAI.request`, which every call goes through."""
    wrap = (
        "import openai\nreal = openai.OpenAI.request\n"
        "def request(self, *args, **kwargs):\n"
        "    tracer = get_tracker().provider.get_tracer('openinference.instrumentation.openai')\n"
        "    with tracer.start_as_current_span('request') as span:\n"
        "        span.set_attributes({'openinference.span.kind': 'LLM', 'llm.token_count.prompt': 10})\n"
        "        return real(self, *args, **kwargs)\n"
        "openai.OpenAI.request = request\n"
    )
    address = {"OPENAI_KEY": "k", "OPENAI_BASE_URL": f"{provider.url}/v1"}
    script = OURS + "from langfuse import get_client\n" + wrap + ASK * 2 + END
    log = run(script, db, LANGFUSE_HOST=sink.url, **address, **KEYS)
    rows = Spool(db).rows_after(0)
    assert [(row.name, row.type, row.input_tokens) for row in rows] == [
        ("request", "span", None), ("openai.generate", "generation", 10),
    ] * 2  # fmt: skip
    assert rows[0].parent_span_id == rows[1].span_id
    extra = attributes_of(rows[0])
    assert not [name for name in extra if "usage" in name or "cost" in name]
    assert rows[1].span_id in str(extra[attributes.METADATA + "second_instrumentation"])
    assert log.count("A second instrumentation (openinference.instrumentation.openai)") == 1
    assert log.count("The openai SDK is also instrumented by") == 1
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


def test_a_traced_function_that_langfuses_openai_wrapper_measures_too_counts_once(
    provider: Server, sink: Langfuse, db: Path
) -> None:
    address = f"ADDRESS = {provider.url + '/v1'!r}\n"
    script = OURS + "import langfuse.openai\nfrom langfuse import get_client\n" + address + BY_HAND + END
    log = run(script, db, LANGFUSE_HOST=sink.url, **KEYS)
    rows = Spool(db).rows_after(0)
    assert [(row.name, row.type, row.input_tokens) for row in rows] == [
        ("OpenAI-generation", "span", None), ("by_hand", "generation", 10),
    ] * 2  # fmt: skip
    assert rows[0].parent_span_id == rows[1].span_id
    extra = attributes_of(rows[0])
    assert not [name for name in extra if "usage" in name or "cost" in name]
    assert rows[1].span_id in str(extra[attributes.METADATA + "second_instrumentation"])
    assert log.count("A second instrumentation (langfuse-sdk)") == 1
    assert "not langfuse.openai" in log
