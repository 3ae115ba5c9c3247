"""The dashboard in a real Chromium: charts, keyboard, phone width, hostile replies, and no request that leaves."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from src.dashboard import Content, Hosts, Key, create_app, open_stores
from src.dashboard.pages.registry import KINDS
from src.dashboard.server.serving import listen
from src.insight.facts.job import refresh
from src.observability import attributes as names
from src.observability.store.spool import Spool
from tests.dashboard.conftest import HOSTILE, RUNS
from tests.dashboard.sample import Maker, Span, fill, large_trace
from tests.long import IS_LONG

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium: apt-get install chromium"),
    pytest.mark.xdist_group("chromium"),
]
LARGE = 30_000 if IS_LONG else 3_000
WITH_CHARTS = [slug for slug in KINDS if slug not in {"traces", "sessions", "live", "budget", "alerts", "advice"}]
# `make test` opens a few pages here; `tests/dashboard/test_pages.py` asks for each of them without a browser.
SOME = list(KINDS) if IS_LONG else ["decisions"]
_CONTRAST = """() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (item) => {
    for (; item; item = item.parentElement) {
      const colour = parse(getComputedStyle(item).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const low = [];
  for (const item of document.querySelectorAll("body *")) {
    const own = [...item.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !item.checkVisibility() || item.closest(".skip, .unseen, script, noscript, datalist, option")) continue;
    const [a, b] = [light(parse(getComputedStyle(item).color)), light(ground(item))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) low.push(`${item.tagName} ${item.className} ${item.textContent.trim().slice(0, 40)} ${ratio}`);
  }
  return low;
}"""
_UNNAMED = """() => [...document.querySelectorAll("input, select, button, a, figure.chart, [role=region], [role=tree]")]
  .filter((item) => item.type !== "hidden" && item.checkVisibility())
  .filter((item) => !(item.ariaLabel || item.textContent.trim() || (item.labels && item.labels.length)))
  .map((item) => item.outerHTML.slice(0, 120))"""


class Site:
    """A running dashboard, a browser, and all that its pages asked for and complained about."""

    def __init__(self, base: str, link: str, browser: Browser) -> None:
        self.base = base
        self.link = link
        self.browser = browser
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._context = browser.new_context()
        self.page = self._new_page()

    def _new_page(self) -> Page:
        page = self._context.new_page()
        page.set_default_timeout(120_000)
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        return page

    def go(self, path: str) -> Page:
        self.page.goto(self.base + path)
        return self.page

    def wait_for_charts(self) -> None:
        self.page.wait_for_function("() => [...document.querySelectorAll('.chart')].every((c) => c.dataset.drawn)")


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


@contextlib.contextmanager
def running(paths: dict[str, Path]) -> Iterator[tuple[str, str]]:
    """Run the dashboard in a thread; give its address and the link."""
    import uvicorn

    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    key = Key(port)
    app = create_app(Content(stores=open_stores(paths.values()), seconds=120), key=key,
                     hosts=Hosts("127.0.0.1", port), warm=False)  # fmt: skip
    config = uvicorn.Config(app, log_level="error", ws="none", lifespan="on", log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: server.run(sockets=[listener]))
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port}/?token={key.token}"
    finally:
        server.should_exit = True
        thread.join(60)


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
    assert page.evaluate(_UNNAMED) == []
    assert page.evaluate(_CONTRAST) == []
    if slug in SOME:
        page.emulate_media(color_scheme="dark")
        assert page.evaluate(_CONTRAST) == []
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
    page.get_by_label("Agent").focus()
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
