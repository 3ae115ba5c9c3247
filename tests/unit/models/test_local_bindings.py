"""Where the system has no OpenMP library, llama.cpp's bindings run with the copy that another wheel holds."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from src.models import errors
from src.models.adapters.local import bindings
from tests import warm

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the bindings bring all that they need")

MISSING = "libgomp.so.1: cannot open shared object file: No such file or directory"
# Bindings that are refused until the library is loaded, as the loader does on a system without it.
REFUSED = f"if 'memfd:libgomp' not in open('/proc/self/maps').read():\n    raise ImportError({MISSING!r})\n"
LOADED = "print(*{line.split()[5] for line in open('/proc/self/maps') if 'gomp' in line})"


def package(folder: Path, source: str) -> Path:
    (folder / "xllamacpp").mkdir()
    (folder / "xllamacpp" / "__init__.py").write_text(source)
    return folder


def outcome(script: str, **environment: str) -> str:
    done = warm.run_program(script, environment={**os.environ, **environment})
    assert done.returncode == 0, done.stderr
    return str(done.stdout).strip()


def test_the_real_bindings_take_the_copy_for_the_systems_library() -> None:
    script = (
        "from src.models.adapters.local import bindings\n"
        "bindings.load_openmp(bindings.openmp_copy())\n"
        f"bindings.load().CommonParams()\n{LOADED}\n"
    )
    assert outcome(script, PYTHONPATH=os.getcwd()) == "/memfd:libgomp.so.1"  # noqa: PTH109 - the project


def test_bindings_that_the_system_has_no_library_for_are_imported_with_the_copy(tmp_path: Path) -> None:
    folders = [str(package(tmp_path, REFUSED)), os.getcwd()]  # noqa: PTH109 - the project
    script = f"from src.models.adapters.local import bindings\nprint(bindings.load().__file__)\n{LOADED}\n"
    path, library = outcome(script, PYTHONPATH=os.pathsep.join(folders)).split("\n")
    assert path == str(tmp_path / "xllamacpp/__init__.py")
    assert library == "/memfd:libgomp.so.1"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (f"raise ImportError({MISSING!r})", [MISSING, "apt install libgomp1"]),
        ("raise ImportError('libm.so.6: version GLIBC_2.38 not found')", ["GLIBC_2.38"]),
    ],
)
def test_bindings_that_cannot_be_loaded_are_refused_with_the_reason(
    source: str, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bindings, "_CARRIER", "a package that nobody has")
    for name in [name for name in sys.modules if name.partition(".")[0] == "xllamacpp"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(package(tmp_path, source))
    with pytest.raises(errors.ModelUnavailable) as caught:
        bindings.load()
    for word in words:
        assert word in str(caught.value)
    assert "pip install xllamacpp" not in str(caught.value)
