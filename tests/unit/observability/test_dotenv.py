"""The .env file: the project's own, in UTF-8, written by nobody else; anything else is named and not read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from src.models.errors import ModelUnavailable
from src.models.model_factory import ModelFactory
from src.observability import dotenv_file, settings

if TYPE_CHECKING:
    from pathlib import Path

KEY = "sk-file-0123456789"
LINES = f"OPENAI_KEY={KEY}\nDOTENV_TEST_NOTE=read\n"


@pytest.fixture(autouse=True)
def first_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Have the file read anew, in a folder of its own."""
    monkeypatch.setattr(settings, "_dotenv_read", False)
    monkeypatch.setattr(settings, "_dotenv_problem", None)
    monkeypatch.delenv("MOONDEV_DOTENV")
    for name in ("OPENAI_KEY", "DOTENV_TEST_NOTE"):  # so that what a file sets is taken back
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def write(folder: Path, content: bytes = LINES.encode(), mode: int = 0o600) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / ".env"
    file.write_bytes(content)
    file.chmod(mode)
    return file


def is_read() -> bool:
    settings.load_dotenv_once()
    return os.environ.get("DOTENV_TEST_NOTE") == "read"


def refusal(caplog: pytest.LogCaptureFixture) -> str:
    """Return what is said of a file that is not read: in the log once, and by the model whose key is missing."""
    assert not is_read()
    problem = str(settings.dotenv_problem())
    assert caplog.text.count(problem) == 1
    assert KEY not in caplog.text
    model = ModelFactory.get_model("openai")
    assert not model
    with pytest.raises(ModelUnavailable) as raised:
        model.generate_response(None, "hi")
    assert problem in str(raised.value)
    assert caplog.text.count(problem) == 1
    return problem


def test_the_file_of_the_working_folder_is_read(tmp_path: Path) -> None:
    write(tmp_path)
    assert is_read()


@pytest.mark.parametrize("mark", [".git", "pyproject.toml", "requirements.txt", "src/models/model_factory.py"])
def test_the_file_of_the_projects_top_folder_is_read(
    mark: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "project")
    (tmp_path / "project" / mark).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "project" / mark).touch()
    (tmp_path / "project" / "src" / "agents").mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(tmp_path / "project" / "src" / "agents")
    assert is_read()


@pytest.mark.parametrize("mark", [None, "requirements.txt"])
def test_a_file_above_the_project_is_not_read(
    mark: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = write(tmp_path)
    (tmp_path / "project" / "agents").mkdir(parents=True)
    if mark:
        (tmp_path / "project" / mark).touch()
    monkeypatch.chdir(tmp_path / "project" / "agents")
    assert f"MOONDEV_DOTENV={file}" in refusal(caplog)
    monkeypatch.setattr(settings, "_dotenv_read", False)
    monkeypatch.setenv("MOONDEV_DOTENV", str(file))
    assert is_read()


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize(("mode", "reason"), [(0o666, "anybody may write it"), (0o602, "anybody may write it")])
def test_a_file_that_others_may_write_is_refused(
    mode: int,
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    *,
    named: bool,
) -> None:
    file = write(tmp_path, mode=mode)
    if named:
        monkeypatch.setenv("MOONDEV_DOTENV", str(file))
    problem = refusal(caplog)
    assert reason in problem
    assert str(file) in problem
    assert "chmod go-w" in problem


def test_a_file_in_a_folder_that_is_open_to_all_is_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path)
    tmp_path.chmod(0o777)
    assert "anybody may replace it" in refusal(caplog)


@pytest.mark.parametrize(("group", "taken"), [(os.getuid, True), (lambda: 54_321, False)], ids=["private", "shared"])
def test_a_private_group_may_write_and_a_shared_one_may_not(
    group: object, tmp_path: Path, *, taken: bool, caplog: pytest.LogCaptureFixture
) -> None:
    file = write(tmp_path, mode=0o660)
    if os.getuid() != 0:
        pytest.skip("only root gives a file to a group that it is not in")
    os.chown(file, os.getuid(), group())  # type: ignore[operator] # one of the functions above
    if taken:
        assert is_read()
    else:
        assert "its group may write it" in refusal(caplog)


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives a file away")
def test_a_file_of_another_user_is_refused_unless_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = write(tmp_path)
    os.chown(file, 54_321, 54_321)
    assert "it belongs to another user" in refusal(caplog)
    monkeypatch.setattr(settings, "_dotenv_read", False)
    monkeypatch.setenv("MOONDEV_DOTENV", str(file))
    assert is_read()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (LINES.encode("utf-16"), "UTF-16"),
        (LINES.encode("utf-16-le"), "UTF-16"),
        (f"{LINES}# caf\u00e9\n".encode("latin-1"), "line 3 holds the byte 0xE9"),
        (f"# na\u00efve\n{LINES}".encode("cp1252"), "line 1 holds the byte 0xEF"),
    ],
)
def test_a_file_in_another_encoding_is_named(
    content: bytes, words: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = write(tmp_path, content)
    problem = refusal(caplog)
    assert words in problem
    assert str(file) in problem
    assert "UTF-8" in problem


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    write(tmp_path, LINES.encode("utf-8-sig"))
    assert is_read()
    assert os.environ["OPENAI_KEY"] == KEY


def test_a_named_file_that_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MOONDEV_DOTENV", "/nowhere/.env")
    assert "/nowhere/.env" in refusal(caplog)


def test_what_is_set_already_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path)
    monkeypatch.setenv("OPENAI_KEY", "sk-set-already")
    assert is_read()
    assert os.environ["OPENAI_KEY"] == "sk-set-already"


def test_a_working_folder_that_was_deleted_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert not is_read()
    assert settings.dotenv_problem() is None


def test_off_reads_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path)
    monkeypatch.setenv("MOONDEV_DOTENV", "off")
    assert not is_read()
    assert dotenv_file.project_file(tmp_path) == tmp_path / ".env"
