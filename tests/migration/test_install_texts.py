"""What the installer writes into requirements and hooks."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
from pathlib import Path

import pytest

from src.migration.install import merge_texts, plan

ROOT = Path(__file__).resolve().parents[2]

REQUIRED = ("anthropic >=2.12,<3", "tenacity >=9.1,<9.2", "hyperscan >=0.9; sys_platform != 'win32'")


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
    merged = merge_texts.requirements(f"-r base.txt\n# pins\n{before}numpy==1.26.2\ntenacity==9.1.2\n", REQUIRED)
    assert merged is not None
    lines = merged.text.splitlines()
    assert lines[:2] == ["-r base.txt", "# pins"]
    assert lines[2] == after
    assert lines[3:5] == ["numpy==1.26.2", "tenacity==9.1.2"]
    assert lines[-1] == REQUIRED[2]
    again = merge_texts.requirements(merged.text, REQUIRED)
    assert again is not None
    assert again.text == merged.text


def test_requirements_with_hashes_are_left_to_a_person() -> None:
    assert merge_texts.requirements("x==1 \\\n    --hash=sha256:00\n", REQUIRED) is None


HOOKS = "repos:\n- repo: https://example.test/x\n  rev: v1\n  hooks:\n  - id: a  # keep\n"


@pytest.mark.parametrize(
    ("before", "starts"),
    [
        ("", "repos:\n"),
        ("# none yet\n", "# none yet\nrepos:\n"),
        (HOOKS, HOOKS),
        (f"{HOOKS}\nci:\n  skip: [a]\n", HOOKS),
    ],
)
def test_the_hook_joins_the_others(before: str, starts: str) -> None:
    yaml = pytest.importorskip("yaml")
    merged = merge_texts.hooks(before)
    assert merged is not None
    assert merged.text.startswith(starts)
    config = yaml.safe_load(merged.text)
    assert config["repos"][-1]["hooks"][0]["entry"] == "python scripts/check_direct_calls.py"
    assert set(config) == ({"repos", "ci"} if "ci:" in before else {"repos"})
    assert len(config["repos"]) == before.count("- repo:") + 1
    again = merge_texts.hooks(merged.text)
    assert again is not None
    assert again.text == merged.text


@pytest.mark.parametrize("before", ["repos: []\n", "{repos: [{repo: local}]}\n", "default_stages: [commit]\n"])
def test_hooks_of_another_form_are_left_to_a_person(before: str) -> None:
    assert merge_texts.hooks(before) is None


def test_what_is_put_in_names_all_that_it_needs() -> None:
    owners = importlib.metadata.packages_distributions()
    required = {re.split(r"[\s;<>=\[]", line)[0].lower() for line in plan.requirements()}
    optional = {"xllamacpp", "requests", "httpx2", "google-generativeai"}  # each says so itself where it is not there
    assert "certifi" in (importlib.metadata.requires("httpx") or ())
    required.add("certifi")  # with httpx, and imported where google-genai has imported it
    for file in [*(ROOT / "src/models").rglob("*.py"), *(ROOT / "src/observability").rglob("*.py")]:
        for node in ast.walk(ast.parse(file.read_bytes())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            for name in {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names) - {"src"}:
                packages = {re.sub(r"[-_.]+", "-", owner).lower() for owner in owners.get(name, [name])}
                assert packages & (required | optional), f"{file.name} imports {name}"
