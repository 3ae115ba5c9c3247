"""The script that makes the figures of the documents sees what is wrong with a migrated file."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

FILE = Path(__file__).resolve().parents[2] / "scripts" / "adoption_figures.py"
BEFORE = "import os\nX = 1\n\ndef f(a):\n    global Y\n    Y = a\n    return [b for b in a], __file__, os, X, unknown\n"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("adoption_figures", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("after", "faults"),
    [
        (BEFORE, []),
        (BEFORE + "print(Y)\n", []),
        (BEFORE.replace("import os\n", ""), ["uses the undefined os"]),
        (BEFORE.replace("X = 1", "x = 1"), ["uses the undefined X"]),
        (BEFORE.replace("def f", "def g"), ["lost f"]),
        (BEFORE + "class A:\n    def g(self): return Z\n", ["uses the undefined Z"]),
        (BEFORE + "(", ["does not compile: '(' was never closed (after.py, line 8)"]),
    ],
)
def test_sees_what_is_wrong(script: ModuleType, after: str, faults: list[str]) -> None:
    assert script.faults_of(BEFORE.encode(), after.encode()) == faults


def test_needs_a_folder(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["adoption_figures.py", str(tmp_path / "nowhere")])
    with pytest.raises(SystemExit):
        script.main()
    assert "no such folder" in capsys.readouterr().err
