"""The report of a migration, as a patch, as JSON and as text for a terminal."""

from __future__ import annotations

import difflib
import json
import sys
from collections import Counter
from typing import TYPE_CHECKING

from src.migration.check.notebook import address
from src.migration.rewrite.file import FAILED, UNPARSEABLE
from src.migration.rewrite.records import LEFT, MIGRATED, NON_CHAT, REVIEW, TRACED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from src.migration.rewrite.records import Outcome, ReportedSite

VERSION = 1


def diff(outcome: Outcome) -> Iterator[str]:
    """Yield the lines of a patch for one file; none where the file does not change."""
    if outcome.after is None:
        return
    before, after = (
        text.decode("utf-8", "replace").splitlines(keepends=True) for text in (outcome.before, outcome.after)
    )
    for line in difflib.unified_diff(before, after, f"a/{outcome.name}", f"b/{outcome.name}"):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def write_json(file: Path, outcomes: Sequence[Outcome], sites: Sequence[ReportedSite]) -> None:
    """Write the report as JSON; docs/migration.md describes its fields."""
    report = {
        "version": VERSION,
        "files": [{"path": outcome.name, "status": outcome.status} for outcome in outcomes],
        "sites": [site.as_dict() for site in sites],
    }
    file.write_text(json.dumps(report, indent=1) + "\n", "utf-8")


def print_summary(
    outcomes: Sequence[Outcome], sites: Sequence[ReportedSite], failures: Sequence[str], *, written: bool, shown: bool
) -> None:
    """Print the sites that need a review, then the totals.

    Args:
        outcomes: What became of each file.
        sites: The places in all files.
        failures: What went wrong when the files were written.
        written: Whether the files were written.
        shown: Whether a patch goes to stdout; the summary then goes to stderr.
    """
    out = sys.stderr if shown else sys.stdout
    for outcome in outcomes:
        if outcome.status in (FAILED, UNPARSEABLE) and not outcome.sites:
            print(f"{outcome.name}: {outcome.status}", file=out)
    for site in sites:
        if site.status in (LEFT, REVIEW):
            print(f"{address(site.file, site.line)}: {site.style} {site.status}: {site.reason}", file=out)
            if site.suggestion:
                print(f"    {site.suggestion}", file=out)
    for failure in failures:
        print(f"error: {failure}", file=sys.stderr)  # noqa: T201 - a command talks to its terminal
    counts = Counter(site.status for site in sites)
    changed = sum(outcome.after is not None for outcome in outcomes) - len(failures)
    moved = counts[MIGRATED] + counts[REVIEW]
    verb = "changed" if written else "would change"
    print(
        f"{len(outcomes):,} files read, {changed:,} {verb}: {moved:,} calls go through the factory"
        f" ({counts[REVIEW]:,} to look at), {counts[TRACED]:,} are traced as they are,"
        f" {counts[NON_CHAT]:,} that are no chat stay and are marked,"
        f" {counts[LEFT]:,} are left for a person.",
        file=out,
    )
    if not written and changed:
        print("Nothing is written yet: --diff shows the changes, --write makes them.", file=out)
