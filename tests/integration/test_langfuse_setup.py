"""`moondev langfuse`: what a project lacks is created once, and what cannot be done is said while the rest goes on."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from src.cli import main
from src.insight.langfuse_setup import server as api
from src.insight.langfuse_setup.dataset import NOT_JUDGED, right_action
from src.insight.langfuse_setup.score_table import SCORES
from src.insight.langfuse_setup.widgets import DASHBOARD, WIDGETS
from src.insight.quality import scoring
from src.judging.resolving import score_names
from src.observability.ledger import LedgerReader
from src.observability.ledger.results import PNL_SCORE
from src.observability.store.ledger_records import DecisionRecord
from src.observability.store.reader import StoreReader
from src.observability.store.spool import Spool
from tests.commands import Screen, run_app
from tests.dashboard.sample import fill
from tests.integration.langfuse_objects import (
    CONFIGS,
    DASHBOARDS,
    DATASETS,
    ITEMS,
    PROJECT,
    LangfuseObjects,
)
from tests.integration.langfuse_objects import (
    WIDGETS as WIDGET_ROUTE,
)
from tests.servers import Received, Reply

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
RUNS = 12


@pytest.fixture
def project(monkeypatch: pytest.MonkeyPatch) -> Iterator[LangfuseObjects]:
    with LangfuseObjects() as objects:
        monkeypatch.setenv("LANGFUSE_HOST", objects.url)
        monkeypatch.setenv("LANGFUSE_PUBLIC_KEY", "pk-lf-1")
        monkeypatch.setenv("LANGFUSE_SECRET_KEY", "sk-lf-1")
        yield objects


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = fill(tmp_path_factory.mktemp("store") / "traces.db", RUNS)
    spool = Spool(path)
    spool.append_ledger(DecisionRecord(id="open", time_ns=10**18, as_of_ns=10**18, symbol="ETH-USD", action="BUY"))
    spool.close()
    return path


def langfuse(*words: str, **options: Any) -> Screen:
    return run_app(main, "langfuse", *words, **options)


def states(screen: Screen) -> Counter[tuple[str, str]]:
    counted: Counter[tuple[str, str]] = Counter()
    for item in json.loads(screen.out)["items"]:
        counted[item["kind"], item["state"]] += item["n"]
    return counted


def test_what_is_missing_is_created_once(project: LangfuseObjects) -> None:
    dry = langfuse("setup", "--dry-run", "--json")
    assert project.posts == []
    first, second = langfuse("setup", "--json"), langfuse("setup", "--json")
    assert [screen.code for screen in (dry, first, second)] == [0, 0, 0]
    everything = {"score config": len(SCORES), "widget": len(WIDGETS), "dashboard": 1}
    assert states(dry) == {(kind, "missing"): n for kind, n in everything.items()}
    assert states(first) == {(kind, "created"): n for kind, n in everything.items()}
    assert states(second) == {(kind, "there"): n for kind, n in everything.items()}
    assert project.patches == []
    assert Counter(project.posts) == {CONFIGS: len(SCORES), WIDGET_ROUTE: len(WIDGETS), DASHBOARDS: 1}
    assert project.wrong == []
    (dashboard,) = project.objects[DASHBOARDS]
    placed = [tile["widgetId"] for tile in dashboard["definition"]["widgets"]]
    assert sorted(placed) == sorted(item["id"] for item in project.objects[WIDGET_ROUTE])


def test_a_dashboard_that_was_not_finished_is_finished_with_the_widgets_that_are_there(
    project: LangfuseObjects,
) -> None:
    project.answer = lambda request: Reply(500) if "/dashboards" in request.path and request.method == "POST" else None
    broken = langfuse("setup", "--json")
    assert broken.code == 1
    assert states(broken)["dashboard", "failed"] == 1
    project.answer = lambda _: None
    assert states(langfuse("setup", "--json"))["widget", "there"] == len(WIDGETS)
    assert len(project.objects[WIDGET_ROUTE]) == len(WIDGETS)


def test_what_differs_or_was_put_away_is_said_and_left(project: LangfuseObjects) -> None:
    project.add(CONFIGS, {"name": "confidence", "dataType": "NUMERIC", "minValue": 0, "maxValue": 1})
    project.add(CONFIGS, {"name": "agreement", "dataType": "NUMERIC", "isArchived": True})
    project.add(
        CONFIGS,
        {"name": "vote", "dataType": "CATEGORICAL", "categories": [{"label": "BUY", "value": 0}]},
    )
    before = json.dumps(project.objects[CONFIGS])
    screen = langfuse("setup", "--json")
    items = {item["name"]: item for item in json.loads(screen.out)["items"]}
    assert items["confidence"]["detail"] == "its greatest value is 1, here 100"
    assert items["agreement"]["state"] == "archived"
    assert items["vote"]["detail"] == "it has no category SELL, NOTHING"
    assert json.dumps(project.objects[CONFIGS][:3]) == before
    assert len(project.objects[CONFIGS]) == len(SCORES)


def test_what_differs_is_changed_on_request_once_and_what_is_the_users_stays(project: LangfuseObjects) -> None:
    bounds = {"name": "confidence", "dataType": "NUMERIC", "minValue": 0, "maxValue": 1, "description": "mine"}
    project.add(CONFIGS, bounds)
    categories = [{"label": "HOLD", "value": 1}, {"label": "BUY", "value": 0}]
    project.add(CONFIGS, {"name": "vote", "dataType": "CATEGORICAL", "categories": categories})
    project.add(CONFIGS, {"name": "agreement", "dataType": "BOOLEAN"})
    assert langfuse("setup", "--json").code == 0
    first, second = project.objects[WIDGET_ROUTE][:2]
    first["filters"], first["chartType"], first["description"] = [], "PIE", "mine"
    second["name"] = "somebody's own now"
    (dashboard,) = project.objects[DASHBOARDS]
    tiles = list(dashboard["definition"]["widgets"])
    dry, plain = langfuse("setup", "--update", "--dry-run", "--json"), langfuse("setup", "--json")
    assert project.patches == []
    assert states(plain)["widget", "differs"] == 2
    assert (states(dry)["score config", "differs"], states(plain)["score config", "differs"]) == (3, 3)
    changed, again = langfuse("setup", "--update", "--json"), langfuse("setup", "--update", "--json")
    assert [changed.code, again.code] == [0, 0]
    items = {item["name"]: item for item in json.loads(changed.out)["items"]}
    assert items[first["name"]]["state"] == items["confidence"]["state"] == items[DASHBOARD]["state"] == "updated"
    assert items["agreement"]["detail"].endswith("it can be changed in Langfuse alone")
    assert Counter(project.patches) == {CONFIGS: 2, WIDGET_ROUTE: 1, DASHBOARDS: 1}
    assert states(again)["score config", "differs"] == 1
    assert (bounds | {"maxValue": 100}).items() <= project.objects[CONFIGS][0].items()
    assert project.objects[CONFIGS][1]["categories"] == [
        *categories, {"label": "SELL", "value": 2}, {"label": "NOTHING", "value": 3},
    ]  # fmt: skip
    assert (first["chartType"], first["description"]) == ("BAR_TIME_SERIES", "mine")
    assert dashboard["definition"]["widgets"][: len(tiles)] == tiles
    (new,) = dashboard["definition"]["widgets"][len(tiles) :]
    assert new["y"] == max(tile["y"] + tile["height"] for tile in tiles)
    assert new["widgetId"] in {item["id"] for item in project.objects[WIDGET_ROUTE]}
    assert project.wrong == []


def test_judged_decisions_become_a_dataset_once(
    project: LangfuseObjects, filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOONDEV_TRACE_DB", str(filled))
    first = langfuse("setup", "--dataset", "hindsight", "--json")
    second = langfuse("setup", "--dataset", "hindsight", "--json")
    other = langfuse("setup", "--dataset", "other", "--json")
    entries = list(LedgerReader(StoreReader(filled)).entries())
    judged = [entry for entry in entries if "24h" in entry.outcomes and entry.decision.status == "decided"]
    assert states(first)["dataset items", "created"] == len(judged) > 0
    assert states(second)["dataset items", "there"] == len(judged)
    assert states(other)["dataset items", "created"] == len(judged)
    assert sum(json.loads(first.out)["decisions_left_out"].values()) == RUNS + 1 - len(judged)
    assert json.loads(first.out)["decisions_left_out"][NOT_JUDGED] == 1
    assert len({item["id"] for item in project.objects[ITEMS]}) == 2 * len(judged)
    assert [item["name"] for item in project.objects[DATASETS]] == ["hindsight", "other"]
    assert project.wrong == []
    item, entry = project.objects[ITEMS][0], judged[0]
    outcome = entry.outcomes["24h"]
    move = outcome.exit / outcome.entry - 1
    assert item["expectedOutput"] == {"action": "NOTHING" if abs(move) <= 0.002 else "BUY" if move > 0 else "SELL"}
    assert item["input"][1] == {"role": "user", "content": "What now?"}
    assert item["sourceTraceId"] == entry.decision.trace_id
    assert item["sourceObservationId"] in {vote.observation_id for vote in entry.votes}
    assert item["metadata"]["moondev"] == f"moondev traces show {entry.decision.trace_id}"


def test_decisions_of_a_dataset_can_be_chosen(
    project: LangfuseObjects, filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOONDEV_TRACE_DB", str(filled))
    assert langfuse("setup", "--dataset", "d", "--symbol", "BTC/USD", "--limit", "3", "--json").code == 0
    assert langfuse("setup", "--dataset", "e", "--environment", "live", "--json").code == 0
    symbols = {item["metadata"]["symbol"] for item in project.objects[ITEMS]}
    assert symbols == {"BTC-USD"}
    assert len(project.objects[ITEMS]) <= 3


def test_a_stop_says_nothing_of_what_another_action_had_made(filled: Path) -> None:
    from dataclasses import replace

    entry = next(item for item in LedgerReader(StoreReader(filled)).entries() if "24h" in item.outcomes)
    buy = replace(entry.decision, action="BUY")
    outcome = replace(entry.outcomes["24h"], entry=100.0, costs='{"fee_bps": 10}', exit_reason="horizon")
    assert right_action(buy, replace(outcome, exit=100.1)) == "NOTHING"
    assert right_action(buy, replace(outcome, exit=100.3)) == "BUY"
    assert right_action(buy, replace(outcome, exit=99.7)) == "SELL"
    assert right_action(buy, replace(outcome, exit=97.0, exit_reason="stop", net=-0.032)) is None
    assert right_action(buy, replace(outcome, exit=105.0, exit_reason="target", net=0.048)) == "BUY"


def test_a_server_without_a_route_gets_the_rest(project: LangfuseObjects) -> None:
    project.missing = {DASHBOARDS}
    screen = langfuse("setup", "--json")
    assert screen.code == 0
    assert states(screen) == {("score config", "created"): len(SCORES), ("dashboard", "unavailable"): 1}


def test_rate_limits_are_kept(project: LangfuseObjects, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(api.LangfuseApi.__init__, "__kwdefaults__", {"pause": waits.append, "note": lambda _: None})
    refused: set[str] = set()

    def answer(request: Received) -> Reply | None:
        name = f"{request.method} {request.path}"
        if request.path.startswith(CONFIGS) and name not in refused:
            refused.add(name)
            return Reply(429, b"{}", {"retry-after": "7"})
        return None

    project.answer = answer
    assert states(langfuse("setup", "--json"))["score config", "created"] == len(SCORES)
    assert set(waits) == {7.0}
    assert len(waits) == len(refused) >= 2
    assert len(project.objects[CONFIGS]) == len(SCORES)


@pytest.mark.parametrize(
    ("variables", "code", "problem"),
    [
        ({"LANGFUSE_SECRET_KEY": "sk-lf-2"}, 1, "refuses the keys (HTTP 401): check LANGFUSE_PUBLIC_KEY"),
        ({"LANGFUSE_SECRET_KEY": ""}, 2, "Set LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY"),
        ({"LANGFUSE_HOST": "http://127.0.0.1:9"}, 1, "http://127.0.0.1:9 does not answer"),
        ({"MOONDEV_OFFLINE": "1"}, 2, "MOONDEV_OFFLINE switches Langfuse off"),
    ],
)
def test_wrong_keys_and_hosts_are_one_error(
    project: LangfuseObjects, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], code: int, problem: str
) -> None:
    monkeypatch.setattr(api.LangfuseApi.__init__, "__kwdefaults__", {"pause": lambda _: 0, "note": lambda _: None})
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    screen = langfuse("setup")
    assert (screen.code, screen.out) == (code, "")
    assert screen.err.count("error:") == 1
    assert problem in screen.err
    assert "sk-lf" not in screen.text


def test_a_host_that_is_no_langfuse_says_so(project: LangfuseObjects) -> None:
    project.answer = lambda _: Reply(404, b"<html>404</html>", {"content-type": "text/html"})
    screen = langfuse("status")
    assert screen.code == 1
    assert "is no Langfuse server, or a very old one" in screen.err


def test_status_names_the_project_and_fits_the_terminal(project: LangfuseObjects) -> None:
    screen = langfuse("status", width=80)
    assert f"{project.url}/project/{PROJECT}" in screen.out
    assert "version  4.60.0" in screen.out
    assert max(map(len, screen.out.splitlines())) <= 80
    assert project.posts == []


def test_the_table_has_every_score_that_the_code_writes() -> None:
    """Scores are written by calls of `score` with a name; those by other means are named here."""
    texts = (path.read_text("utf-8") for path in (ROOT / "src").rglob("*.py") if "migration" not in path.parts)
    literal = {
        call.args[0].value
        for text in texts
        if re.search(r"\bscore\(\s*\"", text)
        for call in ast.walk(ast.parse(text))
        if isinstance(call, ast.Call)
        and getattr(call.func, "attr", getattr(call.func, "id", "")) == "score"
        and call.args
        and isinstance(call.args[0], ast.Constant)
    }
    (decision,) = re.findall(r"for score_name, value in \((.*?)\):", _source("src/observability/ledger/writing.py"))
    by_name = set(re.findall(r'\("(\w+)", record', decision))

    class Main:
        horizons = "24h"

    outcomes = set(score_names(Main(), "24h").values())  # type: ignore[arg-type] # as much of a decision as it reads
    assert {score.name for score in SCORES} == literal | by_name | outcomes | {PNL_SCORE, *scoring.NAMES}


def _source(path: str) -> str:
    return (ROOT / path).read_text("utf-8")


def test_types_are_those_of_scores_that_agents_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from src.agents.trading_agent import TradingAgent
    from src.observability import get_tracker
    from tests.servers import Server, chat_reply

    reply = chat_reply('{"action": "BUY", "confidence": 70, "reasoning": "r"}')
    with Server(lambda _: reply) as server:
        monkeypatch.setenv("OPENAI_KEY", "k")
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        candles = [
            {"time": 1_700_000_000 + 900 * n, "open": 1.0, "high": 1.1, "low": 0.9, "close": 1.0, "volume": 1}
            for n in range(60)
        ]
        agent = TradingAgent(members=["openai:gpt-4o", "openai:gpt-4o-mini"])
        agent.decide("BTC-USD", candles)
    spool = get_tracker().spool
    assert spool is not None
    table = {score.name: score for score in SCORES}
    rows = [record for _, record in spool.read_scores("anything")]
    assert {"decision", "confidence", "agreement", "vote"} <= {row.name for row in rows}
    for row in rows:
        kind = table[row.name]
        assert row.data_type == kind.data_type
        assert not kind.labels or row.value in kind.labels
        assert kind.lowest is None or float(row.value) >= kind.lowest
        assert kind.highest is None or float(row.value) <= kind.highest


def test_the_dashboard_is_described() -> None:
    assert DASHBOARD in _source("docs/langfuse.md")
