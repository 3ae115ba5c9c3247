"""The command line of an installation: plan it, write it, take it back, and print a summary."""

from __future__ import annotations

import difflib
import shlex
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
# Each line is a command as it can be run in the checkout's root.
_NEXT = """
Next, in {root}:
  python -m pip install -r requirements.txt  # Python 3.11 or newer
  cp -n {example} .env  # then put your providers' keys into it, and Langfuse's if you have them
  python -m src.observability doctor  # checks keys, store and Langfuse, and sends a test observation
  python -m src.observability traces  # what your agents asked, once one has run
  python scripts/check_direct_calls.py  # finds the next direct call; CI and pre-commit run it too
To take it all back, byte for byte:
  {python} {script} . --roll-back"""


def refusal(root: Path) -> str | None:
    """Return why nothing can be installed into a folder, or None; only the folder is checked, not its files."""
    try:
        plan.require_checkout(root)
    except Refused as error:
        return str(error)
    return None


def plan_with_migration(root: Path, migrated: Sequence[Change], *, resolves: bool = True) -> Installation:
    """Return what is to be changed in a checkout, the migrated files included.

    Args:
        root: The checkout.
        migrated: The changes of its own files, by their paths below it.
        resolves: Whether uv or pip is asked if the changed requirements can be installed together.

    Raises:
        Refused: the folder is no checkout, or holds what cannot be replaced.
    """
    installation = plan.plan(root, resolves=resolves)
    for change in migrated:
        if any(other.path == change.path for other in installation.changes):
            installation.changes = [other for other in installation.changes if other.path != change.path]
            installation.by_hand.append(f"{change.path} was migrated, so its other lines wait: say --install once more")
        installation.changes.append(change)
    return installation


def write(root: Path, installation: Installation) -> str | None:
    """Make the changes; return what went wrong, which left everything as it was."""
    if not installation.changes:
        return None
    try:
        apply.apply(root, installation.changes, installation.pending)
    except Refused as error:
        return str(error)
    return None


def diff(installation: Installation) -> Iterator[str]:
    """Yield a unified diff of the checkout's own texts; files that are written or removed whole are left out."""
    for change in installation.changes:
        whole = change.before is None or change.after is None or change.path.startswith(_PACKAGES)
        if whole or change.path.endswith(".py"):
            continue
        before, after = ((data or b"").decode("utf-8", "replace").splitlines(keepends=True)
                         for data in (change.before, change.after))  # fmt: skip
        yield from difflib.unified_diff(before, after, f"a/{change.path}", f"b/{change.path}")


def print_summary(root: Path, installation: Installation, *, written: bool, shown: bool) -> None:
    """Print what was installed, or would be, and what comes next; on stderr where stdout shows a diff."""
    out = sys.stderr if shown else sys.stdout
    packaged = [change for change in installation.changes if change.path.startswith(_PACKAGES)]
    for folder in sorted({change.path.split("/")[1] for change in packaged}):
        counts = Counter(change.kind for change in packaged if change.path.split("/")[1] == folder)
        print(f"src/{folder}: {', '.join(f'{count} files {kind}' for kind, count in sorted(counts.items()))}", file=out)
    for change in installation.changes:
        if change not in packaged and not (change.path.endswith(".py") and change.before is not None):
            print(f"{change.path}: {change.kind}", file=out)
    for note in installation.notes:
        print(f"  {note}", file=out)
    for advice in installation.by_hand:
        print(f"by hand: {advice}", file=out)
    if not installation.changes:
        print("Installed already: nothing to change.", file=out)
    elif written:
        print(f"What was there before is in {root / apply.BACKUP}, which git ignores.", file=out)
        example = ".env.example" if (root / ".env.example").is_file() else ".env_example"
        script = shlex.quote(str(plan.SOURCE / "scripts/migrate_to_factory.py"))
        print(_NEXT.format(example=example, root=root, python=shlex.quote(sys.executable), script=script), file=out)


def roll_back(root: Path) -> str | None:
    """Take the last installation back; return what went wrong, with nothing touched."""
    try:
        paths = apply.roll_back(root)
    except Refused as error:
        return str(error)
    print(f"{len(paths):,} files are as they were before the last installation.")  # noqa: T201 - a command's output
    return None
