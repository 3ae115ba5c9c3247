"""The migration's command line: what it writes, refuses and reports, and its exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from src.migration.rewrite import command
from tests import warm
from tests.commands import run_main

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "migrate_to_factory.py"
DIRECT = """import os
from openai import OpenAI

client = OpenAI(api_key=os.getenv("OPENAI_KEY"))


def ask(prompt):
    reply = client.chat.completions.create(
        model="gpt-4o", messages=[{"role": "system", "content": "You trade."}, {"role": "user", "content": prompt}]
    )
    return reply.choices[0].message.content  # the text
"""
MIGRATED = """import os
from src.models.model_factory import ModelFactory

client = ModelFactory.get_model("openai", "gpt-4o", api_key=os.getenv("OPENAI_KEY"), compat="openai")


def ask(prompt):
    reply = client.generate_response(
        "You trade.", prompt, temperature=None
    )
    return reply.content  # the text
"""
RAW = """import json
import urllib.request

def ask(prompt):
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": prompt}]}
    reply = urllib.request.urlopen("https://api.openai.com/v1/chat/completions", json.dumps(body).encode())
    return json.load(reply)["choices"][0]["message"]["content"]
"""
SPEECH = """from openai import OpenAI

def say(text):
    return OpenAI().audio.speech.create(model="tts-1", voice="onyx", input=text)
"""


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return run_main(command.main, "--jobs", "1", *words)


def run_script(*words: str | Path) -> subprocess.CompletedProcess[str]:
    arguments = [sys.executable, str(SCRIPT), *(str(word) for word in words)]
    return warm.run(arguments, capture_output=True, text=True, check=False, timeout=120)


def git(folder: Path, *words: str) -> None:
    name = ["-c", "user.name=t", "-c", "user.email=t@example.test"]
    subprocess.run(["git", "-C", str(folder), *name, *words], check=True, capture_output=True)


@pytest.fixture
def agent(tmp_path: Path) -> Path:
    file = tmp_path / "agent.py"
    file.write_text(DIRECT)
    return file


def test_a_dry_run_writes_nothing_and_prints_what_would_change(agent: Path) -> None:
    done = run_script(agent.parent)
    assert done.returncode == 10
    assert agent.read_text() == DIRECT
    assert "1 would change: 1 calls go through the factory" in done.stdout
    assert "--write" in done.stdout


def test_write_changes_the_file_keeps_its_mode_and_a_second_run_has_nothing_to_do(agent: Path) -> None:
    agent.chmod(0o755)
    assert run(agent.parent, "--write").returncode == 10
    assert agent.read_text().replace("import os\nfrom src", "import os\nfrom src") == MIGRATED
    assert agent.stat().st_mode & 0o777 == 0o755
    assert [file.name for file in agent.parent.iterdir()] == ["agent.py"]
    again = run(agent.parent, "--write")
    assert again.returncode == 0
    assert agent.read_text() == MIGRATED


def test_diff_shows_the_change_as_a_patch_that_applies(agent: Path) -> None:
    done = run(agent.parent, "--diff")
    assert done.returncode == 10
    subprocess.run(["git", "apply", "-"], input=done.stdout, text=True, cwd=agent.parent, check=True)
    assert agent.read_text() == MIGRATED


def test_the_report_names_every_file_and_site(agent: Path, tmp_path: Path) -> None:
    (tmp_path / "raw.py").write_text(RAW)
    (tmp_path / "speech.py").write_text(SPEECH)
    (tmp_path / "broken.py").write_text("import openai\ndef (:\n")
    report = tmp_path / "report.json"
    assert run(tmp_path, "--report", report).returncode == 20
    content = json.loads(report.read_text())
    assert content["version"] == 1
    assert {file["path"] for file in content["files"]} == {"agent.py", "broken.py", "raw.py", "speech.py"}
    assert all(set(site) == {"file", "line", "style", "status", "reason", "suggestion"} for site in content["sites"])
    assert {(site["file"], site["line"], site["status"]) for site in content["sites"]} == {
        ("agent.py", 8, "migrated"), ("raw.py", 6, "left"), ("speech.py", 4, "non-chat"), ("broken.py", 2, "left"),
    }  # fmt: skip


def test_files_that_are_left_stay_byte_for_byte(tmp_path: Path) -> None:
    raw, broken = tmp_path / "raw.py", tmp_path / "broken.py"
    raw.write_text(RAW)
    broken.write_bytes(b"import openai\r\ndef (:\n")
    done = run(tmp_path, "--write")
    assert done.returncode == 20
    assert raw.read_text() == RAW
    assert broken.read_bytes() == b"import openai\r\ndef (:\n"
    assert "raw.py:6" in done.stdout
    assert "broken.py" in done.stdout


def test_non_chat_calls_stay_and_get_an_allow_comment(tmp_path: Path) -> None:
    file = tmp_path / "speech.py"
    file.write_text(SPEECH)
    assert run(tmp_path, "--write").returncode == 10
    assert file.read_text().count("# direct-call: allow (speech, not text)") == 2
    assert run(tmp_path, "--write").returncode == 0


def test_a_tree_with_uncommitted_changes_is_refused_but_untracked_files_do_not_count(agent: Path) -> None:
    git(agent.parent, "init", "-q")
    git(agent.parent, "add", "agent.py")
    git(agent.parent, "commit", "-qm", "x")
    (agent.parent / "new.txt").write_text("untracked")
    agent.write_text(DIRECT + "# changed\n")
    done = run(agent.parent, "--write")
    assert done.returncode == 2
    assert "not committed" in done.stderr
    assert agent.read_text() == DIRECT + "# changed\n"
    assert run(agent.parent, "--write", "--allow-dirty").returncode == 10
    git(agent.parent, "checkout", "-q", "agent.py")
    assert run(agent.parent, "--write").returncode == 10


@pytest.mark.parametrize("words", [(), ("missing-folder",), (".", "--write", "--diff"), (".", "--jobs", "0")])
def test_a_usage_error_exits_with_2(words: tuple[str, ...]) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert done.stderr


def test_the_factory_itself_is_left_alone(tmp_path: Path) -> None:
    place = tmp_path / "src" / "models" / "adapter.py"
    place.parent.mkdir(parents=True)
    place.write_text(DIRECT)
    assert run(tmp_path, "--write").returncode == 0
    assert place.read_text() == DIRECT


def test_many_files_are_migrated_in_parallel_with_the_same_result(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"agent_{number}.py").write_text(DIRECT)
    assert run_script(tmp_path, "--write", "--jobs", "2").returncode == 10
    assert {file.read_text() for file in tmp_path.glob("*.py")} == {MIGRATED}


def test_a_file_and_a_link_to_it_are_written_once(tmp_path: Path) -> None:
    (tmp_path / "agent.py").write_text(DIRECT)
    (tmp_path / "alias.py").symlink_to("agent.py")
    done = run(tmp_path, "--write")
    assert done.returncode == 10, done.stdout + done.stderr
    assert (tmp_path / "agent.py").read_text() == MIGRATED
    assert (tmp_path / "alias.py").is_symlink()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no names that are not valid text")
def test_a_file_whose_name_is_not_valid_text_is_reported(tmp_path: Path) -> None:
    Path(os.fsdecode(bytes(tmp_path) + b"/ag\xffent.py")).write_text(RAW)
    done = run(tmp_path, "--report", tmp_path / "report.json")
    assert done.returncode == 20, done.stderr
    assert "ffent.py:6: provider-url left" in done.stdout
    assert json.loads((tmp_path / "report.json").read_text())["sites"][0]["status"] == "left"


def test_a_file_stays_where_another_file_sets_its_key(tmp_path: Path) -> None:
    source = (
        "import openai\n\ndef ask(p):\n    return openai.chat.completions.create(model='m', messages=[{'role': 'user', "
        "'content': p}]).choices[0].message.content\n"
    )
    (tmp_path / "asking.py").write_text(source)
    (tmp_path / "alone.py").write_text(source)
    (tmp_path / "start.py").write_text(
        "import openai\nimport asking\nopenai.api_key = 'of-this-desk'\nasking.ask('x')\n"
    )
    done = run(tmp_path, "--write")
    assert "another file sets openai.api_key" in done.stdout
    assert (tmp_path / "asking.py").read_text() == source
    assert "of-this-desk" in (tmp_path / "start.py").read_text()
    assert "ModelFactory" in (tmp_path / "alone.py").read_text()
