"""Requirements come into the ranges that are needed, nothing else moves, and a conflict is not written."""

from __future__ import annotations

import re
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from scripts import requirement_ranges
from src.migration.install import plan, requirement_files, resolver
from src.migration.install.requirement_lines import Need
from src.migration.install.resolver import Status

if TYPE_CHECKING:
    from pathlib import Path

REQUIRED = ("anthropic >=2.12,<3", "tenacity >=9.1,<9.2", "hyperscan >=0.9; sys_platform != 'win32'")
NEEDS = (
    Need(package="anyio", needer="httpx2", spec=">=4.10"),
    Need(package="anyio", needer="openai", spec="<5,>=4.8.0"),
    Need(package="pydantic-core", needer="pydantic", spec="==2.50.4"),
    Need(package="httpcore", needer="httpx", spec="==1.*"),
    Need(package="mdurl", needer="markdown-it-py", spec="~=0.1"),
    Need(package="proto", needer="otel", spec="~=1.45.2"),
    Need(package="tenacity", needer="google-genai", spec=">=8.2.3,<9.2.0"),
)


def merged(text: str, **others: str) -> str:
    files = {"requirements.txt": text, **{f"{name}.txt": other for name, other in others.items()}}
    outcome = requirement_files.merge(files, REQUIRED, NEEDS)
    assert outcome is not None
    after = {name: outcome[name].text if name in outcome else before for name, before in files.items()}
    assert requirement_files.merge(after, REQUIRED, NEEDS) == {}
    return outcome["requirements.txt"].text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("anthropic==2.13.1\n", "anthropic==2.13.1"),
        ("anthropic==0.40.0\n", "anthropic>=2.12,<3"),
        ("anthropic==3.0\n", "anthropic>=2.12,<3"),
        ("Anthropic[bedrock] == 0.40  # why\n", "Anthropic[bedrock]>=2.12,<3 # why"),
        ("anthropic\n", "anthropic>=2.12,<3"),
        ("anthropic>=0.3\n", "anthropic>=2.12,<3,>=0.3"),
        ("anthropic~=0.3\n", "anthropic>=2.12,<3"),
        ("anthropic>=2.12,<3\n", "anthropic>=2.12,<3"),
        ("anthropic==0.4; python_version < '3.12'\n", "anthropic>=2.12,<3 ; python_version < '3.12'"),
        ("anthropic @ file:///tmp/x\n", "anthropic @ file:///tmp/x"),
    ],
)
def test_requirements_come_into_range_and_nothing_else_moves(before: str, after: str) -> None:
    lines = merged(f"-r base.txt\n# pins\n{before}numpy==1.26.2\ntenacity==9.1.2\n").splitlines()
    assert lines[:2] == ["-r base.txt", "# pins"]
    assert lines[2] == after
    assert lines[3:5] == ["numpy==1.26.2", "tenacity==9.1.2"]
    assert lines[-1] == REQUIRED[2]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("anyio==3.7.1", "anyio>=4.10,<5"),
        ("anyio==5.0", "anyio>=4.10,<5"),
        ("anyio<4", "anyio>=4.10,<5"),
        ("anyio<=4.9.9 ; python_version > '3'", "anyio>=4.10,<5 ; python_version > '3'"),
        ("anyio>=5.1", "anyio>=4.10,<5"),
        ("anyio==4.10.0", "anyio==4.10.0"),
        ("anyio<=4.10", "anyio<=4.10"),
        ("anyio<4.10", "anyio>=4.10,<5"),
        ("anyio>4,<6,!=4.11", "anyio>4,<6,!=4.11"),
        ("anyio", "anyio"),
        ("anyio @ https://example.test/anyio.whl", "anyio @ https://example.test/anyio.whl"),
        ("pydantic_core==2.41.3", "pydantic_core"),
        ("pydantic-core==2.50.4", "pydantic-core==2.50.4"),
        ("pydantic_core==2.41.3\npydantic==2.14.1", "pydantic_core==2.41.3\npydantic==2.14.1"),
        ("httpcore==0.18", "httpcore>=1,<2"),
        ("httpcore==1.0.7", "httpcore==1.0.7"),
        ("mdurl==1.0", "mdurl>=0.1,<1"),
        ("proto==1.45.9", "proto==1.45.9"),
        ("proto==1.46", "proto>=1.45.2,<1.46"),
        ("proto===1.45.1", "proto>=1.45.2,<1.46"),
        ("numpy==1.26.2", "numpy==1.26.2"),
    ],
)
def test_pins_of_what_those_packages_need_come_into_range(before: str, after: str) -> None:
    assert merged(f"{before}\n").startswith(f"{after}\n\n# ---")


def test_a_pin_that_follows_one_that_moves_is_lifted() -> None:
    text = "pydantic==2.12.1\npydantic_core==2.41.3\n"
    outcome = requirement_files.merge({"requirements.txt": text}, ("pydantic >=2.14,<3",), NEEDS)
    assert outcome is not None
    assert outcome["requirements.txt"].text == "pydantic>=2.14,<3\npydantic_core\n"


def test_files_that_are_included_are_read_and_moved(tmp_path: Path) -> None:
    texts = {"requirements.txt": "-r deep/base.txt\n-c limits.txt\n-r https://example.test/x.txt\n-r ../out.txt\n",
             "deep/base.txt": "-r ../requirements.txt\nanthropic==0.40\n", "limits.txt": "anyio==3.7.1\n"}  # fmt: skip
    read = requirement_files.included(lambda path: texts[path], "requirements.txt")
    assert read == texts
    outcome = requirement_files.merge(read, REQUIRED, NEEDS)
    assert outcome is not None
    assert outcome["deep/base.txt"].text == "-r ../requirements.txt\nanthropic>=2.12,<3\n"
    assert outcome["limits.txt"].text == "anyio>=4.10,<5\n"
    assert outcome["limits.txt"].notes == ("anyio==3.7.1 becomes anyio>=4.10,<5, for httpx2, openai",)
    assert outcome["requirements.txt"].notes == ("added tenacity, hyperscan",)


def test_lines_with_hashes_are_left_to_a_person_until_they_are_right() -> None:
    hashed = " \\\n    --hash=sha256:00\n"
    assert requirement_files.merge({"requirements.txt": f"anthropic==2.12{hashed}"}, REQUIRED, NEEDS) is None
    right = f"anthropic==2.12{hashed}tenacity==9.1{hashed}hyperscan==1.0{hashed}"
    assert requirement_files.merge({"requirements.txt": right}, REQUIRED, NEEDS) == {}
    assert requirement_files.merge({"requirements.txt": f"{right}anyio==3.7{hashed}"}, REQUIRED, NEEDS) is None


def test_dependencies_of_a_project_are_named_until_they_are_there(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    project = tmp_path / "pyproject.toml"
    project.write_text('[project]\ndependencies = ["openai==1.0", "idna==3.10"]\n')
    advice = [line for line in plan.plan(tmp_path).by_hand if "pyproject.toml" in line]
    assert re.match(r"dependencies of pyproject.toml: openai==1.0 becomes openai>=3", advice[0])
    assert "idna==3.10 becomes idna>=3.18,<4, for httpx2" in advice[1]
    assert "added anthropic" in advice[-1]
    names = ", ".join(f'"{line}"' for line in plan.requirements())
    project.write_text(f"[project]\ndependencies = [{names}]\n")
    assert plan.plan(tmp_path).by_hand == []


def test_the_known_ranges_are_those_of_the_locked_versions() -> None:
    assert requirement_ranges.TARGET.read_text("utf-8") == requirement_ranges.ranges()


# With an index of tiny wheels.


def wheel(folder: Path, name: str, version: str, *requires: str) -> None:
    stem = f"{name.replace('-', '_')}-{version}"
    metadata = "".join(f"Requires-Dist: {line}\n" for line in requires)
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as archive:
        archive.writestr(
            f"{stem}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{metadata}"
        )
        archive.writestr(f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{stem}.dist-info/RECORD", "")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that is the only index there is, with every required package in it."""
    folder = tmp_path / "index"
    folder.mkdir()
    for line in plan.requirements():
        name, version = re.match(r"([\w-]+)[^\d;]*([\d.]*)", line).groups()  # type: ignore[union-attr] # it matches
        wheel(folder, name, version or "2.50.4")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    for name in ("UV_INDEX", "UV_DEFAULT_INDEX", "UV_FIND_LINKS", "UV_CONFIG_FILE", "UV_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "desk"
    (root / "src").mkdir(parents=True)
    (root / "requirements.txt").write_text("openai==2.6.1\nrouter==1.0\n")
    return root


def test_requirements_that_can_be_installed_are_written(checkout: Path, index: Path) -> None:
    wheel(index, "router", "1.0", "openai>=3")
    installation = plan.plan(checkout, resolves=True)
    assert any(note.startswith("requirements.txt: can be installed, says uv") for note in installation.notes)
    assert any(change.path == "requirements.txt" for change in installation.changes)
    assert installation.by_hand == []


def test_a_conflict_is_named_and_nothing_is_written_until_it_is_solved(checkout: Path, index: Path) -> None:
    wheel(index, "router", "1.0", "openai<3")
    wheel(index, "router", "2.0", "openai<4")
    wheel(index, "openai", "2.6.1")
    installation = plan.plan(checkout, resolves=True)
    assert not any(change.path == "requirements.txt" for change in installation.changes)
    conflict, needed = installation.by_hand
    assert conflict.startswith("requirements.txt cannot be installed with what is needed: ")
    assert "router" in conflict
    assert "openai==2.6.1 becomes openai>=3.54,<4" in needed
    (checkout / "requirements.txt").write_text("openai==2.6.1\nrouter==2.0\n")
    installation = plan.plan(checkout, resolves=True)
    assert installation.by_hand == []
    assert any(change.path == "requirements.txt" for change in installation.changes)


def test_a_conflict_that_was_there_before_is_no_reason_to_stop(checkout: Path, index: Path) -> None:
    (checkout / "requirements.txt").write_text("openai==2.6.1\nrouter==1.0\nlinks==2.0\n")
    wheel(index, "router", "1.0", "links<2")
    wheel(index, "links", "2.0")
    wheel(index, "openai", "2.6.1")
    installation = plan.plan(checkout, resolves=True)
    assert installation.by_hand == []
    assert any("without router, which could not be before, says uv" in note for note in installation.notes)
    assert any(change.path == "requirements.txt" for change in installation.changes)


def test_a_conflict_shows_behind_what_could_not_be_installed_before(checkout: Path, index: Path) -> None:
    (checkout / "requirements.txt").write_text("openai==2.6.1\nnowhere==1.0\nrouter==1.0\nagency==3.0\n")
    for name, version in (("router", "1.0"), ("agency", "3.0")):
        wheel(index, name, version, "openai<3")
    wheel(index, "openai", "2.6.1")
    installation = plan.plan(checkout, resolves=True)
    conflicts = [advice for advice in installation.by_hand if "cannot be installed" in advice]
    assert len(conflicts) == 2
    assert {name for name in ("router", "agency") if any(name in line for line in conflicts)} == {"router", "agency"}
    assert all("without nowhere, which could not be before: " in line for line in conflicts)


def test_without_an_index_what_is_known_is_written_and_said(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    installation = plan.plan(checkout, resolves=True)
    assert any("it is not known whether it can be installed (" in note for note in installation.notes)
    assert any(change.path == "requirements.txt" for change in installation.changes)
    assert installation.by_hand == []


def test_what_no_index_knows_is_left_out(checkout: Path, index: Path) -> None:
    installation = plan.plan(checkout, resolves=True)
    assert any("without router, which could not be before, says uv" in note for note in installation.notes)
    assert any(change.path == "requirements.txt" for change in installation.changes)


@pytest.mark.parametrize("has_uv", [True, False])
def test_both_tools_see_a_conflict(has_uv: bool, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not has_uv:
        monkeypatch.setattr("shutil.which", lambda _: None)
    wheel(index, "router", "1.0", "openai<3")
    texts = {
        "requirements.txt": "-r deep/base.txt\nopenai>=3\ngone @ file:///no/such/folder\n",
        "deep/base.txt": "router==1.0\n",
    }
    outcome = resolver.resolve(tmp_path, texts)
    assert (outcome.status, outcome.tool) == (Status.CONFLICT, "uv" if has_uv else "pip")
    assert outcome.left_out == ("gone @ file:///no/such/folder",)
    assert "router" in outcome.reason
    assert str(tmp_path) not in outcome.reason
    wheel(index, "router", "1.1")
    assert resolver.resolve(tmp_path, texts | {"deep/base.txt": "router\n"}).status is Status.RESOLVED


def test_no_tool_and_no_answer_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {"requirements.txt": "openai\n"}
    monkeypatch.setattr(resolver, "_command", lambda: [sys.executable, "-c", "import time; time.sleep(9)"])
    assert "no answer within 0 s" in resolver.resolve(tmp_path, texts, timeout_s=0.1).reason
    monkeypatch.setattr(resolver, "_command", lambda: None)
    assert resolver.resolve(tmp_path, texts).reason == "neither uv nor pip is here"


def test_the_reason_holds_no_password() -> None:
    message = "WARNING: x\n  error: No solution found\n   cause: Because https://me:secret@index.test/simple has none\n"
    assert resolver._short(message) == "No solution found Because https://index.test/simple has none"
