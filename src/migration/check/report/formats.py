"""A report as text for people, as JSON for programs, and as annotations for GitHub."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from src.migration.check.notebook import CELL, address, in_cell
from src.migration.check.report.json_text import dump

if TYPE_CHECKING:
    from src.migration.check.records import Finding, Report


def as_text(report: Report) -> str:
    """Return each finding with its line and its fix, and a summary."""
    blocks = []
    for finding in report.findings:
        path = finding.path.replace("\n", "\\n")  # else the rest of a file's name would look like another finding
        lines = [f"{address(path, finding.line)}:{finding.column}: {finding.rule}: {finding.message}"]
        lines += [f"    {finding.text}"] if finding.text else []
        blocks.append("\n".join([*lines, f"    fix: {finding.fix}"]))
    return "\n".join([*blocks, _summary(report)])


def _summary(report: Report) -> str:
    count, files = len(report.findings), len({finding.path for finding in report.findings})
    allowed = f"; {len(report.allowed)} allowed" if report.allowed else ""
    if not count:
        return f"No direct calls in {report.files} files{allowed}."
    return f"{count} found in {files} of {report.files} files{allowed}."


def as_json(report: Report) -> str:
    """Return one object with `findings`, `allowed` and `summary`."""
    value = {
        "version": 1,
        "findings": [_record(finding) for finding in report.findings],
        "allowed": [_record(finding) | {"reason": reason} for finding, reason in report.allowed],
        "summary": {
            "files": report.files,
            "found": len(report.findings),
            "allowed": len(report.allowed),
            "rules": dict(sorted(Counter(finding.rule for finding in report.findings).items())),
        },
    }
    return dump(value)


def _record(finding: Finding) -> dict[str, object]:
    cell, line = divmod(finding.line, CELL)
    return {
        "file": finding.path,
        **({"cell": cell} if cell else {}),
        "line": line,
        "column": finding.column,
        "rule": finding.rule,
        "provider": finding.provider,
        "message": finding.message,
        "text": finding.text,
        "fix": finding.fix,
    }


def as_github(report: Report) -> str:
    """Return one workflow command per finding.

    https://docs.github.com/actions/reference/workflow-commands-for-github-actions#setting-an-error-message
    """
    return "\n".join(
        f"::error file={_property(finding.path)},line={finding.line % CELL},col={finding.column}"
        f",title={_property(f'direct call: {finding.rule}')}"
        f"::{_data(f'{in_cell(finding.line)}{finding.message} {finding.fix}')}"
        for finding in report.findings
    )


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def statistics(report: Report) -> str:
    """Return what the run did, in a few lines."""
    rules = Counter(finding.rule for finding in report.findings)
    providers = Counter(finding.provider for finding in report.findings if finding.provider)
    lines = [
        f"files      {report.files}: {report.parsed} parsed, {report.cached} from the cache,"
        f" {report.files - report.parsed - report.cached} without a word of interest",
        f"time       {report.seconds:.2f} s",
        f"found      {len(report.findings)} in {len({finding.path for finding in report.findings})} files",
        *(f"  {rule:<22}{count:>6}" for rule, count in rules.most_common()),
        *(f"  {'of ' + provider:<22}{count:>6}" for provider, count in providers.most_common()),
        f"allowed    {len(report.allowed)}",
        *(f"  {count:>6}  {reason}" for reason, count in Counter(why for _, why in report.allowed).most_common(20)),
    ]
    return "\n".join(lines)
