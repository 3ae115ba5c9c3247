"""Without a home folder traces go to a stated folder, and nothing raises."""

from __future__ import annotations

import os
import pwd
import stat
import tempfile
from typing import TYPE_CHECKING

import pytest

from src.models.errors import InvalidRequest
from src.models.model_factory import ModelFactory
from src.observability import folders, get_tracker, score
from src.observability.settings import Settings, SettingsError
from tests.servers import Server, ollama_reply

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Be a user without HOME and without an entry, whose folder for temporary files is this test's."""

    def no_entry(uid: int) -> None:
        raise KeyError(uid)

    for name in ("HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "MOONDEV_TRACE_DB"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", no_entry)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folders._fallback.cache_clear()


def test_a_call_and_a_score_are_recorded_in_the_fallback_folder(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Server(lambda _: ollama_reply("hi")) as server:
        reply = ModelFactory.get_model("ollama", base_url=server.url).generate_response(None, "hi")
    assert score("pnl", 1.0, trace_id=reply.trace_id)
    store = get_tracker().settings.trace_db
    assert store == tmp_path / f"moondev-{os.getuid()}" / "traces.db"
    assert stat.S_IMODE(store.parent.stat().st_mode) == 0o700
    spool = get_tracker().spool
    assert spool is not None
    assert len(spool.trace(str(reply.trace_id))) == 1
    assert caplog.text.count(f"Traces go to {store.parent}") == 1
    assert Settings.read().trace_db == store


@pytest.mark.parametrize("trap", ["open", "link", "file"])
def test_a_folder_that_somebody_else_has_put_there_is_not_used(trap: str, tmp_path: Path) -> None:
    planted = tmp_path / f"moondev-{os.getuid()}"
    if trap == "open":
        planted.mkdir()
        planted.chmod(0o777)
    elif trap == "link":
        (tmp_path / "elsewhere").mkdir()
        planted.symlink_to(tmp_path / "elsewhere")
    else:
        planted.touch()
    folder = Settings.read().trace_db.parent
    if trap != "file":
        assert folder != planted
        assert folder.parent == tmp_path
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_home_that_cannot_be_made_counts_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/dev/null/nobody")
    assert Settings.read().trace_db.parent.parent == tmp_path


def test_a_path_from_home_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="MOONDEV_TRACE_DB cannot be used: ~/x"):
        Settings.read({"MOONDEV_TRACE_DB": "~/x.db"})
    assert Settings.read_or_default({"MOONDEV_TRACE_DB": "~/x.db"}).trace_db.name == "traces.db"
    monkeypatch.setenv("MOONDEV_PROVIDERS", "~/rows.toml")
    with pytest.raises(InvalidRequest, match="MOONDEV_PROVIDERS cannot be used"):
        ModelFactory.get_model("openai")
