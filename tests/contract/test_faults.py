"""Whatever breaks in tracing, a call gives what it would have given without."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from src.models.errors import ServerFailed
from src.observability import observe_agent
from src.observability.delivery import http_post
from tests.contract.conftest import QUICK
from tests.contract.dialects.base import Says
from tests.faults import DELIVERING, SEAMS, Faults
from tests.servers import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from src.models.base_model import BaseModel
    from tests.contract.dialects.base import Dialect
    from tests.contract.harness import Caller, Wire


@pytest.fixture(params=SEAMS)
def faults(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Faults]:
    breaking = Faults()
    if request.param not in DELIVERING:
        breaking.strike(request.param, monkeypatch)
        yield breaking
        return
    for name, value in {"HOST": "http://127.0.0.1:9", "PUBLIC_KEY": "pk-lf-x", "SECRET_KEY": "sk-lf-x-0123"}.items():
        monkeypatch.setenv(f"LANGFUSE_{name}", value)
    # The routers that stand in for providers would answer the exporter too.
    monkeypatch.setattr(http_post, "_post", lambda *_: http_post.Outcome(http_post.Answer.ACCEPTED))
    monkeypatch.setenv("LANGFUSE_FLUSH_INTERVAL", "0.01")  # or else each test waits the second in which work gathers
    breaking.strike(request.param, monkeypatch)
    yield breaking


# Two protocols stand for all: what breaks is the same code for each (`--faults` breaks it for any test).
CASES = pytest.mark.parametrize("case", ["openai", "claude"], indirect=True)


@CASES
def test_no_call_fails_because_tracing_does(
    faults: Faults, make: Callable[..., BaseModel], dialect: Dialect, wire: Wire, call: Caller
) -> None:
    model = make(retry_policy=QUICK)
    ordinary = dialect.reply(Says(text="buy low", model=dialect.model))
    wire.say(ordinary)
    with observe_agent("risk", metadata={"position": {"size": 1}}, input={"candles": [1, 2]}) as run:
        assert call.ask(model, "be brief", "what now?", max_tokens=50).content == "buy low"
        run.update(output="done")
        run.score("decision", "BUY")
    wire.say(dialect.stream(Says(text="one two")))
    assert "".join(chunk.content for chunk in call.stream(model, None, "go")) == "one two"
    assert eventually(lambda: faults.hits > 0)


@CASES
def test_a_calls_own_error_is_told_all_the_same(
    faults: Faults, make: Callable[..., BaseModel], dialect: Dialect, wire: Wire, call: Caller
) -> None:
    wire.say(dialect.error("server"))
    with pytest.raises(ServerFailed):
        call.ask(make(), None, "hi")
    assert eventually(lambda: faults.hits > 0)
