"""Langfuse's prompts: fresh where the server answers, the copy where it does not, and never a long wait."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from src.prompts import PromptError, PromptMissing, get_prompt, langfuse_cache, lookup, text_prompt
from src.prompts.copies import Copies
from tests.servers import Reply, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.servers import Received

_ROUTE = "/api/public/v2/prompts"


@dataclass
class Management:
    """A server's prompts by name: the contents of each version, and on which a label stands."""

    versions: dict[str, list[Any]] = field(default_factory=dict)
    labels: dict[tuple[str, str], int] = field(default_factory=dict)
    answer: Callable[[Received], Reply] | None = None

    def reply(self, request: Received) -> Reply:
        if self.answer is not None:
            return self.answer(request)
        parts = urlsplit(request.path)
        if request.method == "POST":
            body = request.json
            self.versions.setdefault(body["name"], []).append(body["prompt"])
            return self.shown(body["name"], len(self.versions[body["name"]]), 201)
        name = unquote(parts.path.removeprefix(f"{_ROUTE}/"))
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        if query.get("label") == "latest":
            number = len(self.versions.get(name, ()))
        else:
            number = int(query["version"]) if "version" in query else self.labels.get((name, query["label"]), 0)
        if not 0 < number <= len(self.versions.get(name, ())):
            return Reply(404, json.dumps({"message": "Prompt not found"}).encode())
        return self.shown(name, number, 200)

    def shown(self, name: str, number: int, status: int) -> Reply:
        content = self.versions[name][number - 1]
        kind = "text" if isinstance(content, str) else "chat"
        labels = [label for (at, label), stands in self.labels.items() if (at, stands) == (name, number)]
        body = {"name": name, "version": number, "type": kind, "prompt": content, "config": {}, "labels": labels}
        return Reply(status, json.dumps(body).encode(), {"content-type": "application/json"})


@pytest.fixture
def management() -> Management:
    return Management()


@pytest.fixture
def server(management: Management, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(langfuse_cache, "WAIT_S", 60.0)  # a busy machine takes long for the first request of a process
    monkeypatch.setattr(langfuse_cache, "_ASK_S", 120.0)
    with Server(management.reply) as running:
        monkeypatch.setenv("LANGFUSE_HOST", running.url)
        monkeypatch.setenv("LANGFUSE_PUBLIC_KEY", "pk-lf-1")
        monkeypatch.setenv("LANGFUSE_SECRET_KEY", "sk-lf-1")
        monkeypatch.setenv("MOONDEV_PROMPTS", "langfuse")
        monkeypatch.setenv("LANGFUSE_PROMPT_CACHE_DEFAULT_TTL_SECONDS", "3600")
        yield running


def settled() -> None:
    """Wait until every thread that asks has its answer."""
    for asked in list(langfuse_cache._refreshing.values()):
        assert asked.wait(30)


def test_the_version_with_the_label_comes_by_its_number_and_is_copied_for_its_owner_alone(
    management: Management, server: Server, folder: Path
) -> None:
    management.versions["desk/trader"] = ["Buy {{x}}.", "Sell {{x}}."]
    management.labels["desk/trader", "production"] = 2
    prompt = get_prompt("desk/trader")
    assert (prompt.version, prompt.langfuse_version, prompt.compile(x=1)) == ("2", 2, "Sell 1.")
    assert get_prompt("desk/trader", 1).text == "Buy {{x}}."
    get_prompt("desk/trader")
    assert len(server.received) == 2  # what is known is not asked for again within a minute
    assert server.received[0].path.startswith(f"{_ROUTE}/desk%2Ftrader?")
    copies = [path for path in (folder.parent / "t-prompts").rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in copies} == {0o600}
    assert not [path for path in copies if path.suffix == ".part"]
    assert not [path for path in copies if b"sk-lf-1" in path.read_bytes()]


@pytest.mark.parametrize("trouble", ["down", "503", "a page", "hangs", "keys"])
def test_the_copy_serves_when_the_server_does_not(
    management: Management, server: Server, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    management.versions["trader"] = ["Buy."]
    management.labels["trader", "production"] = 1
    get_prompt("trader")
    langfuse_cache.forget_all()  # as a process that begins
    replies = {"503": Reply(503), "a page": Reply(200, b"<html>"), "hangs": Reply(hang=True), "keys": Reply(401)}
    management.answer = lambda _: replies.get(trouble, Reply(silent=True))
    if trouble == "hangs":
        monkeypatch.setattr(langfuse_cache, "WAIT_S", 0.05)
    copy = get_prompt("trader")
    assert bool(langfuse_cache._refreshing) == (trouble == "hangs")  # the thread still waits, the caller does not
    assert (copy.text, copy.version, copy.labels) == ("Buy.", "1", ("production",))
    with pytest.raises(PromptError, match=r"does not give the prompt 'other'.*no copy.*MOONDEV_PROMPTS=files"):
        get_prompt("other")


def test_what_is_old_serves_once_more_while_a_thread_asks_again(
    management: Management, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANGFUSE_PROMPT_CACHE_DEFAULT_TTL_SECONDS", "0")
    management.versions["trader"] = ["Buy.", "Sell."]
    management.labels["trader", "production"] = 1
    assert get_prompt("trader").text == "Buy."
    management.labels["trader", "production"] = 2
    assert get_prompt("trader").text == "Buy."
    settled()
    assert get_prompt("trader").text == "Sell."
    settled()


def test_a_name_that_langfuse_does_not_have_comes_from_files_and_a_lost_label_is_forgotten(
    management: Management, server: Server, folder: Path
) -> None:
    (folder / "own.md").write_text("Mine.")
    assert get_prompt("own").source == "file"
    management.versions["trader"] = ["Buy."]
    management.labels["trader", "production"] = 1
    get_prompt("trader")
    management.labels.clear()
    langfuse_cache.forget_all()
    with pytest.raises(PromptMissing, match="There is no prompt 'trader'"):
        get_prompt("trader")
    project = lookup.current_project()
    assert project is not None
    copies = lookup.current_copies()
    assert copies.fetched(project.key, "trader", version=None, label="production") is None
    assert copies.fetched(project.key, "trader", version=1, label=None) is not None


def test_a_prompt_with_a_placeholder_is_refused_by_its_place(management: Management, server: Server) -> None:
    management.versions["chat"] = [[{"type": "placeholder", "name": "history"}]]
    management.labels["chat", "production"] = 1
    with pytest.raises(PromptError, match=r"the prompt 'chat', version 1: message 1.*placeholder"):
        get_prompt("chat")


def test_offline_nothing_is_asked(management: Management, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    management.versions["trader"] = ["Buy."]
    management.labels["trader", "production"] = 1
    get_prompt("trader")
    langfuse_cache.forget_all()
    monkeypatch.setenv("MOONDEV_OFFLINE", "1")
    assert get_prompt("trader").text == "Buy."
    assert len(server.received) == 1


def test_a_copy_that_was_changed_does_not_serve(tmp_path: Path) -> None:
    copies = Copies(tmp_path)
    copies.keep_used(text_prompt("x", "Buy.", source="file"))
    (path,) = tmp_path.rglob("*.json")
    path.write_text(path.read_text().replace("Buy.", "Sell."))
    assert copies.used("x") == []


def test_a_file_is_linked_once_langfuse_is_known_to_say_the_same(
    management: Management, server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOONDEV_PROMPTS", "files")
    (folder / "trader").mkdir()
    (folder / "trader" / "1.md").write_text("Buy.")
    management.versions["trader"] = ["Something else."]
    prompt = get_prompt("trader")
    assert prompt.langfuse_version is None
    project = lookup.current_project()
    assert project is not None
    pushed = project.push(prompt, labels=(), timeout_s=30)
    lookup.keep_pushed(project, pushed)
    linked = get_prompt("trader")
    assert (linked.version, linked.langfuse_version) == (prompt.version, 2)
    assert server.received[-1].json["commitMessage"].startswith(prompt.version)
