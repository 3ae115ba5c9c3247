"""Report what the migration did and what it left."""

from __future__ import annotations

import difflib
import json
import sys
from collections import Counter
from typing import TYPE_CHECKING

from src.migration.rewrite.file import FAILED, UNPARSEABLE
from src.migration.rewrite.records import LEFT, MIGRATED, NON_CHAT, REVIEW

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from src.migration.rewrite.records import Outcome, Reported

VERSION = 1


def _diff(outcome: Outcome) -> Iterator[str]:
    if outcome.after is None:
        return
    before, after = (
        text.decode("utf-8", "replace").splitlines(keepends=True) for text in (outcome.before, outcome.after)
    )
    for line in difflib.unified_diff(before, after, f"a/{outcome.name}", f"b/{outcome.name}"):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _report(file: Path, outcomes: Sequence[Outcome], sites: Sequence[Reported]) -> None:
    told = {
        "version": VERSION,
        "files": [{"path": outcome.name, "status": outcome.status} for outcome in outcomes],
        "sites": [site.as_dict() for site in sites],
    }
    file.write_text(json.dumps(told, indent=1) + "\n", "utf-8")


def _tell(
    outcomes: Sequence[Outcome], sites: Sequence[Reported], failures: Sequence[str], *, written: bool, shown: bool
) -> None:
    """Print what a person must know: what is left or wants a look, then the sums."""
    out = sys.stderr if shown else sys.stdout
    for outcome in outcomes:
        if outcome.status in (FAILED, UNPARSEABLE) and not outcome.sites:
            print(f"{outcome.name}: {outcome.status}", file=out)
    for site in sites:
        if site.status in (LEFT, REVIEW):
            print(f"{site.file}:{site.line}: {site.style} {site.status}: {site.reason}", file=out)
            if site.suggestion:
                print(f"    {site.suggestion}", file=out)
    for why in failures:
        print(f"error: {why}", file=sys.stderr)  # noqa: T201 - as above
    counts = Counter(site.status for site in sites)
    changed = sum(outcome.after is not None for outcome in outcomes) - len(failures)
    moved = counts[MIGRATED] + counts[REVIEW]
    verb = "changed" if written else "would change"
    print(
        f"{len(outcomes):,} files read, {changed:,} {verb}: {moved:,} calls go through the factory"
        f" ({counts[REVIEW]:,} to look at), {counts[NON_CHAT]:,} that are no chat stay and are marked,"
        f" {counts[LEFT]:,} are left for a person.",
        file=out,
    )
    if not written and changed:
        print("Nothing is written yet: --diff shows the changes, --write makes them.", file=out)
