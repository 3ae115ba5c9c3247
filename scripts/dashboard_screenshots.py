#!/usr/bin/env python3
"""Take the pictures of the dashboard in docs/images, from a store that is made for them.

Two back-tests on the installed sample prices fill the store: rules, and a swarm of three models, which a server on
loopback answers for. No network, no key. It needs Chromium and the tests' requirements (make .venv).

    .venv/bin/python scripts/dashboard_screenshots.py [FOLDER] [--all]    # --all: each page, dark and at 375 px too
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import http.server
import importlib.util
import json
import os
import random
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from playwright.sync_api import Page

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

MEMBERS: Final = "openai:gpt-4o,openai:gpt-4o-mini,deepseek:deepseek-v4-flash"
DAYS: Final = ("2017-03-01", "2017-05-15")
# The pictures in docs/dashboard.md: their names, addresses, width, and colour scheme.
PICTURES: Final = (
    ("overview", "/", 1280, "light"),
    ("decisions", "/decisions", 1280, "light"),
    ("accuracy", "/accuracy?by=member", 1280, "light"),
    ("models", "/models", 1280, "light"),
    ("swarm", "/swarm", 1280, "dark"),
    ("latency", "/latency", 1280, "light"),
    ("cost", "/cost", 1280, "light"),
    ("errors", "/errors", 1280, "light"),
    ("limits", "/errors#headroom", 1280, "light"),
    ("quality", "/quality", 1280, "light"),
    ("prompts", "/prompts", 1280, "light"),
    ("budget", "/budget", 1280, "dark"),
    ("traces", "/traces", 1280, "light"),
    ("trace", "TRACE", 1280, "dark"),
    ("sessions", "/sessions", 1280, "light"),
    ("live", "/live", 1280, "light"),
    ("phone", "/decisions", 375, "dark"),
)
_MOST_BYTES: Final = 2_500_000


class _Models(http.server.BaseHTTPRequestHandler):
    """Three models that never agree for long: each reads its answer out of the prompt's digits."""

    protocol_version = "HTTP/1.1"
    refused: ClassVar[set[bytes]] = set()

    def do_POST(self) -> None:
        """Answer one chat completion, now and then with a rate limit."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        digits = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).digest()
        draw = random.Random(digits)  # noqa: S311 - it decides nothing that is secret
        time.sleep(draw.lognormvariate(-4, 0.6))
        if (chance := draw.random()) < 0.03:
            self._send(400, {"error": {"message": "The input was rejected.", "type": "invalid_request_error"}})
            return
        if chance < 0.06 and digits not in self.refused:
            self.refused.add(digits)  # once: the same request is answered when it is sent again
            self._send(429, {"error": {"message": "Too many requests.", "type": "rate_limit_error"}}, left=0)
            return
        action = draw.choices(("BUY", "SELL", "NOTHING"), (4, 3, 2))[0]
        confidence = draw.randrange(45, 95)
        text = json.dumps({
            "action": action, "confidence": confidence,
            "reasoning": f"SMA and momentum point one way with {confidence}% of the bars.",
        })  # fmt: skip
        tokens = len(json.dumps(body)) // 4
        usage = {"prompt_tokens": tokens, "completion_tokens": 40 + digits[0] % 60, "total_tokens": 0,
                 "prompt_tokens_details": {"cached_tokens": tokens // 2 if digits[1] % 3 == 0 else 0}}  # fmt: skip
        usage["total_tokens"] = tokens + 40 + digits[0] % 60
        self._send(200, {
            "id": digits.hex()[:20], "object": "chat.completion", "created": int(time.time()), "model": body["model"],
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
            "usage": usage,
        })  # fmt: skip

    def _send(self, status: int, data: dict[str, Any], *, left: int | None = None) -> None:
        body = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Retry-After", "0.02")
        for kind, most in (("requests", 500), ("tokens", 200_000)):
            remaining = most * (40 + len(body) * 7 % 60) // 100 if left is None else left
            self.send_header(f"x-ratelimit-limit-{kind}", str(most))
            self.send_header(f"x-ratelimit-remaining-{kind}", str(remaining))
            self.send_header(f"x-ratelimit-reset-{kind}", "1.2s")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing of each request."""


def sample_prices() -> Path:
    """Return the file of the installed sample prices of EURUSD."""
    spec = importlib.util.find_spec("gym_anytrading")
    folders = list(spec.submodule_search_locations or []) if spec else []
    if not folders:
        raise SystemExit("The sample prices are not installed. Run: make .venv")
    return Path(folders[0]) / "datasets" / "data" / "FOREX_EURUSD_1H_ASK.csv"


def fill(folder: Path) -> Path:
    """Make a store with two back-tests, by the command itself; return its file."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Models)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    store = folder / "traces.db"
    for name in [name for name in os.environ if name.startswith(("LANGFUSE_", "MOONDEV_", "OTEL_"))]:
        del os.environ[name]
    os.environ.update({
        "MOONDEV_TRACE_DB": str(store), "MOONDEV_DOTENV": "off", "MOONDEV_OFFLINE": "1",
        "OPENAI_KEY": "none", "OPENAI_BASE_URL": f"{address}/v1", "DEEPSEEK_KEY": "none",
        "DEEPSEEK_BASE_URL": address, "MOONDEV_BUDGET_DAY_USD": "5", "MOONDEV_BUDGET_MONTH_USD": "50",
    })  # fmt: skip
    prices = str(sample_prices())
    common = ("backtest", "EURUSD", "--csv", prices, "--zone", "UTC", "--from", DAYS[0], "--to", DAYS[1], "--yes")
    run_command(*common, "--every", "24h", "--models", "rule:momentum,rule:cross")
    run_command(*common, "--every", "12h", "--workers", "4", "--swarm", "--models", MEMBERS)
    server.shutdown()
    return store


def run_command(*words: str) -> None:
    """Run a `moondev` command in this process; fail where it fails."""
    from src.cli.app import run

    sys.argv = ["moondev", *words]
    if run() != 0:
        raise SystemExit(f"moondev {' '.join(words)} failed.")


@contextlib.contextmanager
def dashboard(store: Path) -> Iterator[tuple[str, str]]:
    """Serve a store with its prices; give the address and the link."""
    import uvicorn

    from src.agents.market import load_candles
    from src.dashboard import Content, Hosts, Key, create_app, listen, open_stores
    from src.insight.facts.job import refresh
    from src.judging.prices import series_of
    from src.observability import flush

    flush()
    refresh(store)
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    key = Key(port)
    prices = {"EURUSD": series_of(load_candles(sample_prices(), symbol="EURUSD", zone="UTC"))}
    content = Content(stores=open_stores([store]), prices=prices, seconds=300)
    app = create_app(content, key=key, hosts=Hosts("127.0.0.1", port), warm=False)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none", log_config=None))
    thread = threading.Thread(target=lambda: server.run(sockets=[listener]))
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port}/?token={key.token}"
    finally:
        server.should_exit = True
        thread.join()


def pictures_of_all() -> list[tuple[str, str, int, str]]:
    """Return a picture of each page, light and dark, wide and at 375 px."""
    from src.dashboard.pages.registry import KINDS

    addresses = [(kind.slug or "overview", kind.address) for kind in KINDS.values()]
    looks = ((1280, "light"), (1280, "dark"), (375, "light"), (375, "dark"))
    return [
        (f"{name}-{width}-{scheme}", address, width, scheme)
        for name, address in (*addresses, ("trace", "TRACE"))
        for width, scheme in looks
    ]


def take(page: Page, base: str, path: Path, address: str, width: int, *, is_long: bool) -> None:
    """Take one picture: of all of the page, or of what a reader sees first."""
    page.set_viewport_size({"width": width, "height": 1_000 if width > 400 else 812})
    if address == "TRACE":
        page.goto(f"{base}/traces?name=trading_agent.swarm")
        page.locator("tbody tr td:first-child a").first.click()
        page.wait_for_selector(".w-row")
        page.locator(".w-row").nth(1).click()
        page.wait_for_selector("#detail h3")
    else:
        page.goto(base + address)
        page.wait_for_function("() => [...document.querySelectorAll('.chart')].every((c) => c.dataset.drawn)")
        if address == "/live":
            page.wait_for_selector("#live tbody tr")
    page.screenshot(path=path, full_page=is_long)


def main(arguments: Sequence[str] | None = None) -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description="Take the pictures of the dashboard in docs/images.")
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "docs" / "images")
    parser.add_argument("--all", action="store_true", help="each page, light and dark, wide and at 375 px")
    options = parser.parse_args(arguments)
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("No Chromium is installed. Run: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    folder: Path = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    pictures = pictures_of_all() if options.all else list(PICTURES)
    sandbox = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory() as scratch:
        store = fill(Path(scratch))
        with dashboard(store) as (base, link), sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=chromium, args=sandbox)
            page = browser.new_page()
            page.set_default_timeout(300_000)
            page.goto(link)
            for name, address, width, scheme in pictures:
                page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type] # light or dark
                take(page, base, folder / f"dashboard-{name}.png", address, width, is_long=options.all)
            browser.close()
    size = sum(path.stat().st_size for path in folder.glob("dashboard-*.png"))
    print(f"{len(pictures)} pictures, {size:,} bytes in {folder}")
    if not options.all and size > _MOST_BYTES:
        raise SystemExit(f"They are larger than {_MOST_BYTES:,} bytes together: make some smaller.")


if __name__ == "__main__":
    main()
