"""`make lint` holds every file to rules that no linter knows; here they meet a file that breaks each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scripts.check_names import breaches

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = """
def long():
{lines}
    return 1
class Told: ...
found = 1
for one, price in []:
    self.said = price
one_price = 2
"""


def test_names_and_lengths(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_text(SOURCE.format(lines="    pass\n" * 50))
    (tmp_path / "src" / "b.py").write_text("price = 1\n" * 401)
    lines = sorted(line.partition(" ")[0] + line.partition(": ")[2][:6] for line in breaches(tmp_path, {}))
    assert lines == [
        "src/a.py:55:Told d", "src/a.py:56:found ", "src/a.py:57:one do", "src/a.py:58:said d", "src/a.py::long:over 4",
        "src/b.py:over 4",
    ]  # fmt: skip
    allowed = {"src/a.py::long": "its table", "src/b.py": "its table", "src/c.py": "gone"}
    assert [line for line in breaches(tmp_path, allowed) if "/a.py:5" not in line] == [
        "src/c.py: is not over the bound: take it off the list"
    ]
