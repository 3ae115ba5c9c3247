"""What the installer writes into hooks, and that its requirements are whole."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from pathlib import Path

import pytest

from src.migration.install import merge_texts, plan

ROOT = Path(__file__).resolve().parents[2]

# A line of a docstring that looks like one would name a package that is not there, and fail; parsing takes seconds.
IMPORT = re.compile(r"^ *(?:from (\w[\w.]*) import |import (\w[^#\n]*))", re.MULTILINE)
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
    optional = {
        "xllamacpp",
        "requests",
        "httpx2",
        "google-generativeai",
        "numpy",
        "pyarrow",
    }  # each says so itself where it is not there
    assert "certifi" in (importlib.metadata.requires("httpx") or ())
    required.add("certifi")  # with httpx, and imported where google-genai has imported it
    importers: dict[str, str] = {}
    for file in [*(ROOT / "src/models").rglob("*.py"), *(ROOT / "src/observability").rglob("*.py")]:
        for first, others in IMPORT.findall(file.read_text("utf-8")):
            names = [first] if first else re.split(r", *", others)
            importers |= {re.split(r"\W", name)[0]: file.name for name in names}
    assert {"httpx2", "pydantic", "opentelemetry"} <= importers.keys()
    for name in importers.keys() - set(sys.stdlib_module_names) - {"src"}:
        packages = {re.sub(r"[-_.]+", "-", owner).lower() for owner in owners.get(name, [name])}
        assert packages & (required | optional), f"{importers[name]} imports {name}"


def test_nothing_is_put_in_that_the_packages_do_not_import() -> None:
    """A requirement too many would move pins of the owner's for nothing."""
    modules = importlib.metadata.packages_distributions()
    sources = [*(ROOT / "src/models").rglob("*.py"), *(ROOT / "src/observability").rglob("*.py")]
    text = b"\n".join(file.read_bytes() for file in sources).decode()
    indirect = {"opentelemetry-proto", "pydantic-core"}  # imported by parts of their names, or read with another's
    for line in plan.requirements():
        name = re.split(r"[\s;<>=\[]", line)[0].lower()
        own = [
            module
            for module, owners in modules.items()
            if name in {re.sub("[-_.]+", "-", owner).lower() for owner in owners}
        ]
        assert name in indirect or any(re.search(rf"\b{module}\b", text) for module in own), (
            f"{name} is needed by nobody"
        )
