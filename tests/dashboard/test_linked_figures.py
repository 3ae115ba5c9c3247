"""What a figure leads to is what it counts, and what it is compared with is what the raw rows have."""

from __future__ import annotations

import math
import re
from html import unescape
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given, settings

from src.dashboard.server import table_rows
from src.dashboard.view import lazy_rows
from src.dashboard.view.filters import moment, stamp
from tests.dashboard.cases import FILTERS, SEEDS, Case, made_cases, near
from tests.dashboard.cases import stamp as stamp_of
from tests.dashboard.sample import NS
from tests.long import rounds

if TYPE_CHECKING:
    from collections.abc import Iterator

DAY_NS = 86_400 * NS


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Case]]:
    yield from made_cases(tmp_path_factory, 30)


def links(case: Case, address: str, filters: dict[str, str], panel: str) -> list[tuple[str, str]]:
    """Return the cells of a panel that lead to traces: their texts and addresses."""
    answer = case.client.get(address, params=filters)
    assert answer.status_code == 200, answer.text
    section = answer.text.partition(f'id="{panel}"')[2].partition("</section>")[0]
    pairs = re.findall(r'<a href="(/traces[^"]*)">(?:<bdi>)?([^<]*)', section)
    return [(text, unescape(href)) for href, text in pairs]


def traces_figures(case: Case, href: str) -> dict[str, str]:
    return case.figures("traces", dict(parse_qsl(urlsplit(href).query)))


@pytest.mark.parametrize("number", range(len(SEEDS)))
def test_a_number_of_errors_leads_to_these_very_errors(cases: list[Case], number: int) -> None:
    case = cases[number]

    @settings(max_examples=rounds(3, 100), deadline=None)
    @given(FILTERS)
    def check(filters: dict[str, str]) -> None:
        failed = {
            text: href
            for text, href in links(case, "/errors", {**filters, "by": "agent and model"}, "groups")
            if text.isdigit()
        }
        for text, href in failed.items():
            assert "category=any" in href
            figures = traces_figures(case, href)
            assert figures["errors"] == figures["calls"] == text, href
        rows = [row for row in case.chosen(filters) if row["level"] == "ERROR"]
        groups = {(row["agent"], row["model"]) for row in rows}
        counts = {str(sum((row["agent"], row["model"]) == group for row in rows)) for group in groups}
        assert set(failed) == counts
        for _, href in links(case, "/errors", filters, "days")[:3]:
            query = dict(parse_qsl(urlsplit(href).query))
            begin, end = (moment(query[name], name, 0) or 0 for name in ("since", "until"))
            own = [
                row for row in rows
                if begin <= row["start_ns"] < end and row["error_category"] == query["category"]
            ]  # fmt: skip
            assert end - begin <= DAY_NS
            assert int(traces_figures(case, href)["errors"]) == len(own), href

    check()


def test_any_category_is_every_call_that_failed(cases: list[Case]) -> None:
    case = cases[0]
    failed = [row for row in case.chosen({}) if row["level"] == "ERROR"]
    assert failed
    for page in ("cost", "errors"):
        figures = case.figures(page, {"category": "any"})
        assert (figures["calls"], float(figures["errors"])) == (str(len(failed)), 1.0)
    refused = case.client.get("/cost?category=any&status=ok")
    assert refused.status_code == 400
    assert "give one of them" in refused.text


@pytest.mark.parametrize("number", range(len(SEEDS)))
def test_the_period_before_has_the_figures_of_its_raw_rows(cases: list[Case], number: int) -> None:
    case = cases[number]
    filters = {"since": stamp_of(48), "until": stamp_of(72)}
    bounds = [moment(stamp_of(hours), "since", 0) or 0 for hours in (24, 48, 72)]
    rows = {row["measure"]: row for row in case.csv("/overview/before.csv", filters)}
    for name, (begin, end) in {"before": bounds[:2], "now": bounds[1:]}.items():
        own = [row for row in case.chosen({}) if begin <= row["start_ns"] < end]
        known = math.fsum(row["cost_usd"] or 0.0 for row in own)
        assert near(rows["calls an hour"][name], len(own) / 24)
        assert near(rows["known cost an hour"][name], known / 24)
        assert near(rows["known cost a call"][name], known / len(own))
        took = [(row["end_ns"] - row["start_ns"]) / 1e6 for row in own]
        assert math.isclose(float(rows["mean latency"][name]), math.fsum(took) / len(own), rel_tol=1e-5)
    assert all(row["verdict"] in {"up", "down", "noise", "not enough"} for row in rows.values())
    alone = case.csv("/overview/before.csv", {"since": stamp_of(0)})
    assert alone == []  # nothing was recorded before


def test_all_rows_are_shown_where_they_are_asked_for(cases: list[Case], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lazy_rows, "FIRST", 3)  # the rows that are made at once
    monkeypatch.setattr(table_rows, "FIRST", 3)
    case = cases[0]
    days = case.csv("/overview/calls.csv", {})
    address = "/?rows=2000"
    section = case.client.get(address).text.partition('id="calls"')[2].partition("</section>")[0]
    assert section.count("<tr>") == len(days) + 1
    assert case.client.get("/?rows=2").text.partition('id="calls"')[2].partition("</section>")[0].count("<tr>") == 3
    for wrong in ("0", "-1", "x", "99999"):
        assert case.client.get(f"/?rows={wrong}").status_code == 400


def test_a_time_in_an_address_is_read_back() -> None:
    for ns in (0, 1_761_955_200 * NS, 1_761_955_200 * NS + 123_000):
        assert moment(stamp(ns), "since", 0) == ns
