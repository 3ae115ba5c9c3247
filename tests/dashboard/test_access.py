"""Who sees the dashboard: the browser that opened the link, on this address, to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from src.dashboard import Content, Hosts, is_loopback, open_stores
from src.dashboard.pages.registry import KINDS
from tests.dashboard.conftest import PORT, opened

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.testclient import TestClient

PATHS = [kind.address for kind in KINDS.values()]


def test_the_link_opens_once_and_sets_a_strict_cookie(store_path: Path) -> None:
    with opened(Content(stores=open_stores([store_path])), admitted=False) as client:
        link = client.headers["x-link"]
        assert client.get("/").status_code == 403
        assert client.get("/?token=wrong").status_code == 403
        assert client.head(link).status_code == 403  # a preview of the link does not use it up
        answer = client.get(link)
        cookie = answer.headers["set-cookie"]
        assert answer.status_code == 200
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert client.get("/").status_code == 200
        client.cookies.clear()
        again = client.get(link)
        assert again.status_code == 403
        assert "used already" in again.text


def test_a_browser_of_a_dashboard_that_has_ended_reads_what_to_do(store_path: Path) -> None:
    with opened(Content(stores=open_stores([store_path])), admitted=False) as client:
        stale = {"Cookie": f"moondev_dashboard_{PORT}=of-before"}
        page = client.get("/traces?agent=risk_agent", headers={**stale, "Accept": "text/html,*/*"})
        assert (page.status_code, page.headers["content-type"]) == (403, "text/html; charset=utf-8")
        assert "has ended" in page.text
        assert "<pre>moondev dashboard</pre>" in page.text
        plain = client.get("/live/rows.json", headers={**stale, "Accept": "*/*"})
        assert (plain.status_code, plain.headers["content-type"]) == (403, "text/plain; charset=utf-8")
        assert "has ended" in plain.text
        assert "has ended" not in client.get("/").text  # it was never let in


def test_nothing_is_shown_without_the_cookie(store_path: Path) -> None:
    paths = [*PATHS, "/static/page.js", "/static/echarts.js", "/live/rows.json", "/decisions/decisions.csv",
             "/traces/0000/rows.json", "/nowhere"]  # fmt: skip
    with opened(Content(stores=open_stores([store_path])), admitted=False) as client:
        for path in paths:
            answer = client.get(path)
            assert answer.status_code == 403, path
            assert "moondev dashboard" in answer.text


@pytest.mark.parametrize("host", ["evil.example:8420", "127.0.0.1:9", "127.0.0.1", "", "[::1", "a@127.0.0.1:8420",
                                  "127.0.0.1:8420.evil.example", "127.0.0.1:99999999"])  # fmt: skip
def test_another_host_is_refused(client: TestClient, host: str) -> None:
    assert client.get("/", headers={"Host": host}).status_code == 400


@pytest.mark.parametrize("host", ["127.0.0.1:8420", "localhost:8420", "LOCALHOST:8420", "[::1]:8420"])
def test_loopback_goes_by_its_names(host: str) -> None:
    assert Hosts("127.0.0.1", PORT).allow(host)


def test_a_server_on_all_addresses_answers_to_addresses_but_not_to_strange_names() -> None:
    hosts = Hosts("0.0.0.0", PORT)  # noqa: S104 - not listened on
    assert hosts.allow("192.168.1.5:8420")
    assert not hosts.allow("evil.example:8420")
    assert not Hosts("127.0.0.1", PORT).allow("192.168.1.5:8420")
    assert is_loopback("127.0.0.1")
    assert is_loopback("::1")
    assert not is_loopback("0.0.0.0")  # noqa: S104 - as above


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_nothing_but_reading_is_allowed(client: TestClient, method: str) -> None:
    answer = client.request(method, "/")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", ["/", "/nowhere", "/decisions?since=never", "/traces/ffffffff", "/cost/none.csv",
                                  "/static/style.css", "/static/../server/app.py", "/live/rows.json"])  # fmt: skip
def test_every_answer_forbids_scripts_of_texts_and_other_machines(client: TestClient, path: str) -> None:
    answer = client.get(path)
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "<script>" not in answer.text
    assert " style=" not in answer.text
    assert " onclick=" not in answer.text


def test_reading_changes_nothing_in_the_store(client: TestClient, store_path: Path) -> None:
    before = store_path.read_bytes()
    for path in PATHS:
        assert client.get(path).status_code == 200, path
    assert store_path.read_bytes() == before


def test_files_outside_the_static_folder_are_not_served(client: TestClient) -> None:
    for path in ("/static/%2e%2e/server/app.py", "/static/..%2fserver/app.py", "/static//etc/passwd"):
        assert client.get(path).status_code == 404, path
