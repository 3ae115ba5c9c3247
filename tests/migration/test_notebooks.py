"""Notebooks are checked and moved like files, and stay what they are outside the cells that change, byte for byte."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from src.migration.check import command as check_command
from src.migration.check import notebook
from src.migration.rewrite import command as migrate_command
from tests.commands import run_main

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

IMPORTS = "%pip install -q openai\nimport os\nfrom openai import OpenAI"
CLIENT = "client = OpenAI(api_key=os.getenv('OPENAI_KEY'))\n!ls -la\nfiles = !pwd"
ASK = (
    "reply = client.chat.completions.create(model='gpt-4o', messages=[{'role': 'user', 'content': 'hé?'}])\n"
    "print(reply.choices[0].message.content)"
)
ASYNC = (
    "from openai import AsyncOpenAI\n"
    "aclient = AsyncOpenAI(api_key=os.getenv('OPENAI_KEY'))\n"
    "reply = await aclient.chat.completions.create(model='gpt-4o', messages=[{'role': 'user', 'content': 'q'}])\n"
    "print(reply.choices[0].message.content)"
)


def book(*sources: str, language: str = "python", **layout: Any) -> str:
    """Return a notebook of code cells, after a cell of text, with outputs."""
    cells: list[dict[str, Any]] = [{"cell_type": "markdown", "metadata": {}, "source": ["# Signals\n", "openai"]}]
    cells += [
        {"cell_type": "code", "execution_count": number, "id": f"c{number}", "metadata": {"tags": ["x"]},
         "outputs": [{"name": "stdout", "output_type": "stream", "text": ["source: \u00e9\n", '"source": []']}],
         "source": source.splitlines(keepends=True)}
        for number, source in enumerate(sources, 1)
    ]  # fmt: skip
    metadata = {"kernelspec": {"display_name": "P", "language": language, "name": "p"}}
    body = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(body, **{"indent": 1, "ensure_ascii": False, **layout}) + "\n"


def migrate(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return run_main(migrate_command.main, "--jobs", "1", folder, *words)


def check(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return run_main(check_command.main, "--no-cache", "--jobs", "1", folder, *words)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "src" / "models").mkdir(parents=True)
    (tmp_path / "notebooks").mkdir()
    return tmp_path


def write(checkout: Path, text: str) -> Path:
    file = checkout / "notebooks" / "signals.ipynb"
    file.write_bytes(text.encode())
    return file


def sources(file: Path) -> list[str]:
    cells = json.loads(file.read_bytes())["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def without_sources(text: bytes) -> list[Any]:
    body = json.loads(text)
    for cell in body["cells"]:
        if cell["cell_type"] == "code":
            cell["source"] = []
    return [body, [line for line in text.decode().splitlines() if "output" in line or "text" in line or "tags" in line]]


def test_a_direct_call_is_addressed_by_its_cell(checkout: Path) -> None:
    write(checkout, book(IMPORTS, CLIENT, "%%bash\nopenai api", ASK))
    done = check(checkout)
    assert done.returncode == 1
    assert "signals.ipynb:cell 2:3:1: sdk-import" in done.stdout
    assert "signals.ipynb:cell 5:1:9: sdk-call" in done.stdout
    findings = json.loads(check(checkout, "--format", "json").stdout)["findings"]
    assert [(finding["cell"], finding["line"]) for finding in findings] == [(2, 3), (5, 1)]
    assert ",line=1,col=9," in check(checkout, "--format", "github").stdout
    sarif = json.loads(check(checkout, "--format", "sarif").stdout)
    assert sarif["runs"][0]["results"][1]["message"]["text"].startswith("cell 5: ")


def test_a_comment_allows_a_call_in_its_cell_alone(checkout: Path) -> None:
    comment = "  # direct-call: allow (a demonstration)"
    write(checkout, book(IMPORTS + comment, CLIENT, "# direct-call: allow (a demonstration)\n" + ASK))
    assert check(checkout).returncode == 0
    write(checkout, book(IMPORTS + comment, CLIENT + "\n# direct-call: allow (a demonstration)", ASK))
    assert "unused-allow" in check(checkout).stdout


def test_cells_are_moved_and_the_rest_stays(checkout: Path) -> None:
    file = write(checkout, book(IMPORTS, CLIENT, "%%bash\necho openai", ASK, ASYNC, "reply?\n%matplotlib inline"))
    before = file.read_bytes()
    assert migrate(checkout, "--write").returncode == 10
    after = sources(file)
    assert after[0].splitlines()[:2] == ["%pip install -q openai", "import os"]
    assert "from src.models.model_factory import ModelFactory" in after[0]
    assert "__file__" not in after[0]
    assert after[1].startswith("client = ModelFactory.get_model(")
    assert after[1].splitlines()[1:] == ["!ls -la", "files = !pwd"]
    assert after[2] == "%%bash\necho openai"
    assert after[3] == "reply = client.generate_response(None, 'hé?', temperature=None)\nprint(reply.content)"
    assert "await aclient.agenerate_response(" in after[4]
    assert after[5] == "reply?\n%matplotlib inline"
    assert without_sources(file.read_bytes()) == without_sources(before)
    assert check(checkout).returncode == 0
    moved = file.read_bytes()
    assert migrate(checkout, "--write").returncode == 0
    assert file.read_bytes() == moved


@pytest.mark.parametrize(
    "layout",
    [
        {"indent": None, "separators": (",", ":")},
        {"indent": 2},
        {"indent": "\t"},
        {"ensure_ascii": True},
        {"indent": None},
    ],
)
def test_the_json_keeps_its_layout(layout: dict[str, Any], checkout: Path) -> None:
    file = write(checkout, book(IMPORTS, CLIENT, ASK, **layout))
    before = file.read_text(encoding="utf-8")
    migrate(checkout, "--write")
    after = file.read_text(encoding="utf-8")
    assert after != before
    restored = json.loads(after)
    for cell, text in zip((cell for cell in restored["cells"] if cell["cell_type"] == "code"), (IMPORTS, CLIENT, ASK),
                          strict=True):  # fmt: skip
        cell["source"] = text.splitlines(keepends=True)
    assert json.dumps(restored, **{"indent": 1, "ensure_ascii": False, **layout}) + "\n" == before
    assert json.dumps(json.loads(after), **{"indent": 1, "ensure_ascii": False, **layout}) + "\n" == after


def test_a_source_that_is_one_text_stays_one(checkout: Path) -> None:
    body = json.loads(book(IMPORTS, CLIENT, ASK))
    for cell in body["cells"]:
        cell["source"] = "".join(cell["source"])
    file = write(checkout, json.dumps(body))
    migrate(checkout, "--write")
    assert all(isinstance(cell["source"], str) for cell in json.loads(file.read_bytes())["cells"])
    assert check(checkout).returncode == 0


def test_the_report_names_the_cell(checkout: Path, tmp_path: Path) -> None:
    write(checkout, book(IMPORTS, CLIENT, ASK.replace("create", "parse")))
    migrate(checkout, "--report", str(tmp_path / "r.json"))
    (site,) = json.loads((tmp_path / "r.json").read_bytes())["sites"]
    assert (site["cell"], site["line"], site["status"]) == (4, 1, "traced")
    write(checkout, book("import litellm\nlitellm.completion(model='gpt-4o', messages=[])"))
    assert "signals.ipynb:cell 2:1: sdk-import left" in migrate(checkout).stdout


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (book(IMPORTS, CLIENT, ASK, "def broken(:\n    openai"), "cell 5:1: file left: a cell is not Python"),
        (json.dumps({"worksheets": [{"cells": [{"input": "import openai"}]}]}), "older format"),
        ('{"cells": [{"cell_type": "code", "source": ["import openai\\n"', "no notebook"),
        ('["import openai"]', "no JSON object"),
    ],
)
def test_what_cannot_be_read_is_left_and_named(text: str, words: str, checkout: Path) -> None:
    file = write(checkout, text)
    done = migrate(checkout, "--write")
    assert done.returncode == 20
    assert words in done.stdout
    assert file.read_text(encoding="utf-8") == text
    assert check(checkout).returncode == 1


@pytest.mark.parametrize("text", [book("x <- openai()", language="R"), "[]", "", "not json", book("1 + 1")])
def test_what_calls_nothing_is_left_alone(text: str, checkout: Path) -> None:
    write(checkout, text)
    assert migrate(checkout).returncode == 0
    assert check(checkout).returncode == 0


def test_a_cells_magic_stays_its_first_line(checkout: Path) -> None:
    file = write(checkout, book("%%time\n" + IMPORTS.partition("\n")[2], CLIENT, "%%time\n" + ASK))
    migrate(checkout, "--write")
    assert [source.splitlines()[0] for source in sources(file)][::2] == ["%%time", "%%time"]
    assert "generate_response" in sources(file)[2]


def test_percent_signs_of_python_are_no_magic() -> None:
    source = 'x = (7\n  % 4)\ntext = """\n!not a command\n"""\nok = x == 3'
    cell = notebook.read(book(source).encode()).cells[0]
    assert (cell.python, cell.magics) == (source, {})


@pytest.mark.parametrize(
    ("cells", "status"),
    [
        ((ASK.partition("\n")[0], "reply"), "review"),
        ((ASK.partition("\n")[0].removeprefix("reply = "),), "review"),
        (("print(" + ASK.partition("\n")[0].removeprefix("reply = ") + ".choices[0].message.content)",), "migrated"),
        ((ASK.partition("\n")[0].removeprefix("reply = ") + ".choices[0].message.content.strip()",), "migrated"),
        ((ASK, "print(reply.choices[0].message.content)"), "migrated"),
        ((ASK, "reply.choices[0].message.content"), "migrated"),
    ],
)
def test_a_cell_that_shows_the_reply_itself_is_to_be_looked_at(
    cells: tuple[str, ...], status: str, checkout: Path, tmp_path: Path
) -> None:
    write(checkout, book(IMPORTS, CLIENT, *cells))
    migrate(checkout, "--report", str(tmp_path / "r.json"))
    assert [site["status"] for site in json.loads((tmp_path / "r.json").read_bytes())["sites"]] == [status]
