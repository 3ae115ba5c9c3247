"""A checkout takes the packages in, runs as before with every call stored, and gets all of its files back."""

from __future__ import annotations

import json
import os
import re
import shlex
import sqlite3
import stat
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from src.migration.install import apply
from src.migration.install.apply import Change, Refused
from src.migration.rewrite import command as rewrite_command
from tests import long, warm
from tests.commands import run_main
from tests.servers import Server, chat_reply

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "migrate_to_factory.py"
DIRECT = """import os
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2]))

from openai import OpenAI

client = OpenAI(api_key=os.getenv("OPENAI_KEY"))
reply = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Trend?"}])
print(reply.choices[0].message.content)
"""
# As agents use the factory that is replaced.
BY_FACTORY = """import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2]))

from src.config import AI_MODEL
from src.models import model_factory
from src.models.base_model import ModelResponse
from src.models.model_factory import ModelFactory

model = model_factory.get_model("openai", AI_MODEL)
if not model:
    sys.exit("no model")
for name in model_factory._models.keys():
    assert ModelFactory().is_model_available(name)
assert "openai" in model_factory.MODEL_IMPLEMENTATIONS
print(model.model_type, model.model_name, model.AVAILABLE_MODELS.get(AI_MODEL, {}) is not None)
response = model.generate_response(system_prompt="Be brief.", user_content="Volume?", temperature=0.3, max_tokens=50)
assert isinstance(response, ModelResponse)
text = response.content if hasattr(response, "content") else str(response)
print(text.strip(), "up" in str(response), len(response))
"""
ASKS = """from src.models import ModelFactory


def ask():
    return ModelFactory.get_model("openai", "gpt-4o").generate_response(None, "Trend?").content


if __name__ == "__main__":
    ask()
"""
DESK = """import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from src.agents import pool_agent
from src.models import ModelFactory

if __name__ == "__main__":
    pool_agent.ask()
    ModelFactory.get_model("openai", "gpt-4o").generate_response(None, "Trend?")
    for start in ("fork", "spawn"):
        with ProcessPoolExecutor(1, mp_context=get_context(start)) as pool:
            pool.submit(pool_agent.ask).result()
    for words in (["-m", "src.agents.pool_agent"], ["src/agents/pool_agent.py"]):
        subprocess.run([sys.executable, *words], check=True)
"""
FILES = {
    "README.md": "# A desk\n",
    ".gitignore": ".env\n__pycache__/\n",
    ".env_example": "OPENAI_KEY=your_key\nBIRDEYE_API_KEY=\n",
    "requirements.txt": "openai==1.2.3\r\nnumpy==1.26.2\r\npydantic>=2.1\r\n",
    "src/__init__.py": "",
    "src/config.py": "AI_MODEL = 'gpt-4o'\n",
    "src/agents/direct_agent.py": DIRECT,
    "src/agents/factory_agent.py": BY_FACTORY,
    "src/models/__init__.py": "from .model_factory import model_factory\n",
    "src/models/model_factory.py": "model_factory = None\n",
    "src/models/xai_model.py": "class XAIModel: ...\n",
    "src/models/our_gateway.py": "class Gateway: ...\n",
}


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return run_main(rewrite_command.main, "--jobs", "1", "--no-resolve", *words)


def run_script(*words: str | Path) -> subprocess.CompletedProcess[str]:
    arguments = [sys.executable, str(SCRIPT), "--no-resolve", *(str(word) for word in words)]
    return warm.run(arguments, capture_output=True, text=True, check=False, timeout=120)


def files(root: Path) -> dict[str, tuple[bytes, int]]:
    """Return every file with its mode, as far as git would see it."""
    return {
        path.relative_to(root).as_posix(): (path.read_bytes(), stat.S_IMODE(path.stat().st_mode))
        for path in root.rglob("*")
        if path.is_file() and not {"__pycache__", ".git"} & set(path.parts)
    }


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "desk"
    for name, text in FILES.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode())
    (root / "src/agents/direct_agent.py").chmod(0o755)
    return root


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(lambda _: chat_reply("going up")) as running:
        yield running


def test_a_dry_run_tells_and_writes_nothing(checkout: Path) -> None:
    before = files(checkout)
    done = run(checkout, "--install", "--diff")
    assert done.returncode == 10, done.stderr
    assert files(checkout) == before
    assert "+openai>=" in done.stdout
    assert "src/observability: " in done.stderr


def test_agents_run_and_every_call_is_stored(checkout: Path, server: Server, tmp_path: Path) -> None:
    done = run_script(checkout, "--install", "--write")
    assert done.returncode == 10, done.stdout + done.stderr
    store = tmp_path / "traces.db"
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "MOONDEV_TRACE_DB": str(store), "MOONDEV_DOTENV": "off",
        "OPENAI_KEY": "sk-test-0123456789abcdef", "OPENAI_BASE_URL": f"{server.url}/v1", "MOONDEV_GUARD": "block",
        "PYTHONPATH": str(checkout),  # before this project itself, where an editable install put it on the path
    }  # fmt: skip

    def python(*words: str) -> str:
        command = [sys.executable, *words]
        ended = warm.run(
            command, cwd=checkout, env=environment, capture_output=True, text=True, timeout=100, check=False
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return str(ended.stdout)

    assert python("src/agents/direct_agent.py") == "going up\n"
    assert python("src/agents/factory_agent.py") == "openai gpt-4o True\ngoing up True 8\n"
    assert [request.json["messages"][-1]["content"] for request in server.received] == ["Trend?", "Volume?"]
    with sqlite3.connect(store) as database:
        agents = database.execute("select agent from observations where type = 'generation'").fetchall()
    assert agents == [("direct_agent",), ("factory_agent",)]
    printed = re.findall(r"^  python (-m src\.\S+ \w+)  # .*$", done.stdout, re.MULTILINE)
    outputs = {words: python(*words.split()) for words in printed}
    assert "openai.generate" in outputs["-m src.observability traces"]
    assert "the test observation is stored" in outputs["-m src.observability doctor"]
    assert "\n  python scripts/check_direct_calls.py  # " in done.stdout
    where = "import importlib.util; print(importlib.util.find_spec('src.models').origin)"
    assert python("-c", where).startswith(str(checkout))


@pytest.mark.skipif(not long.IS_LONG, reason="many processes: make test-long")
def test_processes_name_the_agent_whose_code_they_run(checkout: Path, server: Server, tmp_path: Path) -> None:
    run(checkout, "--install", "--write")
    (checkout / "src/agents/pool_agent.py").write_text(ASKS)
    (checkout / "desk.py").write_text(DESK)
    store = tmp_path / "traces.db"
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "MOONDEV_TRACE_DB": str(store), "MOONDEV_DOTENV": "off",
        "OPENAI_KEY": "sk-test-0123456789abcdef", "OPENAI_BASE_URL": f"{server.url}/v1", "PYTHONPATH": str(checkout),
    }  # fmt: skip
    command = [sys.executable, "desk.py"]
    done = subprocess.run(
        command, cwd=checkout, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    with sqlite3.connect(store) as database:
        rows = database.execute(
            "select agent, count(*), count(distinct session_id) from observations group by 1"
        ).fetchall()
    assert sorted(rows) == [("desk", 1, 1), ("pool_agent", 5, 4)]  # a fork is part of its parent's session


def test_the_check_works_there_by_itself_and_passes(checkout: Path) -> None:
    run(checkout, "--install", "--write")
    alone = (
        "import sys, runpy; sys.modules['libcst'] = None; sys.argv = ['check', '--no-cache']; "
        "runpy.run_path({!r}, run_name='__main__')"
    )
    command = [sys.executable, "-c", alone.format("scripts/check_direct_calls.py")]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    (checkout / "src/agents/next_agent.py").write_text(DIRECT)
    command[-1] = command[-1].replace("'--no-cache'", "'--no-cache', 'src/agents'")  # it has passed the rest
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 1
    assert "next_agent.py" in done.stdout
    assert (checkout / "scripts/check_direct_calls.py").stat().st_mode & stat.S_IXUSR
    assert "check_direct_calls.py" in (checkout / ".github/workflows/direct-calls.yml").read_text()


def test_its_own_files_stay_but_for_the_lines_that_are_added(checkout: Path) -> None:
    before = files(checkout)
    done = run(checkout, "--install", "--write")
    after = files(checkout)
    for name in ("README.md", "src/__init__.py", "src/agents/factory_agent.py"):
        assert after[name][0] == FILES[name].encode()
    for name in (".gitignore", ".env_example", "src/config.py"):
        assert after[name][0].startswith(FILES[name].encode())
    requirements = after["requirements.txt"][0].decode()
    assert requirements.count("\r\n") == requirements.count("\n")
    assert "numpy==1.26.2" in requirements
    assert re.search(r"^openai>=\d", requirements, re.MULTILINE)
    assert re.search(r"^pydantic>=2\.\d+,<3,>=2\.1\r$", requirements, re.MULTILINE)
    example = after[".env_example"][0].decode()
    assert example.count("OPENAI_KEY=") == 1
    assert "LANGFUSE_PUBLIC_KEY=" in example
    assert after["src/agents/direct_agent.py"][1] == 0o755
    assert "src/models/xai_model.py" not in after
    assert after["src/models/our_gateway.py"] == before["src/models/our_gateway.py"]
    assert "src/models/our_gateway.py: your own file; it stays" in done.stdout
    assert tomllib.loads(after["pyproject.toml"][0].decode())["tool"]["check_direct_calls"]["paths"] == ["src"]
    assert not any(name.startswith(".env") and name != ".env_example" for name in after)


def test_a_second_run_changes_nothing_and_says_so(checkout: Path) -> None:
    run(checkout, "--install", "--write")
    before = files(checkout)
    done = run(checkout, "--install", "--write")
    assert done.returncode == 0, done.stdout
    assert "nothing to change" in done.stdout
    assert files(checkout) == before


def test_all_of_it_can_be_taken_back(checkout: Path) -> None:
    before = files(checkout)
    installed = run(checkout, "--install", "--write")
    (command,) = re.findall(r"^  (.+ \. --roll-back)$", installed.stdout, re.MULTILINE)
    done = subprocess.run(shlex.split(command), cwd=checkout, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 10, done.stderr
    assert files(checkout) == before
    assert not (checkout / ".moondev-backup").exists()
    assert not (checkout / "src/observability").exists()
    again = run(checkout, "--roll-back")
    assert again.returncode == 2
    assert "nothing to take back" in again.stderr


def test_a_killed_installation_leaves_nothing_that_is_not_taken_back(checkout: Path) -> None:
    before = files(checkout)
    command = [sys.executable, str(SCRIPT), str(checkout), "--install", "--write", "--no-resolve"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        while running.poll() is None and not list(checkout.glob(".moondev-backup/*/manifest.json")):
            time.sleep(0.001)  # it needs the processor more
        running.kill()
    assert run(checkout, "--roll-back").returncode == 10
    assert files(checkout) == before


def test_an_installation_that_was_killed_half_way_is_taken_back(checkout: Path) -> None:
    before = files(checkout)
    assert run(checkout, "--install", "--write").returncode == 10
    manifest = json.loads(next((checkout / ".moondev-backup").glob("*/manifest.json")).read_bytes())
    paths = [entry["path"] for entry in manifest["entries"]]
    for path in paths[len(paths) // 2 :]:  # as if it had come no further
        (checkout / path).unlink(missing_ok=True)
        if path in before:
            (checkout / path).write_bytes(before[path][0])
            (checkout / path).chmod(before[path][1])
    assert run(checkout, "--roll-back").returncode == 10
    assert files(checkout) == before


def test_what_was_changed_since_is_not_taken_back_over(checkout: Path) -> None:
    run(checkout, "--install", "--write")
    edited = checkout / "src/agents/direct_agent.py"
    edited.write_text(edited.read_text() + "# mine\n")
    before = files(checkout)
    done = run(checkout, "--roll-back")
    assert done.returncode == 2
    assert "src/agents/direct_agent.py" in done.stderr
    assert files(checkout) == before


def test_an_upgrade_keeps_what_its_owner_edited(checkout: Path) -> None:
    run(checkout, "--install", "--write")
    ours = checkout / "src/models/pricing/prices.py"
    ours.write_text("# edited\n")
    stale = checkout / "src/models/of_an_older_version.py"
    stale.write_text("")
    done = run(checkout, "--install", "--write")
    assert "src/models/pricing/prices.py: it was edited here" in done.stdout
    assert ours.read_bytes() == (ROOT / "src/models/pricing/prices.py").read_bytes()
    assert stale.exists()  # nothing says that an installation wrote it
    assert "src/models/of_an_older_version.py: your own file; it stays" in done.stdout
    assert run(checkout, "--roll-back").returncode == 10
    assert ours.read_text() == "# edited\n"
    assert run(checkout, "--roll-back").returncode == 2  # what the first one wrote was edited


def test_who_imports_a_module_that_goes_is_named(checkout: Path) -> None:
    (checkout / "src/agents/old_agent.py").write_text("from src.models.xai_model import XAIModel\nprint(XAIModel)\n")
    for _ in range(2):  # until it is done
        done = run(checkout, "--install", "--write")
        assert done.returncode == 20
        assert "by hand: src/agents/old_agent.py:1 imports src.models.xai_model.XAIModel, and there" in done.stdout
    (checkout / "src/agents/old_agent.py").write_text("from src.models import ModelFactory\nprint(ModelFactory)\n")
    assert run(checkout, "--install", "--write").returncode == 0


@pytest.mark.parametrize("kind", ["no checkout", "a file", "two", "this project", "a link", "a folder in the way"])
def test_what_cannot_be_installed_into_is_refused_with_nothing_changed(kind: str, checkout: Path) -> None:
    words: list[str | Path] = [checkout]
    if kind == "no checkout":
        words = [checkout / "src/agents"]
    elif kind == "a file":
        words = [checkout / "README.md"]
    elif kind == "two":
        words = [checkout, checkout / "src"]
    elif kind == "this project":
        words = [ROOT]
    elif kind == "a link":
        (checkout / "elsewhere").mkdir()
        (checkout / "src/observability").symlink_to(checkout / "elsewhere")
    else:
        (checkout / "requirements.txt").unlink()
        (checkout / "requirements.txt").mkdir()
    before = files(checkout)
    done = run(*words, "--install", "--write", "--allow-dirty")
    assert done.returncode == 2, done.stdout
    assert done.stderr.startswith("migrate_to_factory: ")
    assert "Traceback" not in done.stderr
    assert files(checkout) == before


def test_a_failure_half_way_leaves_everything_as_it_was(checkout: Path) -> None:
    before = files(checkout)
    readme = FILES["README.md"].encode()
    changes = [
        Change(path="README.md", before=readme, after=b"other"),
        Change(path="src/agents/new/deep.py", before=None, after=b"x"),
        Change(path="README.md/in_a_file.py", before=None, after=b"x"),
    ]
    with pytest.raises(Refused, match="taken back"):
        apply.apply(checkout, changes)
    assert files(checkout) == before
    assert not (checkout / ".moondev-backup").exists()
    assert not (checkout / "src/agents/new").exists()


def test_a_file_that_changed_meanwhile_is_not_written_over(checkout: Path) -> None:
    before = files(checkout)
    with pytest.raises(Refused, match=r"README\.md was changed meanwhile"):
        apply.apply(checkout, [Change(path="README.md", before=b"not what it holds", after=b"x")])
    assert files(checkout) == before
