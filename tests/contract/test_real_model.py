"""The SDKs and adapters meet a real model: the embedded one, served by llama.cpp on loopback, and in this process."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pydantic
import pytest

from src.models import embedded_model
from src.models.adapters.local import bindings
from src.models.errors import ContextTooLong
from src.models.model_factory import ModelFactory
from src.models.providers import PROVIDERS
from tests.contract.harness import EXAMPLE, Caller

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from src.models.base_model import BaseModel
    from src.observability.store.spool import Spool

pytestmark = [
    pytest.mark.skipif(embedded_model.file() is None, reason="the embedded model's file is not installed"),
    pytest.mark.xdist_group("embedded model"),  # loaded by one worker alone
]
# Provider -> what its SDK adds to the server's address.
SERVED = {"openai": "/v1", "example": "/v1", "claude": "", "local": None}


class Colour(pydantic.BaseModel):
    name: str = pydantic.Field(max_length=8)
    warm: bool


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    xllamacpp = bindings.load()
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(embedded_model.file())
    parameters.n_ctx, parameters.n_parallel, parameters.verbosity, parameters.port = 4096 * 4, 4, -1, 0
    for processors in (parameters.cpuparams, parameters.cpuparams_batch):  # else they spin, waiting for one another
        processors.n_threads, processors.poll = 1, 0
    server = xllamacpp.Server(parameters)
    yield str(server.listening_address)
    del server


@pytest.fixture(params=SERVED)
def model(request: pytest.FixtureRequest, address: str) -> Iterator[BaseModel]:
    PROVIDERS.register(EXAMPLE)
    suffix = SERVED[request.param]
    if suffix is None:
        yield ModelFactory.get_model(request.param)
    else:
        yield ModelFactory.get_model(request.param, api_key="none", base_url=address + suffix)
    PROVIDERS._rows.pop(EXAMPLE.name, None)


@pytest.fixture(params=["sync", "async"])
def call(request: pytest.FixtureRequest) -> Caller:
    return Caller(request.param)


def test_a_real_model_answers(model: BaseModel, call: Caller, spool: Spool) -> None:
    reply = call.ask(model, "You are friendly.", "Say hello. 价格 📈", temperature=0.0, max_tokens=5)
    assert reply.content.strip()
    assert reply.usage is not None
    assert 0 < (reply.usage.output_tokens or 0) <= 5
    assert reply.finish_reason in ("stop", "length")
    (row,) = spool.trace(str(reply.trace_id))
    assert (row.input_tokens, row.output_tokens) == (reply.usage.input_tokens, reply.usage.output_tokens)


def test_a_real_stream_brings_what_the_whole_reply_says(model: BaseModel, call: Caller) -> None:
    question: dict[str, Any] = {"temperature": 0.0, "max_tokens": 6}
    whole = call.ask(model, None, "Count to five.", **question)
    chunks = call.stream(model, None, "Count to five.", **question)
    assert len(chunks) > 3
    assert "".join(chunk.content for chunk in chunks) == whole.content
    assert chunks[-1].usage is not None
    assert whole.usage is not None
    assert chunks[-1].usage.total_tokens == whole.usage.total_tokens


def test_a_real_model_fits_a_schema(model: BaseModel, call: Caller) -> None:
    if model.provider == "claude":
        pytest.skip("llama.cpp's Messages endpoint takes no schema")
    reply = call.ask(model, "Reply in JSON.", "Name a colour.", temperature=0.0, max_tokens=40, response_format=Colour)
    assert isinstance(reply.parsed, Colour)


def test_a_real_model_continues_a_conversation(model: BaseModel, call: Caller) -> None:
    messages = [
        {"role": "user", "content": "My name is Ada."},
        {"role": "assistant", "content": "Hello Ada."},
        {"role": "user", "content": "Thanks."},
    ]
    assert call.chat(model, messages, temperature=0.0, max_tokens=3).content.strip()


def test_a_prompt_beyond_a_real_context_is_too_long(model: BaseModel, call: Caller) -> None:
    with pytest.raises(ContextTooLong):
        call.ask(model, None, "price " * 9000, max_tokens=8)


def test_eight_ask_a_real_model_at_once(model: BaseModel) -> None:
    ask: Callable[[int], Any] = lambda n: model.generate_response(  # noqa: E731
        None,
        f"Say {n}.",
        temperature=0.0,
        max_tokens=3,  # at other temperatures it may say nothing first
    )
    with ThreadPoolExecutor(8) as pool:
        assert all(reply.content for reply in pool.map(ask, range(8)))
