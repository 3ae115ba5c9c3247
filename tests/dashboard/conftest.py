"""Stores with made-up runs, and the dashboard on them in this process."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from starlette.testclient import TestClient

from src.dashboard import Content, Hosts, Key, create_app, open_stores
from src.insight.facts.job import refresh
from src.observability.store.spool import Spool
from tests.dashboard.sample import MEMBERS, fill, score

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PORT = 8420
RUNS = 60
# What models might write to break a page, a terminal, a spreadsheet, or a reader's trust.
HOSTILE = (
    "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>\x1b]0;title\x07\x1b[2J "
    '\u202eTFEL OT THGIR\u202c </script><!-- {{ 7 * 7 }} \u2028 =HYPERLINK("http://evil.example") \x00'
)


@contextmanager
def opened(content: Content, *, admitted: bool = True) -> Iterator[TestClient]:
    """Give a client of a dashboard, let in unless not wanted; a loaded machine gets the time that it needs."""
    if content.seconds == Content.__dataclass_fields__["seconds"].default:
        content = replace(content, seconds=300)
    key = Key(PORT)
    app = create_app(content, key=key, hosts=Hosts("127.0.0.1", PORT), warm=False)
    with TestClient(app, base_url=f"http://127.0.0.1:{PORT}", follow_redirects=False) as client:
        client.headers["x-link"] = f"/?token={key.token}"  # for tests of the link itself
        if admitted:
            assert client.get(f"/?token={key.token}").status_code == 200
        yield client


@pytest.fixture(scope="module")
def store_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = fill(tmp_path_factory.mktemp("store") / "traces.db", RUNS)
    spool = Spool(path)
    spool.append_score(score(first_trace(path), "decision", "BUY"))
    spool.close()
    refresh(path)
    return path


@pytest.fixture(scope="module")
def client(store_path: Path) -> Iterator[TestClient]:
    with opened(Content(stores=open_stores([store_path]), seconds=120)) as admitted:
        yield admitted


@pytest.fixture(scope="module")
def hostile_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store whose replies are hostile."""
    return fill(tmp_path_factory.mktemp("hostile") / "traces.db", 3, reply=HOSTILE)


def first_trace(path: Path) -> str:
    """Return the id of the first trace of a store."""
    with closing(sqlite3.connect(path)) as connection:  # one that is open still moves the log into the file at its end
        return str(connection.execute("SELECT trace_id FROM observations ORDER BY seq LIMIT 1").fetchone()[0])


__all__ = ["HOSTILE", "MEMBERS", "PORT", "RUNS", "first_trace", "opened"]
