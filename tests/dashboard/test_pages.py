"""Each page with data, without, and for addresses that cannot be."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING

import pytest

from src.dashboard import Content, open_stores
from src.dashboard.data import conditions
from src.dashboard.pages import overview
from src.dashboard.pages import traces as traces_page
from src.dashboard.pages.registry import KINDS
from src.observability.store.spool import Spool
from tests.dashboard.conftest import HOSTILE, RUNS, first_trace, opened
from tests.dashboard.sample import fill, prices
from tests.long import IS_LONG

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.testclient import TestClient

ADDRESSES = {kind.slug: kind.address for kind in KINDS.values()}
WITH_TABLES = [slug for slug in ADDRESSES if slug not in {"live", "budget", "alerts", "advice"}]


@pytest.mark.parametrize("slug", list(ADDRESSES))
def test_a_page_shows_what_is_there_and_says_n(client: TestClient, slug: str) -> None:
    answer = client.get(ADDRESSES[slug])
    assert answer.status_code == 200
    assert f"<h1>{KINDS[slug].title}</h1>" in answer.text
    if slug in WITH_TABLES:
        assert "n = " in answer.text
        assert "<tbody>" in answer.text
        assert ".csv" in answer.text


def test_a_page_of_nothing_says_what_to_do(tmp_path: Path) -> None:
    Spool(tmp_path / "empty.db").close()
    stores = open_stores([tmp_path / "missing.db", tmp_path / "empty.db"])
    with opened(Content(stores=stores)) as client:
        for slug, address in ADDRESSES.items():
            for query in ("", "?store=empty"):
                answer = client.get(address + query)
                assert answer.status_code == 200, slug
                assert "yet" in answer.text or "No budget is set" in answer.text or slug == "live", slug


@pytest.mark.parametrize("slug", WITH_TABLES if IS_LONG else ["", "decisions", "models", "errors", "prompts", "traces"])
def test_every_table_is_there_as_csv(client: TestClient, slug: str) -> None:
    links = re.findall(r'href="(/[^"]+\.csv[^"]*)"', client.get(ADDRESSES[slug]).text)
    assert links
    for link in links:
        answer = client.get(link.replace("&amp;", "&"))
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/csv")
        head, *rows = csv.reader(io.StringIO(answer.text))
        assert rows
        assert all(len(row) == len(head) for row in rows)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/decisions?since=never", "Since is &#39;never&#39;: give how long ago"),
        ("/decisions?since=2026-01-02&until=2026-01-01", "is not before until"),
        ("/decisions?agnet=x", "no filter &#39;agnet&#39;"),
        ("/decisions?agent=a&agent=b", "is there twice"),
        ("/decisions?action=HODL", "give one of BUY, SELL, NOTHING"),
        ("/decisions?horizon=soon", "is no horizon"),
        ("/accuracy?by=moon", "give one of agent"),
        ("/traces?min_ms=fast", "give a number of 0 or more"),
        ("/traces?min_usd=-1", "give a number of 0 or more"),
        ("/traces?min_usd=nan", "give a number of 0 or more"),
        ("/cost?min_usd=1e10", "up to a billion"),
        ("/traces?before=x", "before is"),
        ("/traces?store=other", "There is no store &#39;other&#39;"),
        ("/cost?since=9999-01-01", "Since is"),
        ("/cost?since=0001-01-01T00:00%2B23:59", "Since is"),
        ("/live/rows.json?after=-1", "after is"),
        (f"/decisions?agent={'x' * 501}", "longer than 500"),
    ],
)  # fmt: skip
def test_an_address_that_cannot_be_says_what_is_wrong(client: TestClient, path: str, says: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 400
    assert says in answer.text


# A value of each filter that leaves something.
VALUES = {
    "since": "2025-11-01", "until": "2199-01-01", "agent": "trading_agent", "model": "gpt-4o", "other": "llama3.2",
    "provider": "openai", "symbol": "BTC-USD", "session": "loop-0", "user": "nobody", "environment": "paper",
    "prompt": "trading", "member": "openai:gpt-4o", "book": "live", "action": "BUY", "status": "error",
    "outcome": "open", "category": "rate_limit", "horizon": "4h", "name": "openai:gpt-4o", "text": "trend",
    "min_ms": "1", "min_usd": "0",
}  # fmt: skip


@pytest.mark.parametrize("slug", [slug for slug, kind in KINDS.items() if kind.filters])
def test_every_filter_is_taken_from_the_address_and_shown_in_the_form(client: TestClient, slug: str) -> None:
    kind = KINDS[slug]
    values = {name: VALUES.get(name, kind.by[-1] if kind.by else "") for name in kind.filters}
    for name, value in values.items() if IS_LONG else ():
        assert client.get(kind.address, params={name: value}).status_code == 200, name
    answer = client.get(kind.address, params=values)
    assert answer.status_code == 200
    for name, value in values.items():
        field = re.search(rf'<(input|select) id="f-{name}"[^>]*>(?:.*?</select>)?', answer.text, re.DOTALL)
        assert field is not None, name
        assert f'value="{value}"' in field[0], name
        if field[1] == "select":
            assert f'<option value="{value}" selected>' in field[0] or value == kind.by[0], name


def test_a_text_is_searched_as_far_as_time_allows_and_the_page_says_how_far(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conditions, "_WINDOW", 20)
    monkeypatch.setattr(traces_page, "_SEARCH_S", 0.0)
    page = client.get("/traces?text=the+TREND+says").text
    assert f"The texts of the newest 20 of {RUNS * 4} observations were searched" in page
    assert int(re.search(r'data-figure="traces".*?"value">(\d+)', page, re.DOTALL)[1]) <= 6  # type: ignore[index] # it is there
    assert len(list(csv.DictReader(io.StringIO(client.get("/traces/traces.csv?text=the+trend+says").text)))) == 50
    assert _figure(client, "/traces/figures.csv?text=the+trend+says", "traces") == str(RUNS)
    narrow = client.get("/traces?text=the+trend+says&session=loop-0").text
    assert "of these. Other filters" in narrow  # the newest rows are of another session
    monkeypatch.setattr(traces_page, "_SEARCH_S", 300.0)
    assert "The texts of the newest" not in client.get("/traces?text=the+trend+says&session=loop-1").text


@pytest.mark.parametrize(
    "query", ["symbol=BTC-USD", "min_usd=0.003", "status=ok&symbol=ETH-USD&min_ms=900&agent=whale_agent"]
)
def test_traces_are_searched_as_far_as_time_allows_and_the_page_says_how_far(
    store_path: Path, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    content = Content(stores=open_stores([store_path]))
    with opened(content) as client:
        whole = client.get(f"/traces/figures.csv?{query}").text
    monkeypatch.setattr(conditions, "_ROWS", 7)
    monkeypatch.setattr(traces_page, "_SEARCH_S", 0.0)
    says = f"The newest 7 of {RUNS * 4} observations were searched"
    with opened(content) as client:
        page = client.get(f"/traces?{query}").text
        assert says in page
        assert int(re.search(r'data-figure="traces".*?"value">(\d+)', page, re.DOTALL)[1]) <= 3  # type: ignore[index] # it is there
        assert client.get(f"/traces/figures.csv?{query}").text == whole  # window by window
    monkeypatch.setattr(overview, "_SEARCH_S", 1e-9)
    monkeypatch.setattr(traces_page, "_SESSIONS_S", 1e-9)
    with opened(content) as client:
        for path in ("/", "/sessions"):
            assert says in client.get(f"{path}?symbol=BTC-USD").text


@pytest.mark.parametrize(
    ("query", "tables"),
    [
        ("symbol=BTC-USD", ("/traces/figures.csv", "/traces/traces.csv", "/sessions/sessions.csv")),
        ("user=nobody", ("/traces/figures.csv", "/traces/traces.csv", "/sessions/sessions.csv")),
        ("text=the+trend+says&agent=whale_agent", ("/traces/figures.csv", "/traces/traces.csv")),
        ("status=ok", ("/traces/figures.csv", "/traces/traces.csv")),
    ],
)
def test_few_traces_are_looked_up_and_many_gone_through_with_the_same_figures(
    store_path: Path, monkeypatch: pytest.MonkeyPatch, query: str, tables: tuple[str, ...]
) -> None:
    pages = []
    for few in (10_000, -1):
        monkeypatch.setattr(conditions, "_FEW", few)
        with opened(Content(stores=open_stores([store_path]))) as client:
            answers = [client.get(f"{table}?{query}") for table in tables]
        assert [answer.status_code for answer in answers] == [200] * len(tables)
        texts = [answer.text for answer in answers]  # whose dollars are added in another order
        pages.append([re.sub(r"\d+\.\d+", lambda part: f"{float(part[0]):.9f}", text) for text in texts])
    assert pages[0] == pages[1]
    assert pages[0][0].count("\n") > 1


def test_empty_fields_of_a_form_leave_the_address(client: TestClient) -> None:
    answer = client.get("/traces?agent=&model=gpt-4o&since=")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/traces?model=gpt-4o"


def test_a_trace_opens_by_the_beginning_of_its_id_with_all_of_its_observations(
    client: TestClient, store_path: Path
) -> None:
    trace_id = first_trace(store_path)
    assert client.get(f"/traces/{trace_id[:12].upper()}").status_code == 200
    rows = client.get(f"/traces/{trace_id}/rows.json").json()
    assert rows["count"] == 4
    assert rows["depth"] == [0, 1, 1, 1]
    assert rows["texts"][rows["name"][0]] == "trading_agent.swarm"
    part = client.get(f"/traces/{trace_id}/{rows['id'][1]}/part").text
    assert "You trade." in part
    assert client.get(f"/traces/{trace_id}/{rows['id'][1]}").status_code == 200
    text = client.get(f"/traces/{trace_id}/{rows['id'][1]}/input.txt")
    assert text.headers["content-type"].startswith("text/plain")
    assert "What now?" in text.text
    for missing in (f"/traces/{trace_id}/ffff", "/traces/ffffffff", f"/traces/{trace_id}/{rows['id'][0]}/inputs.txt",
                    "/traces/%27%3B--", "/traces/%00%1b"):  # fmt: skip
        assert client.get(missing).status_code == 404, missing


def test_what_a_model_writes_is_text_everywhere(hostile_path: Path) -> None:
    with opened(Content(stores=open_stores([hostile_path]))) as client:
        trace_id = first_trace(hostile_path)
        rows = client.get(f"/traces/{trace_id}/rows.json").json()
        pages = [client.get(f"/traces/{trace_id}/{span}/part").text for span in rows["id"]]
        pages += [client.get(address).text for address in ADDRESSES.values()]
        assert any("&lt;script&gt;window.hacked" in page for page in pages)
        assert any("\\x1b]0;title" in page for page in pages)
        assert any("\\u202eTFEL" in page for page in pages)
        for page in pages:
            assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028]", page)
            assert "<script>" not in page
            assert "<img" not in page
            assert "onerror=" not in re.sub("&[^;]*;", "", page) or "&lt;img" in page


def test_a_name_is_no_formula_in_csv_and_no_markup_in_json(tmp_path: Path) -> None:
    from dataclasses import replace

    from tests.dashboard.sample import Maker

    records, decision, _ = Maker(5).run(1)
    spool = Spool(tmp_path / "t.db")
    for record in records:
        spool.append(replace(record, name="=1+1</script>\u202e", agent="@evil", session_id="+session"))
    spool.append_ledger(replace(decision, agent="=cmd|' /C calc'!A0", symbol="-X</script>"))
    spool.close()
    with opened(Content(stores=open_stores([tmp_path / "t.db"]))) as client:
        row = next(csv.DictReader(io.StringIO(client.get("/traces/traces.csv").text)))
        assert (row["name"], row["agent"], row["session"]) == ("'=1+1</script>\\u202e", "'@evil", "'+session")
        row = next(csv.DictReader(io.StringIO(client.get("/decisions/decisions.csv").text)))
        assert row["agent"].startswith("'=cmd")
        page = client.get("/decisions").text
        for block in re.findall(r'<script type="application/json">(.*?)</script>', page, re.DOTALL):
            json.loads(block)


def test_stores_are_told_apart(tmp_path: Path, store_path: Path) -> None:
    other = fill(tmp_path / store_path.name, 2)
    with opened(Content(stores=open_stores([store_path, other]))) as client:
        first, second = (_figure(client, f"/traces/figures.csv{query}", "traces") for query in ("", "?store=traces-2"))
        assert (first, second) == (str(RUNS), "2")
        page = client.get("/traces?store=traces-2").text
        assert 'name="store" value="traces-2"' in page
        assert re.search(r'href="/traces/[0-9a-f]{32}\?store=traces-2"', page)


def test_prices_of_a_file_draw_the_market(store_path: Path) -> None:
    with opened(Content(stores=open_stores([store_path]), prices={"BTC-USD": prices()})) as client:
        page = client.get("/decisions?symbol=BTC-USD").text
        block = json.loads(re.search(r'data-chart="decisions".*?application/json">(.*?)</script>', page, re.DOTALL)[1])  # type: ignore[index] # it is there
        assert len(block["bars"]) > 100
        assert block["marks"]


def test_pages_of_the_list_of_traces_have_each_trace_once(tmp_path: Path) -> None:
    path = fill(tmp_path / "t.db", 130)
    with opened(Content(stores=open_stores([path]))) as client:
        address, ids = "/traces", []
        while address:
            page = client.get(address).text
            ids += re.findall(r'href="/traces/([0-9a-f]{32})"', page)
            older = re.search(r'href="(/traces\?before=\d+)">Older', page)
            address = older[1] if older else ""
        assert len(ids) == len(set(ids)) == 130


def test_a_file_that_is_no_store_says_so(tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_bytes(b"not a database" * 100)
    with opened(Content(stores=open_stores([tmp_path / "notes.db"])), admitted=False) as client:
        answer = client.get(client.headers["x-link"])
        assert answer.status_code == 503
        assert "is no trace store" in answer.text


@pytest.mark.parametrize("path", ["/traces?since=999999w", "/cost?since=999999w&min_usd=1e9&min_ms=1e9",
                                  "/traces?min_ms=1e9&min_usd=1e9", "/traces?before=999999999999999999",
                                  "/live/rows.json?after=999999999999999999", "/decisions?horizon=999999w",
                                  "/traces?agent=%ED%A0%80%00", "/traces?until=2199-12-31&text=%25%22*",
                                  "/decisions?since=1970-01-01T00:00%2B23:59"])  # fmt: skip
def test_odd_but_possible_addresses_are_answered(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 200


def test_hostile_filters_are_text_too(client: TestClient) -> None:
    answer = client.get("/traces", params={"agent": HOSTILE.replace("\x00", "")})
    assert answer.status_code == 200
    assert "&lt;script&gt;window.hacked" in answer.text
    assert "<script>" not in answer.text


def _figure(client: TestClient, address: str, name: str) -> str:
    rows = csv.DictReader(io.StringIO(client.get(address).text))
    return next(row["value"] for row in rows if row["figure"] == name)
