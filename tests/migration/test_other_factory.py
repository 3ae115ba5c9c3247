"""A checkout with a factory of its own is told that it must be replaced: moved calls need what only ours has."""

from __future__ import annotations

from pathlib import Path

import pytest

from src.migration.rewrite import command
from tests.commands import run_main

ROOT = Path(__file__).parents[2]
AGENT = """from openai import OpenAI

client = OpenAI(api_key="k", base_url="http://127.0.0.1:1/v1")


def trend():
    reply = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Trend?"}])
    return reply.choices[0].message.content
"""
THEIRS = """
class ModelFactory:
    @classmethod
    def get_model(cls, model_type, model_name=None):
        return None
"""
OURS = (ROOT / "src/models/model_factory.py").read_text()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "src/agents").mkdir(parents=True)
    (tmp_path / "src/agents/agent.py").write_text(AGENT)
    return tmp_path


@pytest.mark.parametrize("factory", [THEIRS, "class ModelFactory:\n", OURS.replace('"compat"', '"other"')])
@pytest.mark.parametrize("words", [[], ["--write"]])
def test_another_factory_is_named_and_the_exit_code_says_so(checkout: Path, factory: str, words: list[str]) -> None:
    (checkout / "src/models").mkdir()
    (checkout / "src/models/model_factory.py").write_text(factory)
    done = run_main(command.main, checkout / "src/agents", "--jobs", "1", *words)
    assert done.returncode == 20
    verb = "fail" if words else "would fail"
    assert (
        f"{checkout}/src/models is not this project's, and lacks what the changed files call: the changed files {verb}"
        in done.stderr
    )
    assert "--install" in done.stderr


@pytest.mark.parametrize(("package", "fault"), [("src", "does not exist"), ("src/models", "is not this project's")])
def test_a_package_that_hides_an_installed_factory_is_named(checkout: Path, package: str, fault: str) -> None:
    (checkout / package).mkdir(exist_ok=True)
    (checkout / package / "__init__.py").write_text("")
    done = run_main(command.main, checkout, "--jobs", "1")
    assert done.returncode == 20
    assert f"{checkout}/src/models {fault}" in done.stderr


@pytest.mark.parametrize("factory", [OURS, None])
def test_nothing_is_said_of_ours_or_where_there_is_none(checkout: Path, factory: str | None) -> None:
    if factory is not None:
        (checkout / "src/models").mkdir()
        (checkout / "src/models/model_factory.py").write_text(factory)
    done = run_main(command.main, checkout, "--jobs", "1", "--write")
    assert (done.returncode, done.stderr) == (10, "")


def test_nothing_is_said_where_nothing_changes(checkout: Path) -> None:
    (checkout / "src/models").mkdir()
    (checkout / "src/agents/agent.py").write_text("price = 1\n")
    done = run_main(command.main, checkout, "--jobs", "1", "--write")
    assert (done.returncode, done.stderr) == (0, "")
