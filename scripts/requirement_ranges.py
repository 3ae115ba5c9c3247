"""Write what the locked versions of the required packages need of one another, for checkouts that pin those.

An installation reads src/migration/install/requirement_ranges.txt where it cannot ask an index. Run after `make lock`.
"""

from __future__ import annotations

import importlib.metadata
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from src.migration.install import plan  # noqa: E402 - the path first
from src.migration.install.requirement_lines import REQUIREMENT, canonical  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

TARGET = ROOT / "src/migration/install/requirement_ranges.txt"
_EXTRA = re.compile(r"\bextra\s*==\s*['\"]([^'\"]+)['\"]")
# Markers of other systems and of older Pythons, whose needs are other packages.
_ELSEWHERE = re.compile(r"emscripten|win32|Windows|PyPy|python(?:_full)?_version\s*<=?\s*['\"]3\.(?:[0-9]|1[01])")


def ranges() -> str:
    """Return the lines of the file: a package, who needs it, and in which versions."""
    lines: set[str] = set()
    waiting = [(canonical(str(_match(line)["name"])), "") for line in plan.requirements()]
    seen: set[tuple[str, str]] = set()
    while waiting:
        package, extras = waiting.pop()
        if (package, extras) in seen:
            continue
        seen.add((package, extras))
        for match in _needs_of(package, extras):
            needed, spec = canonical(match["name"]), re.sub(r"[\s()]", "", match["spec"])
            waiting.append((needed, (match["extras"] or "").strip("[]")))
            if spec:
                lines.add(f"{needed} {package} {spec}")
    return "# package, who needs it, in which versions; written by scripts/requirement_ranges.py\n" + "".join(
        f"{line}\n" for line in sorted(lines)
    )


def _needs_of(package: str, extras: str) -> Iterator[re.Match[str]]:
    try:
        requires = importlib.metadata.distribution(package).requires or ()
    except importlib.metadata.PackageNotFoundError:  # for another system
        return
    wanted = {canonical(extra) for extra in extras.split(",")}
    for line in requires:
        marker = line.partition(";")[2]
        extra = _EXTRA.search(marker)
        if (extra and canonical(extra[1]) not in wanted) or _ELSEWHERE.search(marker):
            continue
        yield _match(line)


def _match(line: str) -> re.Match[str]:
    match = REQUIREMENT.match(line)
    if match is None:
        raise ValueError(f"{line!r} is no requirement")
    return match


if __name__ == "__main__":
    TARGET.write_text(ranges(), encoding="utf-8")
    print(f"{TARGET.relative_to(ROOT)} written")
