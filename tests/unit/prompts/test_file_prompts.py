"""Prompts of files: what a version is, which is in use, and what is refused with which words."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from src.prompts import PromptError, PromptMissing, get_prompt, text_prompt
from src.prompts.files import names_in, set_label, versions_in

if TYPE_CHECKING:
    from pathlib import Path


def test_variables_are_filled_in_once_and_only_where_all_are_there() -> None:
    prompt = text_prompt("greeting", 'Trade {{ symbol }} at {{price}}, as {{"a": 1}} says.')
    assert prompt.variables == ("symbol", "price")
    assert prompt.compile(symbol="{{price}}", price=1.5) == 'Trade {{price}} at 1.5, as {{"a": 1}} says.'
    for values, words in (
        ({"symbol": "BTC"}, "needs price, which is missing"),
        ({"symbol": "BTC", "price": None}, "needs price, which is None"),
        ({"symbol": "BTC", "price": 1, "extra": 2}, "no variable extra"),
    ):
        with pytest.raises(PromptError, match=words):
            prompt.compile(**values)


def test_an_edited_file_is_another_version_and_the_earlier_one_is_still_known(folder: Path) -> None:
    file = folder / "momentum.md"
    file.write_text("Buy what rises.\n")
    first = get_prompt("momentum")
    assert first.digest == hashlib.sha256(b"Buy what rises.").hexdigest()
    file.write_text("Buy what falls.\n")
    second = get_prompt("momentum")
    assert second.version != first.version
    assert second.version == second.digest[:8]
    earlier = get_prompt("momentum", version=first.version)
    assert (earlier.text, earlier.source) == ("Buy what rises.", "kept")
    copies = sorted((folder.parent / "t-prompts").rglob("*.json"))
    assert len(copies) == 2
    assert {path.stat().st_mode & 0o777 for path in copies} == {0o600}


def test_a_new_file_is_in_use_only_once_a_label_says_so(folder: Path) -> None:
    (folder / "trading").mkdir()
    for number, text in ((1, "One."), (2, "Two."), (10, "Ten.")):
        (folder / "trading" / f"{number}.md").write_text(text)
    assert get_prompt("trading").text == "One."
    assert get_prompt("trading", label="latest").text == "Ten."
    assert get_prompt("trading", 2).version == f"2-{hashlib.sha256(b'Two.').hexdigest()[:8]}"
    set_label(folder, "trading", "production", 2)
    set_label(folder, "trading", "staging", 10)
    assert (get_prompt("trading").text, get_prompt("trading", label="staging").text) == ("Two.", "Ten.")
    assert [prompt.labels for prompt in versions_in(folder, "trading")] == [(), ("production",), ("staging", "latest")]
    with pytest.raises(PromptMissing, match=r"no version 3.*It has 1-"):
        get_prompt("trading", 3)
    with pytest.raises(PromptMissing, match="no version 3"):
        set_label(folder, "trading", "production", 3)


def test_a_table_has_messages_and_parameters_and_each_changes_the_version(folder: Path) -> None:
    (folder / "desk").mkdir()
    file = folder / "desk" / "risk.toml"
    body = '[[messages]]\nrole = "system"\ncontent = "Judge."\n[[messages]]\nrole = "user"\ncontent = "{{case}}"\n'
    file.write_text(body)
    plain = get_prompt("desk/risk")
    assert plain.compile(case="long BTC") == [
        {"role": "system", "content": "Judge."},
        {"role": "user", "content": "long BTC"},
    ]
    file.write_text(body + "[config]\ntemperature = 0.1\n")
    assert get_prompt("desk/risk").digest != plain.digest
    assert get_prompt("desk/risk").config == {"temperature": 0.1}
    (folder / "README.md").write_text("About these.")
    (folder / "trading").mkdir()
    (folder / "trading" / "1.txt").write_text("One.")
    assert names_in(folder) == ["desk/risk", "trading"]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"x.md": " \n"}, "a text is empty"),
        ({"x.md": "{{two words}}"}, "is no variable"),
        ({"x.md": b"\xff"}, "is not in UTF-8"),
        ({"x.toml": "text = "}, "is no TOML"),
        ({"x.toml": 'text = "a"\nmodel = "b"'}, "'model' is nothing that a prompt has"),
        ({"x.toml": "[config]\na = 1"}, "neither a text nor messages"),
        ({"x.toml": '[[messages]]\nrole = "boss"\ncontent = "a"'}, "has the role 'boss'"),
        ({"x.md": "a", "x.toml": 'text = "a"'}, "keep one file"),
        ({"x.md": "a", "x/1.md": "a"}, "keep one file"),
        ({"x/1.md": "a", "x/01.md": "b"}, "has two files"),
        ({"x/1.md": "a", "x/labels.toml": "production = 4"}, "there is no such version"),
        ({"x/1.md": "a", "x/labels.toml": "latest = 1"}, "always the highest number"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_the_reason(
    folder: Path, files: dict[str, str | bytes], words: str
) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(PromptError, match=words) as refused:
        get_prompt("x")
    assert str(folder) in str(refused.value)


@pytest.mark.parametrize("name", ["../secrets", "/etc/passwd", "a//b", "", ".env", "x/1", "a\x00b"])
def test_a_name_leads_nowhere_else(folder: Path, name: str) -> None:
    (folder.parent / "secrets.md").write_text("a")
    with pytest.raises(PromptError, match="is no name of a prompt"):
        get_prompt(name)


def test_a_prompt_with_a_secret_is_used_and_not_copied(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    secret = "sk-ant-api03-" + "A1b2C3d4E5" * 9
    (folder / "leaky.md").write_text(f"Use the key {secret}.")
    assert secret in get_prompt("leaky").text
    assert not list((folder.parent / "t-prompts").rglob("*.json"))
    assert "holds what looks like a secret" in caplog.text
    assert secret not in caplog.text


def test_a_folder_that_is_named_and_missing_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOONDEV_PROMPTS_DIR", str(folder / "none"))
    with pytest.raises(PromptError, match="MOONDEV_PROMPTS_DIR is"):
        get_prompt("x")
    monkeypatch.setenv("MOONDEV_PROMPTS", "cloud")
    with pytest.raises(PromptError, match="MOONDEV_PROMPTS is 'cloud'"):
        get_prompt("x")
