"""Write a report as text for people, as JSON for programs, or as annotations for GitHub."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from src.migration.check.records import Finding, Report


def as_text(report: Report) -> str:
    """Return each finding with its line and its fix, and a summary."""
    blocks = []
    for one in report.findings:
        lines = [f"{one.path}:{one.line}:{one.column}: {one.rule}: {one.message}"]
        lines += [f"    {one.text}"] if one.text else []
        blocks.append("\n".join([*lines, f"    fix: {one.fix}"]))
    return "\n".join([*blocks, _summary(report)])


def _summary(report: Report) -> str:
    count, files = len(report.findings), len({one.path for one in report.findings})
    allowed = f"; {len(report.allowed)} allowed" if report.allowed else ""
    if not count:
        return f"No direct calls in {report.files} files{allowed}."
    return f"{count} found in {files} of {report.files} files{allowed}."


def as_json(report: Report) -> str:
    """Return one object with `findings`, `allowed` and `summary`."""
    value = {
        "version": 1,
        "findings": [_record(one) for one in report.findings],
        "allowed": [_record(one) | {"reason": reason} for one, reason in report.allowed],
        "summary": {
            "files": report.files,
            "found": len(report.findings),
            "allowed": len(report.allowed),
            "rules": dict(sorted(Counter(one.rule for one in report.findings).items())),
        },
    }
    return json.dumps(value, indent=2, ensure_ascii=False)


def _record(one: Finding) -> dict[str, object]:
    return {"file": one.path, "line": one.line, "column": one.column, "rule": one.rule, "provider": one.provider,
            "message": one.message, "text": one.text, "fix": one.fix}  # fmt: skip


def as_github(report: Report) -> str:
    """Return one workflow command per finding.

    https://docs.github.com/actions/reference/workflow-commands-for-github-actions#setting-an-error-message
    """
    return "\n".join(
        f"::error file={_property(one.path)},line={one.line},col={one.column}"
        f",title={_property(f'direct call: {one.rule}')}::{_data(f'{one.message} {one.fix}')}"
        for one in report.findings
    )


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def statistics(report: Report) -> str:
    """Return what the run did, in a few lines."""
    rules = Counter(one.rule for one in report.findings)
    providers = Counter(one.provider for one in report.findings if one.provider)
    lines = [
        f"files      {report.files}: {report.parsed} parsed, {report.cached} from the cache,"
        f" {report.files - report.parsed - report.cached} without a word of interest",
        f"time       {report.seconds:.2f} s",
        f"found      {len(report.findings)} in {len({one.path for one in report.findings})} files",
        *(f"  {rule:<22}{count:>6}" for rule, count in rules.most_common()),
        *(f"  {'of ' + provider:<22}{count:>6}" for provider, count in providers.most_common()),
        f"allowed    {len(report.allowed)}",
        *(f"  {count:>6}  {reason}" for reason, count in Counter(why for _, why in report.allowed).most_common(20)),
    ]
    return "\n".join(lines)
