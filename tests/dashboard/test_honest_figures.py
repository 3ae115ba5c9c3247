"""What is not known is never shown as 0, what is cut says so, and a link leads to what its row counts."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from src.dashboard import Content, open_stores
from src.dashboard.data.limits import Limits
from src.dashboard.pages.registry import KINDS
from src.dashboard.server.views import Views
from src.dashboard.view.lazy_rows import each_row
from src.dashboard.view.panels import is_at_least
from src.insight.facts.filters import EVALUATION
from src.insight.facts.job import refresh
from src.observability import attributes as names
from src.observability.ledger import MemberVote, write_votes
from src.observability.store.spool import Spool
from tests.dashboard.conftest import opened
from tests.dashboard.sample import BEGAN_NS, NS, Maker, Span, fill, prices, score

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.testclient import TestClient

    from src.observability.store.records import SpanRecord

MODEL = "a/b %&ü"
HOUR_NS = 3_600 * NS


def call(number: int, *, usd: float | None, tokens: int | None, **more: Any) -> SpanRecord:
    """Return a call, in a trace of its own; its cost and tokens are unknown where they are None."""
    attributes: dict[str, Any] = {
        names.TYPE: "generation", names.MODEL: MODEL, names.RESPONSE_MODEL: MODEL, names.AGENT_NAME: "agent",
        names.SESSION_ID: "loop", names.PROMPT_NAME: "p & q", names.PROMPT_VERSION: 1,
        names.COST_DETAILS: '{"unknown": 0}' if usd is None else json.dumps({"total": usd}), **more,
    }  # fmt: skip
    if tokens is not None:
        attributes |= {names.INPUT_TOKENS: tokens, names.OUTPUT_TOKENS: 1}
    start_ns = BEGAN_NS + number * NS
    return Span(number << 70, number, None, "call", start_ns, start_ns + NS, attributes).record()


@contextmanager
def shown(path: Path, records: list[SpanRecord]) -> Iterator[TestClient]:
    spool = Spool(path)
    for record in records:
        spool.append(record)
    spool.close()
    refresh(path)
    with opened(Content(stores=open_stores([path]))) as client:
        yield client


def table(client: TestClient, address: str) -> list[dict[str, str]]:
    answer = client.get(address)
    assert answer.status_code == 200, answer.text[-500:]
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_one_call_is_one_call_and_a_wrong_clock_hangs_no_chart(tmp_path: Path) -> None:
    near = call(1, usd=0.1, tokens=1)
    with shown(tmp_path / "one.db", [near]) as client:
        for page in ("/", "/cost", "/errors", "/traces"):
            text = client.get(page).text
            assert "n = 1 call" in text, page
            assert "1 calls" not in text, page
            assert "1 observations" not in text, page
    far = replace(near, trace_id="f" * 32, span_id="f" * 16, start_ns=8 * 10**18, end_ns=8 * 10**18 + 1)
    with shown(tmp_path / "clock.db", [near, far]) as client:
        text = client.get("/cost").text
        assert len(text) < 100_000  # not a place for each day of 200 years
        assert "as where a clock was wrong" in text
        assert len(table(client, "/cost/days.csv")) == 2


COSTS = ("/overview/agents.csv", "/overview/cost.csv", "/cost/days.csv", "/cost/groups.csv", "/prompts/calls.csv",
         "/traces/traces.csv", "/sessions/sessions.csv")  # fmt: skip
TOKENS = (("/cost/groups.csv", "input_tokens"), ("/traces/traces.csv", "tokens"), ("/sessions/sessions.csv", "tokens"))


def test_what_is_not_known_is_not_zero(tmp_path: Path) -> None:
    with shown(tmp_path / "t.db", [call(1, usd=None, tokens=None)]) as client:
        for address in COSTS:
            (row,) = table(client, address)
            assert (row["cost_usd"], row["cost_usd_at_least"]) == ("", "true"), address
        for address, name in TOKENS:
            (row,) = table(client, address)
            assert (row[name], row[f"{name}_at_least"]) == ("", "true"), address
        assert table(client, "/cost/groups.csv")[0]["share"] == ""
        for page in ("", "cost", "traces", "sessions"):
            figures = {row["figure"]: row for row in table(client, f"/{page or 'overview'}/figures.csv")}
            assert (figures["cost_usd"]["value"], figures["cost_usd"]["value_at_least"]) == (
                "", "true",
            )  # fmt: skip
            text = client.get(f"/{page}").text
            assert "unknown" in text
            assert "$0<" not in text
        trace_id = table(client, "/traces/traces.csv")[0]["trace_id"]
        assert client.get(f"/traces/{trace_id}").text.count(">unknown<") == 2  # its cost and its tokens
        (live,) = client.get("/live/rows.json?after=0").json()["rows"]
        assert live["cost"] == "unknown"


def test_what_is_known_in_part_is_at_least_that(tmp_path: Path) -> None:
    records = [call(1, usd=None, tokens=None), call(2, usd=0.25, tokens=9)]
    with shown(tmp_path / "t.db", records) as client:
        for address in (*COSTS[:5], "/sessions/sessions.csv"):
            (row,) = table(client, address)
            assert (row["cost_usd"], row["cost_usd_at_least"]) == ("0.25", "true"), address
        assert table(client, "/cost/groups.csv")[0]["per_call"] == ""
        assert "≥ 10<" in client.get("/sessions").text
        assert "≥ 9<" in client.get("/cost").text
        assert "has the known part" in client.get("/cost").text


def test_only_marked_columns_hold_bounds(store_path: Path) -> None:
    views = Views(Content(stores=open_stores([store_path])))
    for kind in KINDS.values():
        page = views.page(kind, views.context(kind, [], Limits(300)))
        for panel in page.panels:
            for row in each_row(panel.table.rows, Limits(300)):
                for column, value in zip(panel.table.columns, row, strict=True):
                    assert column.is_bound or not is_at_least(value), (kind.slug, panel.slug, column.key)


def test_links_keep_the_prompt_and_lead_to_its_calls(tmp_path: Path) -> None:
    other = call(3, usd=0.1, tokens=1, **{names.PROMPT_NAME: "other"})
    with shown(tmp_path / "t.db", [call(1, usd=0.1, tokens=1), call(2, usd=0.1, tokens=1), other]) as client:
        for page in ("cost", "latency", "errors", "quality"):
            for by in ("model", "prompt"):
                query = {"by": by, "prompt": "p & q"}
                links = re.findall(r'href="(/traces\?[^"]*)"', client.get(f"/{page}?{urlencode(query)}").text)
                assert links, page
                for link in links:
                    answer = client.get(html.unescape(link))
                    assert answer.status_code == 200
                    figure = re.search(r'data-figure="traces".*?class="value">([^<]*)<', answer.text, re.DOTALL)
                    assert figure is not None
                    assert figure[1] == "2", link


def test_a_cost_of_at_least_nothing_leaves_all_traces(tmp_path: Path) -> None:
    with shown(tmp_path / "t.db", [call(1, usd=None, tokens=1), call(2, usd=0.1, tokens=1)]) as client:
        assert len(table(client, "/traces/traces.csv?min_usd=0")) == 2
        assert len(table(client, "/traces/traces.csv?min_usd=0.1")) == 1


def test_trials_and_judges_are_told_apart(tmp_path: Path) -> None:
    trial = call(1, usd=0.1, tokens=1, **{names.ENVIRONMENT: EVALUATION})
    with shown(tmp_path / "t.db", [trial, call(2, usd=0.1, tokens=1)]) as client:
        for page in ("/", "/cost", "/latency", "/errors", "/quality"):
            assert "1 of these calls is of judges" in client.get(page).text, page
        assert "of these calls are of judges" not in client.get("/cost?environment=evaluation").text


def test_all_scores_are_in_the_csv_and_the_page_says_how_many_it_has(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    record = call(1, usd=0.1, tokens=1)
    spool = Spool(path)
    for number in range(601):
        spool.append_score(score(record.trace_id, f"score {number}", float(number)))
    spool.close()
    with shown(path, [record]) as client:
        assert len(table(client, f"/traces/{record.trace_id}/scores.csv")) == 601
        text = client.get(f"/traces/{record.trace_id}").text
        assert "n = 601 scores, of which the newest 100 are here" in text
        assert 'data-value="600.0"' in text  # so that 9 is sorted before 10


def test_what_is_cut_says_so(tmp_path: Path) -> None:
    tools = "x" * 30_000
    record = replace(
        call(1, usd=0.1, tokens=1, **{names.AGENT_NAME: "y" * 450, names.METADATA + "tools": tools}),
        level="ERROR", error_category="server", status_message="z" * 400,
    )  # fmt: skip
    with shown(tmp_path / "t.db", [record]) as client:
        assert "y" * 400 + "…" in client.get("/cost?by=agent").text
        assert "the first 20,000 of 30,000 characters" in client.get(f"/traces/{record.trace_id}/{record.span_id}").text
        (live,) = client.get("/live/rows.json?after=0").json()["rows"]
        assert live["error"].endswith("characters)")


@pytest.mark.parametrize("first", [0, 1])
def test_decisions_that_the_prices_do_not_reach_are_not_drawn_elsewhere(tmp_path: Path, first: int) -> None:
    path = tmp_path / "t.db"
    _, decision, _ = Maker(1).run(1)
    series = prices("BTC-USD", bars=48)
    moments = [BEGAN_NS - 30 * 24 * HOUR_NS, BEGAN_NS + 5 * HOUR_NS, BEGAN_NS + 90 * 24 * HOUR_NS]
    spool = Spool(path)
    for number, moment in enumerate(moments[first:] + moments[:first]):  # as several processes write them
        spool.append_ledger(replace(decision, id=f"{number:032x}", as_of_ns=moment, symbol="BTC-USD"))
    spool.append_ledger(replace(decision, id="f" * 32, as_of_ns=moments[1], symbol="BTC-USD", price=None))
    spool.close()
    with opened(Content(stores=open_stores([path]), prices={"BTC-USD": series})) as client:
        text = client.get("/decisions?symbol=BTC-USD").text
    block = re.search(r'data-chart="decisions".*?<script type="application/json">(.*?)</script>', text, re.DOTALL)
    assert block is not None
    chart = json.loads(block[1])
    assert [mark[0] for mark in chart["marks"]] == [moments[1] // 1_000_000]
    assert len(chart["bars"]) == 48
    assert "the prices of the file do not reach them: 2." in text
    assert "for want of a price: 1;" in text


def test_a_model_whose_costs_are_not_all_known_is_not_drawn_by_its_cost(tmp_path: Path) -> None:
    path = fill(tmp_path / "t.db", 40)
    with opened(Content(stores=open_stores([path]))) as client:
        text = client.get("/models").text
        rows = table(client, "/models/models.csv")
    unknown = [row["model"] for row in rows if row["cost_usd_at_least"] == "true"]
    assert unknown
    block = re.search(r'data-chart="bubbles".*?<script type="application/json">(.*?)</script>', text, re.DOTALL)
    drawn = {point[5] for point in json.loads(block[1])["points"]} if block else set()
    assert drawn.isdisjoint(unknown)
    assert f"{len(unknown)} model{'s' if len(unknown) > 1 else ''}, of whose calls not all costs are known" in text


def test_what_a_member_adds_to_open_decisions_is_not_zero(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    spool, (_, decision, _) = Spool(path), Maker(1).run(1)
    cast = [MemberVote(member=f"m{place}", action=action) for place, action in enumerate(("BUY", "BUY", "SELL"))]
    spool.append_ledger(replace(decision, action="BUY", status="decided", votes=write_votes(cast)))
    spool.close()
    with opened(Content(stores=open_stores([path]))) as client:
        rows = {row["member"]: row for row in table(client, "/swarm/members.csv")}
    assert [(rows[name]["changed"], rows[name]["value"]) for name in ("m0", "m2")] == [("1", ""), ("0", "0.0")]


def test_a_cost_of_which_only_0_is_known_is_unknown(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    spool, (_, decision, _) = Spool(path), Maker(1).run(1)
    free = [MemberVote(member=name, action="BUY", cost_usd=0.0) for name in ("m0", "m1")]
    spool.append_ledger(
        replace(decision, action="BUY", status="decided", votes=write_votes(free), cost_usd=0.0, cost_unknown=True)
    )
    paid = [MemberVote(member=name, action="BUY", cost_usd=None) for name in ("m0", "m1")]
    spool.append_ledger(replace(decision, id="f" * 32, action="BUY", status="decided", votes=write_votes(paid)))
    spool.close()
    with opened(Content(stores=open_stores([path]))) as client:
        for page in ("swarm", "decisions", "accuracy"):
            assert "≥ $0<" not in client.get(f"/{page}").text, page
        assert {row["cost_usd"] for row in table(client, "/swarm/members.csv")} == {""}
        costs = [(row["cost_usd"], row["cost_usd_at_least"]) for row in table(client, "/decisions/decisions.csv")]
        assert ("", "true") in costs


def test_a_store_with_an_odd_name_is_reached_by_every_link(tmp_path: Path) -> None:
    first, second = tmp_path / "first.db", tmp_path / "a & b+c.db"
    Spool(first).close()
    with shown(second, [call(1, usd=0.1, tokens=1)]):
        pass
    with opened(Content(stores=open_stores([first, second]))) as client:
        start = client.get("/traces", params={"store": "a & b+c"}).text
        trace = client.get(html.unescape(re.findall(r'href="(/traces/[0-9a-f]{32}\?[^"]*)"', start)[0]))
        for text in (start, trace.text):
            links = re.findall(r'href="(/[a-z]*\?[^"]*store[^"]*)"', text)
            assert len(links) > 10
            for link in links[:3] + links[-3:]:
                assert "a &amp; b+c.db" in client.get(html.unescape(link)).text, link
