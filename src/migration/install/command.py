"""Put the packages into a checkout from a command line, take them back, and say what was done and what comes next."""

from __future__ import annotations

import difflib
import sys
from collections import Counter
from typing import TYPE_CHECKING

from src.migration.install import apply, plan
from src.migration.install.apply import Change, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from src.migration.install.plan import Installation

_PACKAGES = ("src/models/", "src/observability/", "src/migration/")
_NEXT = """
Next:
  1. python -m pip install -r requirements.txt          (Python 3.11 or newer)
  2. copy what you use of {example} into .env         (provider keys, and Langfuse's if you have them)
  3. python -m src.observability doctor                 checks keys, store and Langfuse, and sends a test observation
  4. run an agent, then: python -m src.observability traces
  5. python scripts/check_direct_calls.py               finds the next direct call; CI and pre-commit run it too
Take it all back, byte for byte: migrate_to_factory {root} --roll-back"""


def plan_with_migration(root: Path, migrated: Sequence[Change]) -> Installation:
    """Return what is to be changed in a checkout, the migrated files included.

    Args:
        root: The checkout.
        migrated: The changes of its own files, by their paths below it.

    Raises:
        Refused: the folder is no checkout, or holds what cannot be replaced.
    """
    made = plan.plan(root)
    for change in migrated:
        if any(other.path == change.path for other in made.changes):
            made.changes = [other for other in made.changes if other.path != change.path]
            made.by_hand.append(f"{change.path} was migrated, so its other lines wait: say --install once more")
        made.changes.append(change)
    return made


def write(root: Path, made: Installation) -> str | None:
    """Make the changes; return what went wrong, which left everything as it was."""
    if not made.changes:
        return None
    try:
        apply.apply(root, made.changes)
    except Refused as error:
        return str(error)
    return None


def diff(made: Installation) -> Iterator[str]:
    """Yield the lines that are added to the checkout's own texts; what is put in whole is not shown."""
    for change in made.changes:
        whole = change.before is None or change.after is None or change.path.startswith(_PACKAGES)
        if whole or change.path.endswith(".py"):
            continue
        before, after = ((data or b"").decode("utf-8", "replace").splitlines(keepends=True)
                         for data in (change.before, change.after))  # fmt: skip
        yield from difflib.unified_diff(before, after, f"a/{change.path}", f"b/{change.path}")


def print_summary(root: Path, made: Installation, *, written: bool, shown: bool) -> None:
    """Print what was installed, or would be, and what comes next."""
    out = sys.stderr if shown else sys.stdout
    ours = [change for change in made.changes if change.path.startswith(_PACKAGES)]
    for folder in sorted({change.path.split("/")[1] for change in ours}):
        counts = Counter(change.kind for change in ours if change.path.split("/")[1] == folder)
        print(f"src/{folder}: {', '.join(f'{count} files {kind}' for kind, count in sorted(counts.items()))}", file=out)
    for change in made.changes:
        if change not in ours and not (change.path.endswith(".py") and change.before is not None):
            print(f"{change.path}: {change.kind}", file=out)
    for note in made.notes:
        print(f"  {note}", file=out)
    for advice in made.by_hand:
        print(f"by hand: {advice}", file=out)
    if not made.changes:
        print("Installed already: nothing to change.", file=out)
    elif written:
        print(f"What was there before is in {root / apply.BACKUP}, which git ignores.", file=out)
        example = ".env.example" if (root / ".env.example").is_file() else ".env_example"
        print(_NEXT.format(example=example, root=root), file=out)


def roll_back(root: Path) -> str | None:
    """Take the last installation back; return what went wrong, with nothing touched."""
    try:
        paths = apply.roll_back(root)
    except Refused as error:
        return str(error)
    told = f"{len(paths):,} files are as they were before the last installation."
    print(told)  # noqa: T201 - a command talks to its terminal
    return None
