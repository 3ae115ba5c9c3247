"""The dashboard in a real Chromium: charts, keyboard, phone width, hostile replies, and no request that leaves."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from src.dashboard.pages.registry import KINDS
from src.insight.facts.job import refresh
from src.observability import attributes as names
from src.observability.store.spool import Spool
from tests.dashboard.browser import CHROMIUM, CONTRAST, TOUCHING, UNNAMED, Site, running
from tests.dashboard.conftest import HOSTILE, RUNS
from tests.dashboard.sample import BEGAN_NS, Maker, Span, fill, large_trace
from tests.long import IS_LONG

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium: apt-get install chromium"),
    pytest.mark.xdist_group("chromium"),
]
LARGE = 30_000 if IS_LONG else 3_000
WITH_CHARTS = [slug for slug in KINDS if slug not in {"traces", "sessions", "live", "budget", "alerts", "advice"}]
# `make test` opens a few pages here; `tests/dashboard/test_pages.py` asks for each of them without a browser.
SOME = list(KINDS) if IS_LONG else ["decisions"]


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("browser")
    main = fill(folder / "main.db", RUNS)
    refresh(main)
    hostile = fill(folder / "hostile.db", 1, reply=HOSTILE + "x" * 1_000_000)
    spool, (records, decision, _) = Spool(hostile), Maker(9).run(1, HOSTILE)
    for record in records:
        spool.append(replace(record, name=HOSTILE.replace("\x00", ""), agent="</td><script>window.hacked = 1</script>"))
    spool.append_ledger(
        replace(decision, id="hostile", symbol="<script>window.hacked = 1</script>", agent="\u202eagent")
    )
    spool.close()
    refresh(hostile)
    return {"main": main, "hostile": hostile, "large": folder / "large.db", "missing": folder / "missing.db"}


@pytest.fixture(scope="module")
def large_id(paths: dict[str, Path]) -> str:
    return large_trace(paths["large"], LARGE)


@pytest.fixture(scope="module")
def site(paths: dict[str, Path], large_id: str) -> Iterator[Site]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: make .venv")
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with running(paths) as (base, link), sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=CHROMIUM,
            args=[*arguments, "--disable-gpu"],
            env={**os.environ, "TMPDIR": "/tmp"},  # noqa: S108 - it has a socket there, whose path must be short
        )
        site = Site(base, link, browser)
        site.page.goto(link)
        yield site
        browser.close()


@pytest.fixture(autouse=True)
def quiet(site: Site) -> Iterator[None]:
    """Hold after each test that no request has left, and that the console is clean."""
    site.complaints.clear()
    yield
    site.page.set_viewport_size({"width": 1280, "height": 720})
    assert {urlsplit(url).netloc for url in site.requests if not url.startswith("data:")} == {
        urlsplit(site.base).netloc
    }
    assert site.complaints == []


def test_the_link_leaves_the_address_and_opens_no_second_browser(site: Site) -> None:
    site.page.goto(site.link)  # with the cookie it is an address like any other
    site.page.wait_for_function("() => !location.search.includes('token')")
    stranger = site.browser.new_context().new_page()
    answer = stranger.goto(site.link)
    assert answer is not None
    assert answer.status == 403
    assert "used already" in stranger.content()
    cookie = site.page.evaluate("document.cookie")
    assert cookie == ""  # no script reads it


@pytest.mark.parametrize("slug", list(KINDS) if IS_LONG else ["", "decisions", "swarm", "traces"])
def test_a_page_draws_its_charts_with_names_and_contrast(site: Site, slug: str) -> None:
    page = site.go(KINDS[slug].address)
    site.wait_for_charts()
    assert page.locator(".chart:has(canvas)").count() == page.locator(".chart").count()
    assert (page.locator(".chart").count() > 0) == (slug in WITH_CHARTS)
    assert page.evaluate(UNNAMED) == []
    assert page.evaluate(CONTRAST) == []
    if slug in SOME:
        page.emulate_media(color_scheme="dark")
        assert page.evaluate(CONTRAST) == []
        page.emulate_media(color_scheme="light")


@pytest.mark.parametrize("slug", SOME)
def test_a_page_fits_a_phone(site: Site, slug: str) -> None:
    site.page.set_viewport_size({"width": 375, "height": 700})
    page = site.go(KINDS[slug].address)
    site.wait_for_charts()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert not page.get_by_role("link", name="Budget").is_visible()
    page.get_by_text("Menu", exact=True).click()
    assert page.get_by_role("link", name="Budget").is_visible()
    if page.locator(".filter-box").count():
        assert not page.get_by_role("button", name="Apply").is_visible()
        page.get_by_text("Filters", exact=True).click()
        assert page.get_by_role("button", name="Apply").is_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("slug", SOME)
def test_a_page_of_nothing_is_clean(site: Site, slug: str) -> None:
    page = site.go(f"{KINDS[slug].address}?store=missing")
    assert page.locator(".empty").first.is_visible()


def test_filters_are_in_the_address_and_totals_follow_them(site: Site) -> None:
    page = site.go("/traces")
    everything = page.locator("[data-figure=calls] .value").text_content()
    page.get_by_label("Model").fill("gpt-4o")
    page.get_by_label("Status").select_option("ok")
    page.get_by_role("button", name="Apply").click()
    page.wait_for_url(re.compile(r"/traces\?.*model=gpt-4o"))
    assert urlsplit(page.url).query == "model=gpt-4o&status=ok"
    assert page.locator("[data-figure=calls] .value").text_content() != everything
    page.reload()
    assert page.get_by_label("Model").input_value() == "gpt-4o"
    page.get_by_role("navigation").get_by_text("Cost").click()
    page.wait_for_url(re.compile(r"/cost\?.*model=gpt-4o"))  # filters go along
    page.get_by_text("Clear").click()
    page.wait_for_url(site.base + "/cost")


def test_the_keyboard_alone_reaches_everything(site: Site) -> None:
    page = site.go("/traces")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    heading = page.locator("th button", has_text="cost")
    heading.focus()
    page.keyboard.press("Enter")
    assert page.locator("th[aria-sort=descending]").text_content() == "cost"
    values = page.locator("table tbody tr td:last-child").evaluate_all(
        "cells => cells.map((c) => Number(c.dataset.value))"
    )
    assert values == sorted(values, reverse=True)
    page.get_by_label("Agent", exact=True).focus()
    page.keyboard.type("risk_agent")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/traces\?agent=risk_agent$"))
    page.locator("tbody a").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".w-row.chosen")
    page.locator("#waterfall").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector("#detail h3")
    assert page.locator(".w-row.chosen").get_attribute("aria-posinset") == "2"
    page.keyboard.press("Home")
    page.keyboard.press("ArrowLeft")  # folds the tree
    assert page.locator(".w-row").count() == 1
    page.keyboard.press("ArrowRight")
    assert page.locator(".w-row").count() == 4


def test_a_large_trace_opens_at_once(site: Site, large_id: str) -> None:
    page = site.go(f"/traces/{large_id}?store=large")
    page.wait_for_selector(".w-row")
    assert f"{LARGE:,} of {LARGE:,} observations" in (page.locator("#waterfall-state").text_content() or "")
    assert page.locator(".w-row").count() < 100
    page.locator("#waterfall").focus()
    page.keyboard.press("End")
    page.wait_for_function("() => document.querySelector('.w-row.chosen')")
    assert page.locator(".w-row.chosen").get_attribute("aria-posinset") == str(LARGE)
    page.get_by_label("Errors alone").check()
    failed = sum(place % 997 == 5 for place in range(LARGE))
    assert f"{failed} of" in (page.locator("#waterfall-state").text_content() or "")
    page.get_by_label("Errors alone").uncheck()
    page.get_by_label("Find").fill("step 1234")
    page.wait_for_function("() => document.querySelectorAll('.w-row').length < 20")


def test_a_hostile_reply_is_only_text(site: Site) -> None:
    for address in ("/?store=hostile", "/decisions?store=hostile", "/models?store=hostile")[: 3 if IS_LONG else 2]:
        page = site.go(address)
        site.wait_for_charts()
    for place in range(2):
        page = site.go("/traces?store=hostile")
        page.locator("tbody tr td:first-child a").nth(place).click()
        page.wait_for_selector(".w-row")
        page.locator(".w-row").nth(1).click()
        page.wait_for_selector("#detail h3")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.locator("#detail img, #detail script").count() == 0
        if page.locator("#detail #text-output + pre").count():
            assert "<script>window.hacked" in (page.locator("#detail #text-output + pre").text_content() or "")
        assert page.evaluate("window.hacked") is None
    text = page.request.get(page.url.partition("?")[0] + "/rows.json?store=hostile").text()
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028]", text)


def test_live_shows_what_ends(site: Site, paths: dict[str, Path]) -> None:
    page = site.go("/live")
    page.wait_for_selector("#live tbody tr")
    assert page.locator("#live tbody tr").count() >= 40  # the newest are here at once
    maker = Maker(77)
    span = Span(maker.new_id(), maker.new_id(), None, "fresh <b>call</b>", 10**18, 10**18 + 10**9,
                {names.TYPE: "generation"})  # fmt: skip
    spool = Spool(paths["main"])
    spool.append(span.record())
    spool.close()
    page.wait_for_function("() => document.querySelector('#live tbody tr').textContent.includes('fresh')")
    assert "fresh <b>call</b>" in (page.locator("#live tbody tr").first.text_content() or "")
    page.get_by_role("button", name="Pause").click()
    assert page.get_by_role("button", name="Go on").get_attribute("aria-pressed") == "true"


def test_the_menu_is_one_line_and_paper_shows_all_rows_and_their_filters(site: Site) -> None:
    site.page.set_viewport_size({"width": 1280, "height": 800})
    page = site.go("/traces?agent=trading_agent")
    assert page.evaluate("document.querySelector('.menu').getBoundingClientRect().height") < 40
    assert not page.locator(".applied").is_visible()
    page.emulate_media(media="print")
    assert page.locator(".applied").inner_text() == "Filtered: Agent trading_agent"
    cut = "[...document.querySelectorAll('.scroll')].filter((box) => box.scrollHeight > box.clientHeight + 1).length"
    assert page.evaluate(cut) == 0
    page.emulate_media(media="screen")


def test_without_scripts_tables_and_filters_work(site: Site) -> None:
    context: Any = site.browser.new_context(java_script_enabled=False, storage_state=site.page.context.storage_state())
    page = context.new_page()
    page.goto(site.base + "/cost?model=gpt-4o")
    assert page.locator("#groups table").is_visible()
    page.get_by_role("button", name="Apply").click()
    assert urlsplit(page.url).query == "model=gpt-4o"
    context.close()


DAY_MS = 86_400_000
FIRST_MS = BEGAN_NS // 1_000_000 + DAY_MS


def test_a_bar_leads_to_its_traces_and_dragging_zooms_into_days(site: Site) -> None:
    page = site.go("/errors?model=gpt-4o")
    site.wait_for_charts()
    failed = page.locator("[data-figure=errors] .value a")
    assert urlsplit(str(failed.get_attribute("href"))).query == "model=gpt-4o&category=any"
    page = site.go("/?agent=risk_agent")
    site.wait_for_charts()
    page.mouse.click(*site.point("#calls .chart", (FIRST_MS, 1)))
    page.wait_for_url(re.compile("/traces"))
    assert urlsplit(page.url).query == ("agent=risk_agent&since=2025-11-02T00%3A00%3A00&until=2025-11-03T00%3A00%3A00")
    calls = page.locator("[data-figure=calls] .value").inner_text()
    page.go_back()
    site.wait_for_charts()
    row = page.locator("#calls tbody tr", has_text="2025-11-02").filter(has_text="risk_agent")
    assert row.locator("td").last.text_content() == calls
    assert str(row.locator("a").get_attribute("href")).endswith("until=2025-11-03T00%3A00%3A00")  # without a mouse
    begin, end = (site.point("#cost .chart", (FIRST_MS + day * DAY_MS, 0)) for day in (0.6, 1.4))
    page.mouse.move(begin[0], begin[1] - 40)
    page.mouse.down()
    page.mouse.move(end[0], end[1] - 40, steps=3)
    page.mouse.up()
    page.wait_for_url(re.compile("since"))
    assert "since=2025-11-03T00%3A00%3A00&until=2025-11-04T00%3A00%3A00" in page.url
    assert "agent=risk_agent" in page.url
    assert page.locator("#before tbody tr").count() > 3  # against the day before
    page.get_by_role("group", name="Times").get_by_text("all").click()
    page.wait_for_url(re.compile(r"/\?agent=risk_agent$"))


def test_names_beside_charts_never_touch_on_a_phone(site: Site) -> None:
    site.page.set_viewport_size({"width": 375, "height": 700})
    for address in ("/latency", "/errors?by=agent+and+model", "/swarm"):
        page = site.go(address)
        site.wait_for_charts()
        assert page.evaluate(TOUCHING) == [], address
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_colours_views_and_columns_are_the_readers_and_stay_in_the_browser(site: Site) -> None:
    page = site.go("/traces?agent=risk_agent")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("button", name="Colours").click()
    page.get_by_role("button", name="Colours: light").click()
    assert page.evaluate(ground) != light
    assert page.evaluate(CONTRAST) == []
    page.get_by_text("Columns", exact=True).click()
    page.get_by_label("session", exact=True).uncheck()
    assert not page.locator("th", has_text="session").is_visible()
    page.get_by_text("Views", exact=True).click()
    page.get_by_label("Keep this page").fill("<b>risk</b> \u202e")
    page.get_by_role("button", name="Keep").click()
    other = site.go("/traces")  # as another tab would
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert other.locator("th", has_text="session").is_hidden()
    assert other.locator("td:visible").first.is_visible()
    other.get_by_text("Views (1)").click()
    other.get_by_role("link", name="risk").click()
    other.wait_for_url(re.compile(r"/traces\?agent=risk_agent$"))
    other.get_by_text("Views (1)").click()
    other.get_by_role("button", name="Remove").click()
    other.evaluate('localStorage.setItem(\'moondev-views\', \'[{"name": "x", "href": "javascript:1"}]\')')
    other.reload()
    assert other.locator(".views a").count() == 0  # no address of this site
    other.evaluate("localStorage.clear()")
    other.reload()
    assert other.evaluate(ground) == light


def test_keys_lead_to_the_search_and_can_be_switched_off(site: Site) -> None:
    page = site.go("/traces")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "f-text"
    page.keyboard.type("/?t")  # in a field they are text
    assert page.get_by_label("Text").input_value() == "/?t"
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("?")
    page.get_by_label("These keys work").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") != "f-text"
    page.get_by_role("button", name="Keys").click()
    page.get_by_label("These keys work").check()
    page.get_by_role("button", name="Close").click()
    page.keyboard.press("o")
    page.wait_for_url(site.base + "/")


def test_the_address_of_a_trace_is_that_of_the_observation_that_is_read(site: Site) -> None:
    site.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = site.go("/traces?agent=risk_agent")
    page.locator("tbody tr td:first-child a").first.click()
    page.wait_for_selector(".w-row")
    page.locator(".w-row").nth(2).click()
    page.wait_for_selector("#detail h3")
    name = page.locator("#detail h3").inner_text()
    address = page.url
    assert re.search("span=[0-9a-f]{16}$", address)
    for label in ("Copy link", "Copy JSON"):
        page.get_by_role("button", name=label).click()
        page.wait_for_function("() => document.querySelector('#detail .copy').textContent.includes('Copied')")
        copied = page.evaluate("navigator.clipboard.readText()")
        if label == "Copy link":
            assert copied == address
        else:
            assert json.loads(copied)["name"] == name
        page.wait_for_function("() => !document.querySelector('#detail .copy').textContent.includes('Copied')")
    page.goto(address)
    page.wait_for_selector("#detail h3")
    assert page.locator("#detail h3").inner_text() == name


def test_paper_is_light_and_has_charts_and_whole_tables_without_tools(site: Site) -> None:
    site.page.emulate_media(color_scheme="dark")
    page = site.go("/cost")
    site.wait_for_charts()
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--text').trim()") == "#16202e"
    assert page.locator("#days canvas").is_visible()
    assert not page.locator(".tools").is_visible()
    assert not page.locator("nav").is_visible()
    page.set_viewport_size({"width": 700, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.emulate_media(media="screen", color_scheme="light")


def test_colours_that_are_forced_keep_bars_and_the_page_that_one_is_on(site: Site) -> None:
    site.page.emulate_media(forced_colors="active", reduced_motion="reduce")
    page = site.go("/traces")
    assert page.locator(".menu a[aria-current]").evaluate("(item) => getComputedStyle(item).outlineStyle") == "solid"
    page.locator("tbody tr td:first-child a").first.click()
    page.wait_for_selector(".w-row")
    bar, ground = page.locator(".w-bar").first, page.locator("#waterfall")
    colour = "(item) => getComputedStyle(item).backgroundColor"
    assert bar.evaluate(colour) != ground.evaluate(colour)
    assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
    page.emulate_media(forced_colors="none", reduced_motion="no-preference")
