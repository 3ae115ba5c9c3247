"""Ask the dashboard for its pages over HTTP, as a browser does: default views, and combinations of filters."""

from __future__ import annotations

import http.client
import resource
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from src.dashboard import Content, Hosts, Key, create_app, open_stores
from src.dashboard.data.ledger import Ledger
from src.dashboard.data.limits import Limits
from src.dashboard.pages.registry import KINDS
from src.dashboard.server.serving import listen
from src.insight.facts.job import refresh
from src.insight.sessions.sums import bring_up

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SECONDS: Final = 600.0  # for one page
_COMPUTED: Final = "/advice/findings.csv"
_FILTERED: Final = (
    "/?since=30d",
    "/?agent=agent_3&symbol=BTC-USD",
    "/?session=loop-1-7",
    "/latency?since=30d",
    "/latency?symbol=BTC-USD",
    "/latency?symbol=BTC-USD&environment=paper&status=ok&by=agent",
    "/latency?session=loop-1-7&min_ms=900",
    "/cost?since=30d&by=agent+and+model",
    "/cost?symbol=BTC-USD&model=openai:gpt-4o&agent=agent_3",
    "/cost?min_usd=0.001&min_ms=900&by=symbol",
    "/cost?user=nobody",
    "/cost?min_ms=1&by=agent+and+model",
    "/errors?since=7d",
    "/errors?category=timeout&symbol=ETH-USD",
    "/errors?min_ms=2000&environment=production",
    "/errors?since=90d",
    "/errors?min_ms=1&since=90d",
    "/quality?since=7d",
    "/quality?symbol=BTC-USD&by=agent",
    "/prompts?agent=agent_3&symbol=BTC-USD",
    "/advice?since=7d&agent=agent_3",
    "/advice/findings.csv?since=7d&agent=agent_3",
    "/decisions?symbol=BTC-USD&agent=agent_3&outcome=right",
    "/accuracy?by=member&symbol=ETH-USD",
    "/swarm?agent=agent_3&since=30d",
    "/models?symbol=BTC-USD",
    "/traces?since=24h",
    "/traces?agent=agent_3",
    "/traces?agent=nobody",
    "/traces?model=openai:gpt-4o&status=error",
    "/traces?status=ok&provider=claude",
    "/traces?symbol=ETH-USD&environment=paper",
    "/traces?category=timeout&since=30d",
    "/traces?session=loop-1-7",
    "/traces?user=nobody",
    "/traces?min_usd=100",
    "/traces?min_ms=30000&agent=agent_3",
    "/traces?text=momentum",
    "/traces?text=nowhere&since=7d",
    "/sessions?agent=agent_3&since=30d",
    "/sessions?symbol=SOL-USD",
)


def measure_pages(path: Path) -> None:
    """Ask for each page twice, of a server that has just begun on figures that were brought up to date before."""
    _bring_up(path)
    with _client(path) as get:
        for kind in KINDS.values():
            _show(get, kind.address)
        _show(get, _COMPUTED)  # waits for what the page computes beside it


def measure_filters(path: Path) -> None:
    """Ask for pages with filters set, each once."""
    with _client(path) as get:
        get("/decisions")
        for address in _FILTERED:
            _show(get, address, views=1)


def _bring_up(path: Path) -> None:
    """Do what a dashboard does in the background, the index of texts apart."""
    (store,), limits, ledger = open_stores([path]), Limits(_SECONDS), Ledger()
    cpu, wall = time.process_time(), time.monotonic()
    refresh(path)
    while not bring_up(path, lambda question, nothing: store.ask(question, nothing, limits)):
        pass
    sums_s = time.process_time() - cpu
    while not ledger.bring_up(store, limits):
        pass
    cpu_s = time.process_time() - cpu
    print(
        f"kept figures   {cpu_s:9.3f} CPU s {time.monotonic() - wall:9.3f} s, {sums_s:.3f} of them sums of sessions",
        flush=True,
    )


class _Get:
    """Asks for an address; returns the bytes, the CPU time of this process and the time that passed, in seconds."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self._connection = connection
        self._cookie = ""

    def __call__(self, address: str) -> tuple[int, float, float]:
        cpu, wall = time.process_time(), time.monotonic()
        self._connection.request("GET", address, headers={"Cookie": self._cookie})
        answer = self._connection.getresponse()
        body = answer.read()
        times = time.process_time() - cpu, time.monotonic() - wall
        self._cookie = (answer.getheader("Set-Cookie") or self._cookie).partition(";")[0]
        if answer.status not in (200, 303):
            raise SystemExit(f"{address} was answered by {answer.status}: {body[-400:]!r}")
        return len(body), *times


@contextmanager
def _client(path: Path) -> Iterator[_Get]:
    """Give a client of a dashboard that runs in a thread, without its work in the background."""
    import uvicorn

    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    key = Key(port)
    app = create_app(
        Content(stores=open_stores([path]), seconds=_SECONDS), key=key, hosts=Hosts("127.0.0.1", port), warm=False
    )
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none", http="h11", log_config=None))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS + 5)
    get = _Get(connection)
    try:
        get(f"/?token={key.token}")
        get("/static/style.css")  # what the server loads once
        yield get
    finally:
        connection.close()
        server.should_exit = True
        thread.join()
        listener.close()


def _show(get: _Get, address: str, *, views: int = 2) -> None:
    measured = [get(address) for _ in range(views)]
    size, cpu_s, wall_s = measured[0]
    again = f"; again {measured[1][1]:7.3f} CPU s {measured[1][2]:7.3f} s" if views > 1 else ""
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(
        f"  {address:64.64} {cpu_s:7.3f} CPU s {wall_s:7.3f} s{again}, {size / 1e3:6.0f} KB; {peak_mb:.0f} MB",
        flush=True,
    )
