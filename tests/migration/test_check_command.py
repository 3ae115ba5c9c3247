"""The command: exit codes, formats, cache, many files."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from src.migration.check import cache as check_cache
from src.migration.check.cache import Cache, digest
from src.migration.check.command import check, main
from src.migration.check.config import Config, find_config
from src.migration.check.records import RULES, Allow, Facts, Pending, Site, from_json
from src.migration.check.vocabulary.words import Vocabulary

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "check_direct_calls.py"
BAD = """import requests
requests.post(
    "https://api.openai.com/v1/50%,:",
)
import openai  # direct-call: allow (speech)
"""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user-cache"))
    (tmp_path / "pyproject.toml").write_text("[tool.check_direct_calls]\n", encoding="utf-8")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "bad.py").write_text(BAD, encoding="utf-8")
    (tmp_path / "src" / "good.py").write_text("import os\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    out, err = capfd.readouterr()
    return code, out, err


def test_exit_codes(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(capfd, "src/good.py")[0] == 0
    assert run(capfd, "src")[0] == 1
    code, out, err = run(capfd, "nowhere")
    assert (code, out) == (2, "")
    assert "nowhere" in err
    (tree / "pyproject.toml").write_text("[tool.check_direct_calls]\nallow = 1", encoding="utf-8")
    assert run(capfd, "src")[0] == 2
    with pytest.raises(SystemExit) as caught:
        main(["--format", "xml"])
    assert caught.value.code == 2


def test_text_shows_place_line_and_fix(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capfd, "src")
    first, line, fix, summary = out.splitlines()
    assert first.startswith("src/bad.py:2:1: provider-url: ")
    assert line.strip() == "requests.post("
    assert 'ModelFactory.get_model("openai", model)' in fix
    assert summary == "1 found in 1 of 2 files; 1 allowed."


def test_json(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    value = json.loads(run(capfd, "src", "--format", "json")[1])
    assert value["version"] == 1
    assert [(entry["file"], entry["line"], entry["rule"]) for entry in value["findings"]] == [
        ("src/bad.py", 2, "provider-url")
    ]
    assert value["allowed"][0]["reason"] == "speech"
    assert value["summary"] == {"files": 2, "found": 1, "allowed": 1, "rules": {"provider-url": 1}}


def test_github_annotations_escape_what_would_end_them(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (line,) = run(capfd, "src", "--format", "github")[1].splitlines()
    assert line.startswith("::error file=src/bad.py,line=2,col=1,title=direct call%3A provider-url::")
    assert "50%25" in line


def test_sarif_has_what_the_format_requires(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    log: dict[str, Any] = json.loads(run(capfd, "src", "--format", "sarif")[1])
    assert log["version"] == "2.1.0"
    (only,) = log["runs"]
    driver = only["tool"]["driver"]
    assert driver["name"]
    assert [rule["id"] for rule in driver["rules"]] == list(RULES)
    assert all(rule["shortDescription"]["text"] for rule in driver["rules"])
    finding, allowed = only["results"]
    for result in (finding, allowed):
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] == "error"
        assert result["message"]["text"]
        (location,) = result["locations"]
        assert location["physicalLocation"]["artifactLocation"]["uri"] == "src/bad.py"
        assert location["physicalLocation"]["region"]["startLine"] >= 1
        assert location["physicalLocation"]["region"]["startColumn"] >= 1
        assert len(result["partialFingerprints"]["directCall/v1"]) == 32
    assert allowed["suppressions"] == [{"kind": "inSource", "justification": "speech"}]
    assert "suppressions" not in finding


def test_output_goes_to_a_file(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(capfd, "src", "--format", "sarif", "--output", "report.sarif")[1] == ""
    assert json.loads((tree / "report.sarif").read_text(encoding="utf-8"))["runs"]


def test_a_report_that_cannot_be_written_is_an_error(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capfd, "src", "--output", "nowhere/report.json")
    assert code == 2
    assert "cannot be written" in err


def test_a_reader_may_stop_early(tree: Path) -> None:
    (tree / "src" / "many.py").write_text("import openai\n" * 20_000, encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, str(SCRIPT), "src"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.readline()
        running.stdout.close()
        assert running.stderr.read() == b""
        assert running.wait() == 1


def test_statistics_stay_out_of_the_report(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    _, out, err = run(capfd, "src", "--format", "json", "--stats")
    assert json.loads(out)
    assert "1 parsed, 0 from the cache, 1 without" in err
    assert "speech" in err
    assert "0 parsed, 1 from the cache, 1 without" in run(capfd, "src", "--stats")[2]
    assert "1 parsed, 0 from the cache, 1 without" in run(capfd, "src", "--stats", "--no-cache")[2]


def test_the_script_runs_by_itself_anywhere(tree: Path) -> None:
    command = [sys.executable, "-I", "-S", str(SCRIPT), "--no-cache", "src"]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert "src/bad.py:2:1" in done.stdout


def test_uses_the_standard_library_alone(tree: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import src.migration.check.command\n"
        "own = {name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names)\n"
        "assert not {n for n in own if not n.startswith('_')} - {'src'}, own\n"
        "ours = {n for n in sys.modules if n.startswith('src')}\n"
        "assert all(n in {'src', 'src.migration'} or n.startswith('src.migration.check') for n in ours), ours"
    )
    subprocess.run([sys.executable, "-I", "-S", "-c", code, str(ROOT)], cwd=tree, check=True)


def test_a_changed_file_is_read_again(tree: Path) -> None:
    config, cache = find_config(tree), tree / "cache"
    first = check([tree], config, cache)
    assert (first.parsed, first.cached) == (1, 0)
    second = check([tree], config, cache)
    assert (second.parsed, second.cached) == (0, 1)
    assert second.findings == first.findings
    (tree / "src" / "bad.py").write_text("\n" + BAD, encoding="utf-8")
    third = check([tree], config, cache)
    assert (third.parsed, third.cached) == (1, 0)
    assert [finding.line for finding in third.findings] == [3]


def test_the_cache_knows_content_and_not_paths(tree: Path) -> None:
    config, cache = find_config(tree), tree / "cache"
    check([tree], config, cache)
    (tree / "src" / "copy.py").write_text(BAD, encoding="utf-8")
    report = check([tree], config, cache)
    assert report.cached == 2
    assert [finding.path for finding in report.findings] == ["src/bad.py", "src/copy.py"]


def test_allowances_are_judged_anew_with_a_cache(tree: Path) -> None:
    cache = tree / "cache"
    assert check([tree], find_config(tree), cache).findings
    text = '[tool.check_direct_calls]\nallow = [{path = "src/bad.py", reason = "r"}]'
    (tree / "pyproject.toml").write_text(text, encoding="utf-8")
    report = check([tree], find_config(tree), cache)
    assert (report.cached, report.findings) == (1, [])


def test_other_names_make_another_cache(tree: Path) -> None:
    check([tree], find_config(tree), tree / "cache")
    (tree / "pyproject.toml").write_text('[tool.check_direct_calls]\nmodules = ["os"]', encoding="utf-8")
    assert len(check([tree], find_config(tree), tree / "cache").findings) == 2


def test_another_version_of_the_check_makes_another_cache(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check([tree], find_config(tree), tree / "cache")
    monkeypatch.setattr(check_cache, "_own_digest", lambda: b"changed")
    assert check([tree], find_config(tree), tree / "cache").cached == 0


def test_a_change_in_any_folder_of_the_source_makes_another_cache(tmp_path: Path) -> None:
    own = Path(check_cache.__file__).parent
    shutil.copytree(own, tmp_path / "check", ignore=shutil.ignore_patterns("__pycache__"))
    files = sorted((tmp_path / "check").rglob("*.py"))
    assert {"check", "evaluate", "report", "vocabulary"} <= {file.parent.name for file in files}
    digests = {check_cache.source_digest(own), check_cache.source_digest(tmp_path / "check")}
    assert len(digests) == 1
    for file in files:
        with file.open("a", encoding="utf-8") as stream:
            stream.write("# changed\n")
        digests.add(check_cache.source_digest(tmp_path / "check"))
    (tmp_path / "check/evaluate/more.py").write_text("", encoding="utf-8")
    digests.add(check_cache.source_digest(tmp_path / "check"))
    assert len(digests) == len(files) + 2


def test_nothing_is_cached_where_the_source_cannot_be_read(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_cache.source_digest(tree / "nowhere") is None
    monkeypatch.setattr(check_cache, "_own_digest", lambda: None)
    for _ in range(2):
        assert check([tree], find_config(tree), tree / "cache").cached == 0
    assert not (tree / "cache").exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"%s": 3}', b'{"%s": [[["x"]], [], [], []]}'])
def test_a_broken_cache_is_no_cache(tree: Path, content: bytes) -> None:
    config, folder = find_config(tree), tree / "cache"
    expected = check([tree], config, folder).findings
    (file,) = folder.iterdir()
    file.write_bytes(content.replace(b"%s", digest(BAD.encode()).encode()))
    again = check([tree], config, folder)
    assert (again.findings, again.parsed) == (expected, 1)
    assert check([tree], config, folder).cached == 1


def test_a_cache_that_cannot_be_written_is_no_error(tree: Path) -> None:
    (tree / "file").write_text("", encoding="utf-8")
    assert check([tree], find_config(tree), tree / "file" / "cache").findings


def test_facts_survive_the_cache() -> None:
    site = Site(rule="sdk-import", line=1, column=2, first=1, last=3, provider="openai", what="w", text="t")
    facts = Facts(
        sites=(site,),
        allows=(Allow(line=1, column=2, alone=True, reason="r", text="t"),),
        exports=(("A", "b"),),
        pending=(Pending(module="m", name="n", before="", rest="", site=site),),
    )
    assert from_json(json.loads(json.dumps(facts.to_json()))) == facts
    assert from_json(Facts().to_json()) == Facts()
    assert Cache(None, Vocabulary()).get("x") is None


def test_many_files_in_many_processes_give_the_same(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(300):
        (tree / "src" / f"f{number:03}.py").write_text(f"x = {number}\nimport openai\n", encoding="utf-8")
    config = find_config(tree)
    alone = check([tree], config, jobs=1)
    together = check([tree], config, jobs=2)
    assert together.findings == alone.findings
    assert len(together.findings) == 301

    def no_pool(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(multiprocessing, "Pool", no_pool)
    assert check([tree], config, jobs=2).findings == alone.findings


def test_a_file_that_cannot_be_opened_is_reported(tmp_path: Path) -> None:
    (tmp_path / "a.py").symlink_to(tmp_path / "nowhere.py")
    (finding,) = check([tmp_path], Config(tmp_path)).findings
    assert (finding.path, finding.rule) == ("a.py", "unparseable")


def test_the_pre_commit_entry_names_a_script_that_can_be_run() -> None:
    entry = (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
    assert "entry: scripts/check_direct_calls.py" in entry
    assert SCRIPT.stat().st_mode & 0o111
    assert SCRIPT.read_text(encoding="utf-8").startswith("#!/usr/bin/env python3")
