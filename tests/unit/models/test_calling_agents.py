"""A call outside any run carries the agent that made it, by the module below `src/agents` that asks."""

from __future__ import annotations

import asyncio
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

import src
from src.models.adapters.openai import OpenAIModel
from src.models.fallback import FallbackModel
from src.models.model_factory import ModelFactory
from src.models.retry import RetryPolicy
from src.observability import attributes as names
from src.observability import continue_trace, get_tracker, observe_agent, tracker
from src.observability.spans import calling_agent
from tests.servers import Reply, Server, chat_reply
from tests.unit.observability.stored import attributes_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from src.observability.store.spool import Spool

ASK = "def ask(model, *words):\n    return model.generate_response(None, *(words or ('Trend?',)))\n"
BY_THE_WAY = """
async def aask(model):
    return await model.agenerate_response(None, "Trend?")

async def gathered(model):
    import asyncio
    return await asyncio.gather(aask(model), aask(model))

def stream(model):
    return model.stream_response(None, "Trend?")

def astream(model):
    return model.astream_response(None, "Trend?")

def post(url):
    from src.models import ModelFactory
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Trend?"}]}
    return ModelFactory.post(url, json=body, headers={"Authorization": "Bearer sk-test-0123456789abcdefghij"})

def through(work, *arguments):
    return work(*arguments)

async def bare(model):
    import asyncio
    return await asyncio.gather(model.agenerate_response(None, "Trend?"))

def run(work, model):
    import asyncio
    return asyncio.run(work(model))

class Desk:
    def cycle(self, model):
        return ask(model)
"""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(lambda _: chat_reply("up")) as running:
        yield running


@pytest.fixture
def model(server: Server) -> OpenAIModel:
    policy = RetryPolicy(max_attempts=2, first_wait_s=0.001, longest_wait_s=0.002)
    return OpenAIModel(
        "gpt-4o", api_key="sk-test-0123456789abcdefghij", base_url=f"{server.url}/v1", retry_policy=policy
    )


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a checkout whose folder `src` is a portion of the package `src`."""
    monkeypatch.setattr(calling_agent, "_by_file", {})
    monkeypatch.setattr(src, "__path__", [*src.__path__, str(tmp_path / "src")])
    return tmp_path


@pytest.fixture(autouse=True)
def main_script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Have the program be a script of the checkout, whatever runs the tests."""
    main = ModuleType("__main__")
    main.__file__ = "/desk/main.py"
    monkeypatch.setitem(sys.modules, "__main__", main)
    return main


def load(checkout: Path, path: str, source: str = ASK + BY_THE_WAY, name: str = "__main__") -> Any:
    """Run a file of the checkout as Python does, as the main script or as a module; return its names."""
    module = ModuleType(name)
    exec(compile(source, str(checkout / path), "exec"), vars(module))  # noqa: S102 - a test's program
    return module


def agents(spool: Spool) -> list[str | None]:
    return [row.agent for row in spool.rows_after(0) if row.type == "generation"]


@pytest.mark.parametrize(
    ("path", "agent", "kind"),
    [
        ("src/agents/whale_agent.py", "whale_agent", "whale_agent"),
        ("src/agents/rbi_agent_v3.py", "rbi_agent_v3", "rbi_agent"),
        ("src/agents/chat_question_generator.py", "chat_question_generator", "chat_question_generator"),
        ("src/agents/whale/agent.py", "whale", "whale"),
        ("src/agents/whale/__init__.py", "whale", "whale"),
        ("src/agents/whale/deep/core.py", "whale", "whale"),
        ("src/agents/whale_agent/utils/llm.py", "whale_agent", "whale_agent"),
        ("src/agents/research/rbi_agent.py", "rbi_agent", "rbi_agent"),
        ("src/agents/agent_one.py", "agent_one", "agent_one"),
        ("src/agents/base_agent.py", "main", "main"),
        ("src/agents/utils/llm.py", "main", "main"),
        ("src/nice_funcs.py", "main", "main"),
        ("docs/src/agents/whale_agent.py", "main", "main"),
        ("src/agents/агент_agent.py", "агент_agent", "агент_agent"),
    ],
)
def test_the_module_below_the_agents_names_the_call(
    path: str, agent: str, kind: str, checkout: Path, model: OpenAIModel, spool: Spool
) -> None:
    load(checkout, path).ask(model)
    (row,) = spool.rows_after(0)
    stored = attributes_of(row)
    assert row.agent == agent
    assert stored[names.TRACE_TAGS] == (kind,)
    assert stored[names.TRACE_METADATA + "agent_name"] == f'"{agent}"'
    assert stored[names.TRACE_METADATA + "agent_type"] == f'"{kind}"'
    assert row.session_id == get_tracker().default_scope().session_id
    assert (row.session_id or "").isascii()


def test_an_imported_agent_is_named_by_its_module(model: OpenAIModel, spool: Spool) -> None:
    load(Path("/elsewhere"), "src/agents/whale_agent.py", name="src.agents.whale_agent").ask(model)
    assert agents(spool) == ["whale_agent"]


def test_helpers_act_for_the_agent_that_calls_them(checkout: Path, model: OpenAIModel, spool: Spool) -> None:
    whale = load(checkout, "src/agents/whale_agent.py")
    for helper in ("src/nice_funcs.py", "src/agents/base_agent.py", "src/agents/model_helper.py", "lib/llm.py"):
        whale.through(load(checkout, helper).ask, model)
    swarm = load(checkout, "src/agents/swarm_agent.py")
    whale.through(swarm.ask, model)  # an agent that another one asks is nearer
    assert agents(spool) == ["whale_agent"] * 4 + ["swarm_agent"]


def test_agents_that_one_program_runs_each_have_their_name(
    checkout: Path, model: OpenAIModel, server: Server, spool: Spool
) -> None:
    main, whale, risk = (
        load(checkout, f"src/{name}.py") for name in ("main", "agents/whale_agent", "agents/risk_agent")
    )
    for work in (whale.Desk().cycle, risk.Desk().cycle, whale.ask, main.ask):
        main.through(work, model)
    main.through(risk.post, f"{server.url}/v1/chat/completions")
    expected = ["whale_agent", "risk_agent", "whale_agent", "main", "risk_agent"]
    assert agents(spool) == expected
    assert len({row.session_id for row in spool.rows_after(0)}) == 1


def test_tasks_and_threads_name_the_agent_whose_code_they_run(checkout: Path, model: OpenAIModel, spool: Spool) -> None:
    whale = load(checkout, "src/agents/whale_agent.py")
    asyncio.run(whale.gathered(model))
    thread = threading.Thread(target=whale.ask, args=(model,))
    thread.start()
    thread.join()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(whale.ask, [model] * 2))
        whale.through(pool.submit, model.generate_response, None, "Trend?").result()  # no agent's code on that thread
    assert agents(spool) == ["whale_agent"] * 5 + ["main"]


def test_a_task_without_any_code_of_an_agent_is_that_of_who_runs_the_loop(
    checkout: Path, model: OpenAIModel, spool: Spool
) -> None:
    whale, main = load(checkout, "src/agents/whale_agent.py"), load(checkout, "src/main.py")
    whale.run(whale.bare, model)
    main.run(whale.bare, model)
    main.run(whale.gathered, model)
    assert agents(spool) == ["whale_agent", "main", "whale_agent", "whale_agent"]


def test_a_stream_is_its_asker_s_whoever_reads_it(checkout: Path, model: OpenAIModel, spool: Spool) -> None:
    whale, risk = load(checkout, "src/agents/whale_agent.py"), load(checkout, "src/agents/risk_agent.py")
    chain = FallbackModel([model])

    async def read() -> None:
        async for _ in whale.astream(model):
            pass

    for stream in (whale.stream(model), whale.stream(chain)):
        risk.through(list, stream)
    risk.through(asyncio.run, read())
    assert {row.agent for row in spool.rows_after(0)} == {"whale_agent"}
    assert [row.type for row in spool.rows_after(0)] == ["generation", "generation", "chain", "generation"]


def test_retries_and_chains_carry_the_name_of_their_call(checkout: Path, model: OpenAIModel, spool: Spool) -> None:
    whale = load(checkout, "src/agents/whale_agent.py")
    with Server(lambda _: Reply(status=503)) as broken:
        first = OpenAIModel(
            "gpt-4o",
            api_key="sk-test-0123456789abcdefghij",
            base_url=f"{broken.url}/v1",
            retry_policy=model.retry_policy,
        )
        whale.ask(FallbackModel([first, model]), "Symbol: BTC-USD\nTrend?")
    rows = spool.rows_after(0)
    assert {row.type for row in rows} == {"generation", "chain", "event"}
    for row in rows:
        assert row.agent == "whale_agent"
        assert attributes_of(row)[names.TRACE_TAGS] == ("whale_agent", "BTC-USD")


def test_a_run_wins_over_the_module_and_a_received_session_stays(
    checkout: Path, model: OpenAIModel, spool: Spool
) -> None:
    whale = load(checkout, "src/agents/whale_agent.py")
    with observe_agent("risk", agent_name="mine", session_id="loop-1"):
        whale.ask(model, "Symbol: BTC-USD")
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with continue_trace({"traceparent": parent, "baggage": "langfuse_session_id=loop-2"}, scope=True):
        whale.ask(model)
    inside, run, continued = spool.rows_after(0)
    assert (inside.agent, run.agent) == ("mine", "mine")
    assert attributes_of(inside)[names.TRACE_TAGS] == ("risk",)
    assert (continued.agent, continued.session_id) == ("whale_agent", "loop-2")


def test_a_model_s_agent_wins_over_the_variable_and_that_over_the_module(
    checkout: Path, model: OpenAIModel, server: Server, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_KEY", "sk-test-0123456789abcdefghij")
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
    monkeypatch.setenv("MOONDEV_AGENT", " desk ")
    with new_tracker():
        store = get_tracker().spool
        assert store is not None
        whale = load(checkout, "src/agents/whale_agent.py")
        whale.ask(model)
        whale.ask(ModelFactory.get_model("openai", "gpt-4o", agent="sniper"))
        assert agents(store) == ["desk", "sniper"]
    with pytest.raises(Exception, match="agent is 7, of type int: give the agent's name"):
        ModelFactory.get_model("openai", agent=7)


@contextmanager
def new_tracker() -> Iterator[None]:
    before = tracker.set_tracker(None)
    try:
        yield
    finally:
        get_tracker().shutdown(0)
        tracker.set_tracker(before)


@pytest.mark.parametrize(
    ("file", "module", "name"),
    [
        ("/desk/src/agents/whale_agent.py", None, "whale_agent"),
        ("/usr/lib/python3/site-packages/ipykernel_launcher.py", None, "notebook"),
        ("/desk/.venv/bin/pytest", None, "pytest"),
        ("/desk/scan/__main__.py", "scan.__main__", "scan"),
        ("/desk/scan/__main__.py", "__main__", "scan"),
        ("<stdin>", None, None),
        (None, None, None),
    ],
)
def test_without_an_agent_on_the_stack_the_main_script_names_the_call(
    file: str | None, module: str | None, name: str | None, main_script: ModuleType, model: OpenAIModel, spool: Spool
) -> None:
    main_script.__file__ = file
    main_script.__spec__ = module and type("Spec", (), {"name": module})  # type: ignore[assignment] # as runpy sets it
    model.generate_response(None, "Trend?")
    (row,) = spool.rows_after(0)
    assert row.agent == name
    assert attributes_of(row).get(names.TRACE_TAGS) == (None if name is None else (name,))


def test_an_interactive_session_says_so(
    main_script: ModuleType, model: OpenAIModel, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    del main_script.__file__
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    model.generate_response(None, "Trend?")
    assert agents(spool) == ["interactive"]
