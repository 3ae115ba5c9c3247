"""A checkout that holds the former layout, in which modules lay side by side, takes this version in its place."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from src.migration.install import apply, command, old_files, plan
from src.migration.install.apply import Change, Refused
from tests import warm
from tests.servers import Server, chat_reply

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
FORMER = (ROOT / "src/migration/install/former_layout.txt").read_text("utf-8").split()
# Every import that stays for agents and migrated code.
AGENT = """import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2]))

from src.models import BaseModel, ModelFactory, ModelResponse, model_factory
from src.models.base_model import BaseModel as SameBaseModel
from src.models.errors import ModelError
from src.models.guard import install
from src.models.model_factory import ModelFactory as SameFactory
from src.models.retry import RetryPolicy
from src.models.types import Usage
from src.observability import LangFuseTracker, flush, observe_agent, shutdown
from src.observability.redaction import redact
from src.observability.settings import Settings

assert ModelFactory is SameFactory and BaseModel is SameBaseModel
model = ModelFactory.get_model("openai", "gpt-4o")
reply = model.generate_response("Be brief.", "Trend?")
assert isinstance(reply, ModelResponse) and reply.trace_id
print(reply.content, redact("nothing secret"))
"""
OWN_FILES = {
    "README.md": "# A desk\n",
    "requirements.txt": "numpy==1.26.2\n",
    "src/__init__.py": "",
    "src/config.py": "AI_MODEL = 'gpt-4o'\n",
    "src/agents/agent.py": AGENT,
}


def write_files(root: Path, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def stand_in(path: str) -> Change:
    return Change(path=path, before=None, after=f"# {path} of the former version\n".encode())


def files(root: Path) -> dict[str, tuple[bytes, int]]:
    """Return every file but those of the backup and the interpreter's caches, with its mode."""
    return {
        path.relative_to(root).as_posix(): (path.read_bytes(), stat.S_IMODE(path.stat().st_mode))
        for path in root.rglob("*")
        if path.is_file() and not {"__pycache__", apply.BACKUP} & set(path.parts)
    }


def install_in(root: Path) -> plan.Installation:
    installation = plan.plan(root)
    assert command.write(root, installation) is None
    return installation


@pytest.fixture
def former(tmp_path: Path) -> Path:
    """Return a checkout in which two installations of the former version are on record."""
    root = tmp_path / "desk"
    write_files(root, OWN_FILES)
    apply.apply(root, [stand_in(path) for path in FORMER[:-1]])
    apply.apply(root, [stand_in(FORMER[-1])])
    return root


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(lambda _: chat_reply("going up")) as running:
        yield running


def test_the_list_of_the_former_layout_is_whole() -> None:
    assert len(FORMER) == len(set(FORMER)) == 166
    assert {path.split("/")[1] for path in FORMER} == {"models", "observability", "migration"}
    assert {"src/models/posted/__init__.py", "src/observability/_redaction/gates.py"} < set(FORMER)
    assert sum(path.startswith("src/migration/check_") for path in FORMER) == 19


@pytest.mark.parametrize("is_clone", [False, True])
def test_former_files_go_without_a_note(former: Path, is_clone: bool) -> None:
    if is_clone:  # git ignores the backup
        shutil.rmtree(former / apply.BACKUP)
    installation = install_in(former)
    packaged = {path for path, _ in plan._packaged_files()}
    after = files(former)
    assert not (set(FORMER) - packaged) & set(after)
    assert not (former / "src/models/posted").exists()
    assert not (former / "src/observability/_redaction").exists()
    assert {name for name in after if name.startswith(("src/models", "src/observability", "src/migration"))} <= packaged
    assert installation.by_hand == []
    assert [note for note in installation.notes if "your" in note] == []
    assert plan.plan(former).changes == []


def test_a_note_names_each_former_file_that_its_owner_edited(former: Path) -> None:
    write_files(former, {"src/migration/check_scan.py": "# edited\n", "src/models/call.py": "# edited\n"})
    installation = install_in(former)
    noted = {note.split(":")[0] for note in installation.notes if "it was edited here" in note}
    assert noted == {"src/migration/check_scan.py", "src/models/call.py"}


def test_a_file_that_no_installation_wrote_stays_with_a_note(former: Path) -> None:
    own = {
        "src/migration/check_positions.py": "x = 1\n",
        "src/migration/check/own.py": "x = 2\n",
        "src/models/our_gateway.py": "x = 3\n",
        "src/observability/notes.md": "own\n",
    }
    write_files(former, own | {"src/migration/positions.py": "y = 1\n"})
    installation = plan.plan(former)
    assert {note.split(":")[0] for note in installation.notes if "your own file" in note} == set(own)
    apply.apply(former, installation.changes)
    assert {name: (former / name).read_text("utf-8") for name in own} == own
    assert (former / "src/migration/positions.py").exists()


def test_a_former_name_is_the_owner_s_where_nothing_was_installed(tmp_path: Path) -> None:
    write_files(tmp_path, OWN_FILES | {"src/migration/check_scan.py": "x = 1\n", "src/models/call.py": "x = 2\n"})
    notes = [note for note in plan.plan(tmp_path).notes if "your own file" in note]
    assert notes == [
        "src/models/call.py: your own file; it goes to the backup, since src/models/call/__init__.py has its name",
        "src/migration/check_scan.py: your own file; it stays",
    ]


def test_whoever_imports_a_module_or_package_that_goes_is_named(former: Path) -> None:
    imports = {
        "module": "from src.observability.spool import Spool",
        "package": "from src.models import posted",
        "inside": "import src.models.posted.asking as asking",
        "from_package": "from src.models.posted import asking, routes",
        "check": "import src.migration.check_scan",
        "relative": "from ..observability import _redaction",
        "lines": "from src.models import (\n    ModelFactory,\n    posted,\n)",
        "stays": "from src.models import guard, pricing\nimport src.models.adapters.openai_compatible",
        "text": "HELP = '''\nfrom src.models import posted\n'''",
    }
    write_files(former, {f"src/agents/{name}.py": f"{text}\n" for name, text in imports.items()})
    importing = [advice.split(", which")[0] for advice in plan.plan(former).by_hand]
    assert importing == [
        "src/agents/check.py:1 imports src.migration.check_scan",
        "src/agents/from_package.py:1 imports src.models.posted.asking, and there is no src.models.posted: ask "
        "src.models.ModelFactory",
        "src/agents/from_package.py:1 imports src.models.posted.routes, and there is no src.models.posted: ask "
        "src.models.ModelFactory",
        "src/agents/inside.py:1 imports src.models.posted.asking, and there is no src.models.posted: ask "
        "src.models.ModelFactory",
        "src/agents/lines.py:1 imports src.models.posted",
        "src/agents/module.py:1 imports src.observability.spool.Spool, and there is no src.observability.spool: import "
        "what src.observability offers",
        "src/agents/package.py:1 imports src.models.posted",
        "src/agents/relative.py:1 imports src.observability._redaction",
    ]


def test_an_agent_runs_as_before_with_every_path_that_stays(former: Path, server: Server, tmp_path: Path) -> None:
    install_in(former)
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "MOONDEV_TRACE_DB": str(tmp_path / "traces.db"),
        "MOONDEV_DOTENV": "off", "OPENAI_KEY": "sk-test-0123456789abcdef", "OPENAI_BASE_URL": f"{server.url}/v1",
        "PYTHONPATH": str(former),  # before this project itself, where an editable install put it on the path
    }  # fmt: skip
    done = warm.run(
        [sys.executable, "src/agents/agent.py"], cwd=former, env=environment, capture_output=True, text=True,
        timeout=100, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "going up nothing secret\n"), done.stderr


def test_the_check_runs_there_and_finds_nothing(former: Path) -> None:
    install_in(former)
    done = subprocess.run(
        [sys.executable, "-I", "-S", "scripts/check_direct_calls.py", "--no-cache"],
        cwd=former, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_former_layout_comes_back_byte_for_byte(former: Path) -> None:
    (former / "src/migration/check_scan.py").chmod(0o755)
    before = files(former)
    install_in(former)
    assert files(former) != before
    assert command.roll_back(former) is None
    assert files(former) == before
    assert command.roll_back(former) is None  # and the installations of the former version
    assert command.roll_back(former) is None
    assert set(files(former)) == set(OWN_FILES)


def test_a_failure_half_way_leaves_the_former_layout_with_its_modes(former: Path) -> None:
    (former / "src/migration/check_scan.py").chmod(0o755)
    (former / "scripts").mkdir()
    (former / "scripts/check_direct_calls.py").write_text("# former\n")
    before = files(former)
    changes = [*plan.plan(former).changes, Change(path="README.md/in_a_file.py", before=None, after=b"x")]
    with pytest.raises(Refused, match="taken back"):
        apply.apply(former, changes)
    assert files(former) == before


def test_the_checks_modules_are_all_packaged() -> None:
    packaged = {path for path, _ in plan._packaged_files()}
    assert {path.relative_to(ROOT).as_posix() for path in (ROOT / "src/migration/check").rglob("*.py")} < packaged
    for package in old_files.PACKAGES:
        assert f"{package}/__init__.py" in packaged
