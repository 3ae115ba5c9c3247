"""A forked child makes calls of its own, beside its parent's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.contract.dialects.base import Says
from tests.contract.harness import ROWS, dialect_of
from tests.servers import Received, Reply, Server
from tests.warm import run_program

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork"),
]

BEGIN = """
import os, sys
from src.models import ModelFactory
def ended(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
"""


def run(script: str, tmp_path: Path, *arguments: str) -> str:
    variables = {"MOONDEV_TRACE_DB": str(tmp_path / "t.db"), "MOONDEV_DOTENV": "off", "PYTHONPATH": str(ROOT)}
    done = run_program(BEGIN + script, *arguments, environment=os.environ | variables)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("case", ["openai", "claude", "groq", "gemini", "gemini__legacy", "ollama"])
def test_parent_and_children_get_the_replies_to_their_own_questions(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialect = dialect_of(case)
    for name, value in dialect.environment.items():
        monkeypatch.setenv(name, value)

    def echo(request: Received) -> Reply:
        return dialect.reply(Says(text=f"to {dialect.parse_request(request).texts[-1]}", model=dialect.model))

    script = """
model = ModelFactory.get_model(sys.argv[1], sys.argv[2], api_key="k", base_url=sys.argv[3])
def ask(who):
    for number in range(12):
        assert model.generate_response(None, f"{who} {number}").content == f"to {who} {number}"
ask("warm")
children = []
for who in ("one", "two", "three"):
    children.append(os.fork())
    if not children[-1]:
        try:
            ask(who)
        except BaseException as error:
            print(who, repr(error), flush=True)
            os._exit(1)
        os._exit(0)
ask("parent")
assert [ended(child) for child in children] == [0, 0, 0]
"""
    with Server(echo) as server:
        run(script, tmp_path, ROWS[case.partition("__")[0]].name, dialect.model, dialect.base_url(server.url))
    assert len(server.received) == 60


@pytest.mark.parametrize("asks", [True, False])
def test_a_child_of_a_process_that_has_loaded_the_embedded_model_asks_it_and_ends(asks: bool, tmp_path: Path) -> None:
    script = """
model = ModelFactory.get_model("local")
assert model.generate_response(None, "hi", temperature=0.0, max_tokens=2).content
child = os.fork()
if not child:
    if sys.argv[1] == "True":
        assert model.generate_response(None, "hi", temperature=0.0, max_tokens=2).content
    sys.exit(7)
assert model.generate_response(None, "hi", temperature=0.0, max_tokens=2).content
assert ended(child) == 7
"""
    run(script, tmp_path, str(asks))
