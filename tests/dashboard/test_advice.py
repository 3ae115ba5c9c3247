"""The page on what to change: its figures, links to what they rest on, and hostile names; in a browser too."""

from __future__ import annotations

import contextlib
import html
import os
import re
import time
from typing import TYPE_CHECKING

import pytest

from src.dashboard import Content, open_stores
from tests import periods
from tests.dashboard.browser import CHROMIUM, running
from tests.dashboard.conftest import HOSTILE, opened
from tests.unit.insight import advised_store as made
from tests.unit.insight.advised_store import DAYS, PRICES, Recorder
from tests.unit.insight.stores import DAY_NS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.testclient import TestClient

NAME = HOSTILE.replace("\x00", "")


@pytest.fixture(scope="module")
def advised(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a store of the last days, in which agents waste money, one of them under a hostile name."""
    folder = tmp_path_factory.mktemp("advised")
    (folder / "prices.toml").write_text(PRICES)
    periods.wait_for_room(room_s=90)  # only whole days are advised on, and days end in UTC
    store = Recorder(folder / "t.db", (time.time_ns() // DAY_NS - DAYS) * DAY_NS)
    made.failures(store)
    made.swarms(store)
    for day in range(DAYS):
        for number in range(2):
            store.call(NAME, store.at(day, 60 + number), 0.5, category="timeout")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOONDEV_PRICES", str(folder / "prices.toml"))
        yield store.close()


@pytest.fixture(scope="module")
def advised_client(advised: Path) -> Iterator[TestClient]:
    with opened(Content(stores=open_stores([advised]))) as client:
        yield client


def test_each_finding_leads_to_the_calls_behind_it(advised_client: TestClient) -> None:
    page = advised_client.get("/advice?agent=fails").text
    assert "fails, cheap: stop paying for calls that fail" in page
    assert re.search(r'data-figure="findings".*?<span class="value">1</span>', page, re.DOTALL)
    assert "predicted $6.00" in page
    (address,) = set(re.findall(r'href="(/traces\?[^"]*)"[^>]*><bdi>these calls', page))
    assert "status=error" in address
    traces = advised_client.get(html.unescape(address)).text
    assert re.search(r'data-figure="calls".*?<span class="value">40</span>', traces, re.DOTALL)
    (trace, *_) = re.findall(r'href="(/traces/[0-9a-f]{32})"', page)
    assert advised_client.get(trace).status_code == 200
    assert "in 30 days" in advised_client.get("/advice/findings.csv?agent=fails").text


def test_what_is_not_advised_stands_below_with_its_reason(advised_client: TestClient) -> None:
    page = advised_client.get("/advice").text
    assert "failed the back-check: it changed none of 60 decisions, then 10 of 60" in html.unescape(page)
    nobody = advised_client.get("/advice?agent=nobody").text
    assert "at least six days with calls" in nobody
    assert advised_client.get("/advice?category=timeout").status_code == 400


def test_hostile_names_are_text(advised_client: TestClient) -> None:
    page = advised_client.get("/advice").text
    assert "&lt;script&gt;window.hacked" in page
    assert "<script>window" not in page
    assert "<img" not in page
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028]", page)


@pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium: apt-get install chromium")
@pytest.mark.xdist_group("chromium")
def test_in_a_browser_the_page_draws_fits_a_phone_and_its_links_work(advised: Path) -> None:
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: make .venv")
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    complaints: list[str] = []
    with contextlib.ExitStack() as stack:
        base, link = stack.enter_context(running({"main": advised}))
        driver = stack.enter_context(sync_api.sync_playwright())
        browser = driver.chromium.launch(
            executable_path=CHROMIUM,
            args=[*arguments, "--disable-gpu"],
            env={**os.environ, "TMPDIR": "/tmp"},  # noqa: S108 - it has a socket there, whose path must be short
        )
        stack.callback(browser.close)
        page = browser.new_page(viewport={"width": 375, "height": 700})
        page.set_default_timeout(120_000)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(link)
        page.goto(f"{base}/advice")
        page.wait_for_function("() => [...document.querySelectorAll('.chart')].every((c) => c.dataset.drawn)")
        assert page.locator("#findings .chart canvas").count() == 1
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.locator("#findings tbody a", has_text="swarm: leave the member p:third out").click()
        place = page.url.partition("#")[2]
        assert page.locator(f"#{place} h2").text_content().endswith("leave the member p:third out")
        cells = page.locator("[id^=finding-] td:last-child, #withheld td:last-child")
        assert cells.evaluate_all("items => items.every((c) => c.scrollWidth <= c.clientWidth)")  # none is cut off
        page.locator("#findings tbody tr", has_text="fails, cheap").get_by_text("traces").click()
        page.wait_for_url(re.compile(r"/traces\?.*agent=fails.*status=error"))
        assert page.locator("[data-figure=calls] .value").text_content() == "40"
        assert page.evaluate("window.hacked") is None
    assert complaints == []
