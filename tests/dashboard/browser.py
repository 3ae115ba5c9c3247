"""A running dashboard and a real Chromium in front of it, for tests."""

from __future__ import annotations

import contextlib
import shutil
import threading
from typing import TYPE_CHECKING, Any

from src.dashboard import Content, Hosts, Key, create_app, open_stores
from src.dashboard.server.serving import listen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Locator, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CONTRAST = """() => {
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
UNNAMED = """() => [...document.querySelectorAll("input, select, button, a, figure.chart, [role=region], [role=tree]")]
  .filter((item) => item.type !== "hidden" && item.checkVisibility())
  .filter((item) => !(item.ariaLabel || item.textContent.trim() || (item.labels && item.labels.length)))
  .map((item) => item.outerHTML.slice(0, 120))"""


# The place of a value in a chart, in pixels of its figure.
_PIXEL = """async ([selector, at]) => {
  const { getInstanceByDom } = await import("/static/echarts.js");
  return getInstanceByDom(document.querySelector(selector)).convertToPixel({ xAxisIndex: 0, yAxisIndex: 0 }, at);
}"""
# Names beside a chart that touch one another, or leave it.
TOUCHING = """async () => {
  const { getInstanceByDom } = await import("/static/echarts.js");
  const faults = [];
  for (const figure of document.querySelectorAll(".chart")) {
    const chart = getInstanceByDom(figure), names = [];
    for (const item of chart.getZr().storage.getDisplayList(true)) {
      const text = item.style && item.style.text;
      if (typeof text !== "string" || !text.trim() || /^\\d+\\/\\d+$/.test(text) || !item.getBoundingRect) continue;
      const { x, y, width, height } = item.getBoundingRect(), m = item.transform || [1, 0, 0, 1, 0, 0];
      const corners = [[x, y], [x + width, y], [x + width, y + height], [x, y + height]]
        .map(([a, b]) => [m[0] * a + m[2] * b + m[4], m[1] * a + m[3] * b + m[5]]);
      if (corners.some(([a]) => a < -2 || a > chart.getWidth() + 2)) faults.push(`${text} leaves the chart`);
      names.push([text, corners]);
    }
    const axes = (corners) => [0, 1].map((i) => [corners[i + 1][0] - corners[i][0], corners[i + 1][1] - corners[i][1]]);
    const apart = (a, b) => [...axes(a), ...axes(b)].some(([x, y]) => {
      const along = (corners) => corners.map(([u, v]) => (u * x + v * y) / (Math.hypot(x, y) || 1));
      const [p, q] = [along(a), along(b)];
      return Math.min(...p) > Math.max(...q) - 1.5 || Math.min(...q) > Math.max(...p) - 1.5;
    });
    names.forEach(([text, corners], place) => {
      for (const [other, theirs] of names.slice(place + 1))
        if (!apart(corners, theirs)) faults.push(`${text} touches ${other}`);
    });
  }
  return faults;
}"""


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

    def point(self, selector: str, at: tuple[float, float]) -> tuple[float, float]:
        """Return where a value of a chart stands in the window, which is scrolled to it."""
        figure: Locator = self.page.locator(selector)
        figure.scroll_into_view_if_needed()
        box: Any = figure.bounding_box()
        x, y = self.page.evaluate(_PIXEL, [selector, list(at)])
        return box["x"] + x, box["y"] + y


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
