"""Stores that another file replaces, facts that are not made or cannot be written: no figure of something else."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from src.dashboard import Content, open_stores
from src.dashboard.server.rendering import marked
from src.insight.facts.job import refresh
from src.insight.facts.schema import DAY_NS, facts_path
from src.insight.texts.schema import texts_path
from tests.dashboard.conftest import opened
from tests.dashboard.sample import BEGAN_NS, fill

if TYPE_CHECKING:
    from pathlib import Path

FIGURES = ("/traces/figures.csv", "/sessions/figures.csv", "/decisions/figures.csv", "/accuracy/figures.csv",
           "/overview/figures.csv", "/sessions/sessions.csv")  # fmt: skip
OF_CALLS = ("/", "/latency", "/cost", "/errors", "/quality", "/prompts", "/advice")
SYMBOLS = "/errors?symbol=BTC-USD"


@pytest.mark.parametrize("runs", [8, 12])
def test_another_file_at_the_path_of_a_store_has_its_own_figures(tmp_path: Path, runs: int) -> None:
    path, other = fill(tmp_path / "t.db", 8), fill(tmp_path / "other.db", runs, seed=2)
    with opened(Content(stores=open_stores([path]))) as client:
        before = [client.get(address).text for address in FIGURES]
        shutil.copyfile(other, path)  # in its place: the file keeps its number in the file system
        after = [client.get(address).text for address in FIGURES]
    with opened(Content(stores=open_stores([other]))) as client:
        assert after == [client.get(address).text for address in FIGURES]
    assert all(first != second for first, second in zip(before, after, strict=True))


def test_a_page_says_that_figures_are_not_made_yet_and_not_that_nothing_is_recorded(tmp_path: Path) -> None:
    path = fill(tmp_path / "t.db", 2)
    with opened(Content(stores=open_stores([path]))) as client:
        for page in OF_CALLS:
            text = client.get(page).text
            assert "is recorded yet" not in text, page
            assert "names its prompt yet" not in text, page
            assert "Up to 8 observations of the store are not in these figures yet" in text, page


@pytest.mark.parametrize("blocked", ["facts", "texts"])
def test_a_file_that_cannot_be_written_is_named_on_pages_whose_figures_lack_it(tmp_path: Path, blocked: str) -> None:
    path = fill(tmp_path / "t.db", 2)
    (facts_path(path) if blocked == "facts" else texts_path(path)).mkdir()  # as a full disk or a read-only folder does
    (store,) = open_stores([path])
    with opened(Content(stores=(store,))) as client:
        for _ in range(3):
            client.app.state.refresher.look(store, None)  # type: ignore[attr-defined] # Starlette's
        for page in OF_CALLS:
            text = client.get(page).text
            assert ("cannot be written" in text) is (blocked == "facts"), page
            assert ("n = 6 calls" in text) is (blocked == "texts" and page != "/advice"), page


def test_what_retention_has_deleted_is_said_to_lack_where_sums_by_day_cannot_answer(tmp_path: Path) -> None:
    path = fill(tmp_path / "t.db", 2)
    refresh(path)
    with closing(sqlite3.connect(facts_path(path))) as facts, facts:
        facts.execute("INSERT INTO expired (day, n) VALUES (?, 7)", (BEGAN_NS // DAY_NS + 1,))
    lacking = "Retention has deleted 7 observations of these days"
    with opened(Content(stores=open_stores([path]))) as client:
        for page in ("/", "/cost", "/errors", SYMBOLS):
            assert lacking not in client.get(page).text, page
        for page in ("/cost?session=loop-0", "/errors?user=me", "/latency?by=symbol", "/quality"):
            assert lacking in client.get(page).text, page
        attempts = "Attempts of observations that retention has deleted are not counted with these filters."
        assert attempts in client.get(SYMBOLS).text
        assert attempts not in client.get("/errors?agent=whale_agent").text


def test_what_was_tried_again_follows_every_filter(tmp_path: Path) -> None:
    path = fill(tmp_path / "t.db", 2)
    refresh(path)
    with (
        closing(sqlite3.connect(facts_path(path))) as facts,
        facts,
    ):  # one call of the first session needed a second try
        facts.execute("INSERT INTO names (text) VALUES ('timeout')")
        number = facts.execute("SELECT id FROM names WHERE text = 'timeout'").fetchone()[0]
        key = facts.execute(
            "SELECT key FROM facts WHERE type = (SELECT id FROM names WHERE text = 'generation')"
        ).fetchone()
        facts.execute("UPDATE facts SET retried = ?, attempts = 2 WHERE key = ?", (number, *key))
    with opened(Content(stores=open_stores([path]))) as client:
        assert "timeout,1" in client.get("/errors/retries.csv?session=loop-0").text
        assert "timeout" not in client.get("/errors/retries.csv?session=loop-9").text
        text = client.get("/errors?session=loop-0").text
    assert "of the calls that the filters leave; Category is the attempt&#39;s here" in text
    assert "do not hold here" not in text


def test_a_store_that_cannot_be_read_says_what_to_do(tmp_path: Path) -> None:
    path = fill(tmp_path / "t.db", 1)
    with opened(Content(stores=open_stores([path]))) as client:
        path.unlink()
        path.mkdir()
        answer = client.get("/traces")
    assert answer.status_code == 503
    assert "(it is a folder): check the path, which MOONDEV_TRACE_DB names" in answer.text


def test_words_between_backticks_are_code_and_nothing_is_markup() -> None:
    assert marked("run `a <b>` & go") == "run <code>a &lt;b&gt;</code> &amp; go"
    assert marked("a ` alone <i>") == "a ` alone &lt;i&gt;"
    assert marked("\u202e`x`") == "\\u202e<code>x</code>"


def test_a_locked_store_is_named_soon_and_its_page_looks_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("src.dashboard.data.stores.LOCKED_S", 0.01)
    path = fill(tmp_path / "t.db", 2)
    refresh(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("PRAGMA journal_mode = DELETE")
        with opened(Content(stores=open_stores([path]))) as client:
            holder.execute("BEGIN EXCLUSIVE")
            for address in ("/", "/decisions", "/traces", "/live/rows.json", "/cost/days.csv"):
                answer = client.get(address)
                assert answer.status_code == 503, address
                assert answer.headers["Retry-After"] == "3"
                assert f"Another process has locked {path}" in answer.text
                assert '<meta http-equiv="refresh" content="3">' in answer.text
            holder.execute("ROLLBACK")
            assert client.get("/decisions").status_code == 200
