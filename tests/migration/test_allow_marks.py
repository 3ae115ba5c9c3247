"""Which calls and imports the migration marks as allowed: those that are no chat, with the reason of their own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from src.migration.check.command import check
from src.migration.check.config import find_config
from src.migration.rewrite import command
from tests.commands import run_main

if TYPE_CHECKING:
    from pathlib import Path

_MARK = re.compile(r"^(.*?)\s*# direct-call: allow \((.*)\)$")
_ASSISTANTS = "assistants, which the factory has not"
_SPEECH = "speech, not text"
_THREAD = "thread = OpenAI().beta.threads.create()"
_SAY = 'said = OpenAI().audio.speech.create(model="tts-1", voice="onyx", input="x")'
_QUESTION = '[{"role": "user", "content": "q"}]'
_MISTRAL = f"""from mistralai import Mistral
print(Mistral(api_key="k").chat.complete(model="mistral-large", messages={_QUESTION}))
"""
_COHERE = f"""import cohere
co = cohere.ClientV2("k")
print(co.chat(model="command-r", messages={_QUESTION}))
"""
_REKA = f"""from reka.client import Reka
client = Reka(api_key="k")
print(client.chat.create(model="reka-core", messages={_QUESTION}))
"""
_OPENAI = f"""
def ask(client):
    return client.chat.completions.create(model="gpt-4o", messages={_QUESTION})
"""


def migrated(text: str, folder: Path) -> tuple[dict[str, str], list[tuple[int, str]]]:
    """Return the marked lines with their reasons, and what the check says of the result."""
    file = folder / "agent.py"
    file.write_text(text, encoding="utf-8")
    run_main(command.main, "--jobs", "1", "--write", folder)
    (folder / "pyproject.toml").write_text("[tool.check_direct_calls]\n", encoding="utf-8")
    marks = (_MARK.match(line) for line in file.read_text(encoding="utf-8").splitlines())
    report = check([folder], find_config(folder))
    return {mark[1]: mark[2] for mark in marks if mark}, [(finding.line, finding.rule) for finding in report.findings]


@pytest.mark.parametrize(("line", "reason"), [(_THREAD, _ASSISTANTS), (_SAY, _SPEECH)])
@pytest.mark.parametrize("stays", [_MISTRAL, _COHERE, _REKA], ids=["Mistral", "Cohere", "Reka"])
def test_another_providers_calls_and_imports_get_no_mark(stays: str, line: str, reason: str, tmp_path: Path) -> None:
    marks, findings = migrated(f"{stays}from openai import OpenAI\n{line}\n", tmp_path)
    assert marks == {"from openai import OpenAI": reason, line: reason}
    assert findings == [(1, "sdk-import"), (stays.count("\n"), "sdk-call")]


@pytest.mark.parametrize(("line", "reason"), [(_THREAD, _ASSISTANTS), (_SAY, _SPEECH)])
def test_an_import_that_a_call_needs_which_stays_gets_no_mark(line: str, reason: str, tmp_path: Path) -> None:
    marks, findings = migrated(f"from openai import OpenAI\n{line}\n{_OPENAI}", tmp_path)
    assert marks == {line: reason}
    assert findings == [(1, "sdk-import"), (5, "sdk-call")]


def test_each_mark_has_the_reason_of_its_providers_call(tmp_path: Path) -> None:
    groq = 'heard = Groq().audio.transcriptions.create(model="whisper", file=b"")'
    marks, findings = migrated(f"from openai import OpenAI\nfrom groq import Groq\n{_SAY}\n{groq}\n", tmp_path)
    assert marks == {
        "from openai import OpenAI": _SPEECH, "from groq import Groq": "transcription, not text", _SAY: _SPEECH,
        groq: "transcription, not text",
    }  # fmt: skip
    assert findings == []
