"""What a request can cost is bounded by all that it sends and asks for, and a budget that holds nothing is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from src.cli.start import main
from src.models.call import budget_gate
from src.models.errors import BudgetExceeded, InvalidRequest, ModelTimeout
from src.models.model_factory import ModelFactory
from src.observability import observe_agent
from tests.commands import run_app
from tests.servers import Received, Reply, Server, chat_reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("within_one_hour")
INPUT, OUTPUT = 0.15e-6, 0.6e-6  # of gpt-4o-mini, in dollars a token
LONG = "x" * 100_000


def answer(request: Received) -> Reply:
    return chat_reply("yes", model=request.json["model"])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("OPENAI_KEY", "sk-test-0123456789abcdef")
    monkeypatch.setattr(budget_gate, "_underestimates", {})
    with Server(answer) as running:
        monkeypatch.setenv("OPENAI_BASE_URL", running.url + "/v1")
        yield running


def model(name: str = "gpt-4o-mini") -> Any:
    return ModelFactory.get_model("openai", name)


def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    file = tmp_path / "budgets.toml"
    file.write_text(text)
    monkeypatch.setenv("MOONDEV_BUDGETS", str(file))


def spent_usd() -> float:
    """Return what the command says once the calls of this process are settled, which takes a moment."""
    for store in budget_gate._stores.values():
        store.flush()
    (row,) = json.loads(run_app(main, "budget", "--json").out)
    assert row["reserved_usd"] == 0
    return float(row["spent_usd"])


TOOL: dict[str, Any] = {
    "type": "function",
    "function": {"name": "f", "parameters": {"type": "object", "properties": {}}},
}
CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": json.dumps({"x": LONG})}}
CALLED: list[dict[str, Any]] = [
    {"role": "user", "content": "go"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "a", "content": "ok"},
]
SCHEMA = {"type": "object", "properties": {"a": {"type": "string", "description": LONG}}}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aWFt"}}


@pytest.mark.parametrize(
    ("call", "least_usd"),
    [
        (lambda: model().chat(CALLED, max_tokens=10, tools=[TOOL]), 100_000 * INPUT),
        (
            lambda: model().chat(
                [{"role": "user", "content": "go"}], max_tokens=10,
                tools=[{**TOOL, "function": {**TOOL["function"], "description": "値" * 40_000}}],
            ),
            120_000 * INPUT,
        ),
        (lambda: model().generate_response(None, "go", max_tokens=10, response_format=SCHEMA), 100_000 * INPUT),
        (lambda: model().generate_response(None, "go", max_tokens=1_000, n=20), 20_000 * OUTPUT),
        (lambda: model().generate_response(None, "go", max_tokens=1_000, extra_body={"n": 20}), 20_000 * OUTPUT),
        (
            lambda: model().generate_response(None, "go", max_tokens=10, extra_body={"max_tokens": 20_000}),
            20_000 * OUTPUT,
        ),
        (lambda: model().chat([{"role": "user", "content": [PICTURE]}], max_tokens=10), 48_169 * INPUT),
        (
            lambda: model("gpt-4o").generate_response(None, "go", max_tokens=1_000, service_tier="priority"),
            1_000 * 17e-6,
        ),
    ],
    ids=["tool calls", "tools", "schema", "n", "n in extra_body", "max_tokens in extra_body", "picture", "tier"],
)  # fmt: skip
def test_all_that_a_request_sends_and_asks_for_is_reserved(
    server: Server, monkeypatch: pytest.MonkeyPatch, call: Callable[[], object], least_usd: float
) -> None:
    monkeypatch.setenv("MOONDEV_BUDGET_DAY_USD", f"{least_usd * 0.999:.9f}")
    with pytest.raises(BudgetExceeded, match="Nothing was sent"):
        call()
    assert not server.received


def test_each_attempt_whose_cost_nobody_knows_counts_what_was_reserved(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOONDEV_BUDGET_DAY_USD", "1")
    with Server(lambda _: Reply(504, b'{"error": {"message": "gateway"}}')) as slow:
        asked = ModelFactory.get_model("openai", "gpt-4o-mini", base_url=slow.url + "/v1")
        with pytest.raises(ModelTimeout):
            asked.generate_response(None, "go", max_tokens=10_000)
        attempts = len(slow.received)
    assert attempts > 1
    assert spent_usd() == pytest.approx(attempts * ((256 + 1_024) * INPUT + 10_000 * OUTPUT))


def test_what_a_budget_states_for_unpriced_models_is_not_what_a_priced_one_counts_whose_cost_nobody_knows(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, monkeypatch, '[[budget]]\nwindow = "day"\nlimit_usd = 1\nunknown_usd = 0.000001\n')
    with Server(lambda _: Reply(504, b'{"error": {"message": "gateway"}}')) as slow:
        asked = ModelFactory.get_model("openai", "gpt-4o-mini", base_url=slow.url + "/v1")
        with pytest.raises(ModelTimeout):
            asked.generate_response(None, "go", max_tokens=10_000)
    assert spent_usd() >= 10_000 * OUTPUT


def test_each_hard_budget_must_state_what_an_unpriced_call_counts(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOONDEV_BUDGET_DAY_USD", "5")
    write(tmp_path, monkeypatch, '[[budget]]\nwindow = "month"\nkind = "soft"\nlimit_usd = 5\nunknown_usd = 0\n')
    with pytest.raises(BudgetExceeded, match="price of openai:gpt-of-nobody is not known"):
        model("gpt-of-nobody").generate_response(None, "go", max_tokens=10)
    assert not server.received


@pytest.mark.parametrize(
    ("match", "reason"),
    [
        ('provider = "anthropic"', "the provider is named 'claude' here"),
        ('provider = "opneai"', "the provider is named 'openai' here"),
        ('model = "openai:gpt-4o-mini"', "give the provider apart"),
    ],
)
def test_a_budget_in_which_no_call_would_ever_count_is_refused(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, match: str, reason: str
) -> None:
    write(tmp_path, monkeypatch, f'[[budget]]\nwindow = "day"\nlimit_usd = 0\n{match}\n')
    with pytest.raises(InvalidRequest, match=reason):
        model().generate_response(None, "go", max_tokens=10)
    assert not server.received


@pytest.mark.parametrize("match", ['provider = "OpenAI"', 'model = "GPT-4o-mini"', 'agent = "Whale"'])
def test_capital_letters_make_no_difference_to_a_budget(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, match: str
) -> None:
    write(tmp_path, monkeypatch, f'[[budget]]\nwindow = "day"\nlimit_usd = 0\n{match}\n')
    with observe_agent("whale"), pytest.raises(BudgetExceeded):
        model().generate_response(None, "go", max_tokens=10)
    assert not server.received


@pytest.mark.parametrize("provider", ["cloudflare", "lambda", "minimax", "mistral", "openai_compatible"])
def test_providers_that_only_addresses_lead_to_can_be_matched(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, provider: str
) -> None:
    write(tmp_path, monkeypatch, f'[[budget]]\nwindow = "day"\nlimit_usd = 0\nprovider = "{provider}"\n')
    assert model().generate_response(None, "go", max_tokens=10).content == "yes"


@pytest.mark.parametrize(
    "match", ['window = "run"', 'window = "day"\nagent = "whale"', 'window = "day"\nenvironment = "x"']
)
def test_without_traces_a_budget_by_agent_environment_or_run_is_refused(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, match: str
) -> None:
    monkeypatch.setenv("MOONDEV_TRACING", "off")
    write(tmp_path, monkeypatch, f"[[budget]]\nlimit_usd = 5\n{match}\n")
    with observe_agent("whale"), pytest.raises(InvalidRequest, match="MOONDEV_TRACING is off"):
        model().generate_response(None, "go", max_tokens=10)
    assert not server.received
    write(tmp_path, monkeypatch, '[[budget]]\nlimit_usd = 5\nwindow = "day"\nmodel = "gpt-4o-mini"\n# changed\n')
    assert model().generate_response(None, "go", max_tokens=10).content == "yes"
