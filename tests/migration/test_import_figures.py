"""The script that imports other people's files before and after the migration tells what ends otherwise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOADS = """from openai import OpenAI
import nosuch_library
nosuch_library.set_up(3)["a"]
def trend():
    client = OpenAI(api_key="k", base_url="http://127.0.0.1:9/v1", max_retries=0)
    reply = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Trend?"}])
    return reply.choices[0].message.content
"""
THEIRS = """class ModelFactory:
    @classmethod
    def get_model(cls, model_type): ...
"""


def figures(*folders: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts/import_figures.py"), "--network", *map(str, folders)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)


def test_files_that_load_that_fail_alike_and_that_end_otherwise(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    (second / "src/models").mkdir(parents=True)
    first.mkdir()
    (first / "loads.py").write_text(LOADS)
    (first / "fails.py").write_text(LOADS + "raise KeyError('a')\n")
    (first / "other.py").write_text("price = 1\n")
    (second / "src/models/model_factory.py").write_text(THEIRS)
    (second / "src/__init__.py").touch()
    (second / "src/models/__init__.py").write_text("from src.models.model_factory import ModelFactory\n")
    (second / "asks.py").write_text(LOADS + "trend()\n")
    done = figures(first)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1 fails alike, 1 loads\n", "")
    done = figures(second)
    assert done.returncode == 1
    assert done.stdout.startswith("second/asks.py: before ['APIConnectionError'")
    assert "after ['TypeError'" in done.stdout
    assert done.stdout.endswith("1 other\n")
    assert "no such folder" in figures(tmp_path / "nowhere").stderr
