from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from src.observability.store.spool import Spool

if TYPE_CHECKING:
    from pathlib import Path

LIST_MODULES = "import atexit, sys; atexit.register(lambda: print('\\n'.join(sys.modules), file=sys.stderr)); "
MOONDEV = "from src.cli import main; main()"
OBSERVABILITY = "from src.observability.__main__ import main; main()"
HEAVY = {"asyncio", "httpx", "importlib.metadata", "langfuse", "opentelemetry", "pydantic", "src.models"}
HEAVY |= {"markdown_it", "pygments"}


@pytest.mark.parametrize("program", [MOONDEV, OBSERVABILITY])
@pytest.mark.parametrize(
    ("words", "unused"), [(["--help"], HEAVY | {"sqlite3"}), (["traces", "list"], HEAVY), (["traces"], HEAVY)]
)
def test_a_command_loads_no_library_that_it_does_not_use(
    program: str, words: list[str], unused: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "traces.db"
    Spool(path).close()
    monkeypatch.setenv("MOONDEV_TRACE_DB", str(path))
    done = subprocess.run(
        [sys.executable, "-c", LIST_MODULES + program, *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert unused.isdisjoint(done.stderr.splitlines())


HELP_OF_MARKDOWN = """
from src.observability.commands.fast_start import FastCommand
import rich.console, typer
app = typer.Typer(cls=None, rich_markup_mode="markdown")
@app.command(cls=FastCommand)
def work() -> None:
    'Say **hello**.'
app(["--help"], standalone_mode=False)
import rich.markdown, typer.rich_utils
assert typer.rich_utils.Markdown is not rich.markdown.Markdown
assert isinstance(typer.rich_utils.Markdown("x"), rich.markdown.Markdown)
typer.rich_utils.Traceback.from_exception(ValueError, ValueError("x"), None)
"""


def test_another_program_in_the_process_gets_markdown_and_tracebacks_all_the_same() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HELP_OF_MARKDOWN], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Say hello." in done.stdout


def test_a_value_that_the_user_gives_is_still_checked() -> None:
    done = subprocess.run(
        [sys.executable, "-c", MOONDEV, "traces", "list", "--limit", "0"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "--limit" in done.stderr
