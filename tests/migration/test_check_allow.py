"""Allowances: which speak for what, and which are themselves wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from src.migration.check.command import check
from src.migration.check.config import BadConfig, Config, find_config, matches, read_config

if TYPE_CHECKING:
    from pathlib import Path

    from src.migration.check.records import Report


def run(folder: Path, files: dict[str, str], config: str = "") -> Report:
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    (folder / "pyproject.toml").write_text(f"[tool.check_direct_calls]\n{config}", encoding="utf-8")
    return check([folder], find_config(folder))


def seen(report: Report) -> list[tuple[str, int, str]]:
    return [(finding.path, finding.line, finding.rule) for finding in report.findings]


@pytest.mark.parametrize(
    "source",
    [
        "import openai  # direct-call: allow (speech)",
        "# direct-call: allow (speech)\nimport openai",
        "import openai  # noqa: F401 # direct-call: allow (speech, see (b))",
        "import openai  #direct-call:allow(speech)",
        "r = x.audio.speech.create(\n    model='m',  # direct-call: allow (speech)\n)",
        "# direct-call: allow (speech)\nr = x.audio.speech.create(\n    model='m',\n)",
        "def f(x):\n    # direct-call: allow (speech)\n    return x.audio.speech.create()",
        "with x.audio.speech.with_streaming_response.create() as r:  # direct-call: allow (speech)\n    pass",
        "import openai; import anthropic  # direct-call: allow (both)",
        "@deco(x.chat.completions.create)  # direct-call: allow (it is)\ndef f():\n    pass",
    ],
)
def test_a_comment_with_a_reason_allows_its_statement(tmp_path: Path, source: str) -> None:
    report = run(tmp_path, {"a.py": source})
    assert seen(report) == []
    assert report.allowed


def test_a_comment_that_a_package_is_only_asked_for_is_believed_while_that_is_true(tmp_path: Path) -> None:
    asks = (
        "try:\n    # direct-call: allow (asks whether the package is installed)\n    import openai\n"
        "except ImportError:\n    openai = None\nHAS = openai is not None\n"
    )
    report = run(tmp_path, {"asks.py": asks, "uses.py": f"{asks}\n\ndef make():\n    return openai.OpenAI()\n"})
    assert seen(report) == [("uses.py", 3, "sdk-import")]
    assert [finding.path for finding, _ in report.allowed] == ["asks.py"]


@pytest.mark.parametrize(
    "source",
    [
        "x = 1  # direct-call: allow (speech)\nimport openai",
        "import openai\n# direct-call: allow (speech)",
        "# direct-call: allow (speech)\n\nimport openai",
        "# direct-call: allow (speech)\n# more words\nimport openai",
        "with a:  # direct-call: allow (speech)\n    import openai",
        "def f():  # direct-call: allow (speech)\n    import openai",
    ],
)
def test_a_comment_elsewhere_allows_nothing(tmp_path: Path, source: str) -> None:
    assert {rule for _, _, rule in seen(run(tmp_path, {"a.py": source}))} == {"sdk-import", "unused-allow"}


@pytest.mark.parametrize("comment", ["allow", "allow ()", "allow (  )", "allow speech", "deny (x)", "", "allow (open"])
def test_a_comment_without_a_reason_is_wrong_and_allows_nothing(tmp_path: Path, comment: str) -> None:
    report = run(tmp_path, {"a.py": f"import openai  # direct-call: {comment}"})
    assert {finding.rule for finding in report.findings} == {"allow-without-reason", "sdk-import"}


def test_a_text_that_looks_like_a_comment_is_none(tmp_path: Path) -> None:
    report = run(tmp_path, {"a.py": 's = "# direct-call: allow (x)"; import openai'})
    assert seen(report) == [("a.py", 1, "sdk-import")]


def test_an_unused_comment_is_wrong(tmp_path: Path) -> None:
    assert seen(run(tmp_path, {"a.py": "import os  # direct-call: allow (x)"})) == [("a.py", 1, "unused-allow")]


def test_a_configured_path_allows_what_is_in_it(tmp_path: Path) -> None:
    files = {"src/models/adapters/a.py": "import openai", "src/agents/b.py": "import openai"}
    report = run(tmp_path, files, 'allow = [{path = "src/models/adapters/*.py", reason = "the adapters"}]')
    assert seen(report) == [("src/agents/b.py", 1, "sdk-import")]
    assert [reason for _, reason in report.allowed] == ["the adapters"]


def test_a_configured_path_may_name_rules(tmp_path: Path) -> None:
    source = "import openai\nopenai.chat.completions.create()"
    report = run(tmp_path, {"a.py": source}, 'allow = [{path = "a.py", reason = "r", rules = ["sdk-import"]}]')
    assert seen(report) == [("a.py", 2, "sdk-call")]


def test_a_configured_path_without_a_reason_is_wrong_and_allows_nothing(tmp_path: Path) -> None:
    report = run(tmp_path, {"a.py": "import openai"}, 'allow = [\n  {path = "a.py"},\n]')
    assert seen(report) == [("a.py", 1, "sdk-import"), ("pyproject.toml", 3, "allow-without-reason")]


def test_a_configured_path_that_allows_nothing_is_wrong(tmp_path: Path) -> None:
    report = run(tmp_path, {"a.py": "import os"}, 'allow = [{path = "a.py", reason = "r"}]')
    assert seen(report) == [("pyproject.toml", 2, "unused-allow")]


def test_an_unused_path_is_not_reported_when_only_some_files_were_read(tmp_path: Path) -> None:
    run(tmp_path, {"a.py": "import os", "b/c.py": ""}, 'allow = [{path = "a.py", reason = "r"}]')
    config = find_config(tmp_path)
    assert check([tmp_path / "a.py"], config).findings == []
    assert check([tmp_path / "b"], config).findings == []


def test_excluded_files_are_left_out(tmp_path: Path) -> None:
    files = {"old/a.py": "import openai", "b.py": "import openai", ".venv/c.py": "import openai"}
    assert seen(run(tmp_path, files, 'exclude = ["old/"]')) == [("b.py", 1, "sdk-import")]
    assert check([tmp_path / "old" / "a.py"], find_config(tmp_path)).findings == []


def test_what_cannot_be_read_cannot_be_allowed(tmp_path: Path) -> None:
    config = 'allow = [{path = "a.py", reason = "r"}]'
    assert ("a.py", 1, "unparseable") in seen(run(tmp_path, {"a.py": "import openai ("}, config))


def test_a_constant_of_another_module_is_followed(tmp_path: Path) -> None:
    files = {
        "src/config.py": "LLM = 'https://api.openai.com/v1'\nOTHER = 'https://a.b'\nSDK = 'openai'",
        "src/a.py": "import requests\nfrom src.config import LLM\nrequests.post(f'{LLM}/chat/completions')",
        "src/b.py": "import requests\nfrom src import config\nrequests.post(config.LLM)\nrequests.post(config.OTHER)",
        "src/c.py": "import requests\nfrom .config import LLM as url\nrequests.post(url)",
        "src/d.py": "import importlib\nfrom src.config import SDK\nimportlib.import_module(SDK)",
        "src/e.py": "import requests\nfrom elsewhere import LLM\nrequests.post(LLM)",
    }
    assert seen(run(tmp_path, files)) == [
        ("src/a.py", 3, "provider-url"),
        ("src/b.py", 3, "provider-url"),
        ("src/c.py", 3, "provider-url"),
        ("src/d.py", 3, "dynamic-import"),
    ]


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("src/*.py", "src/a.py", True),
        ("src/*.py", "src/b/a.py", False),
        ("src/**/*.py", "src/a.py", True),
        ("src/**/*.py", "src/b/c/a.py", True),
        ("src", "src/b/a.py", True),
        ("src/", "src2/a.py", False),
        ("./a.py", "a.py", True),
        ("**/a.py", "a.py", True),
        ("a?.py", "ab.py", True),
        ("a.py", "aXpy", False),
        ("[", "[", True),
    ],
)
def test_patterns(pattern: str, path: str, expected: bool) -> None:
    assert matches(pattern, path) is expected


@pytest.mark.parametrize(
    "text",
    ["nonsense = 1", "allow = 1", "allow = ['a']", "allow = [{reason = 'x'}]", "allow = [{path = 'a', why = 'x'}]",
     "allow = [{path = 'a', reason = 1}]", "exclude = 'a'", "exclude = [1]", "hosts = ['']", "= 1"],
)  # fmt: skip
def test_refuses_a_configuration_that_cannot_be_meant(tmp_path: Path, text: str) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text(f"[tool.check_direct_calls]\n{text}", encoding="utf-8")
    with pytest.raises(BadConfig, match=r"pyproject\.toml"):
        read_config(file)


def test_passes_a_file_without_the_table_by(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text("[tool.check_direct_calls]\nexclude = ['x']", encoding="utf-8")
    (inner / "pyproject.toml").write_text("[project]\nname = 'n'", encoding="utf-8")
    assert find_config(inner) == Config(tmp_path.resolve(), "pyproject.toml", exclude=("x",))
