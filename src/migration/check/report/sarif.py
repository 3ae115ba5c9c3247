"""A report as SARIF 2.1.0, which code hosts show beside the lines.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import hashlib
from urllib.parse import quote

from src.migration.check.notebook import CELL, in_cell
from src.migration.check.records import RULES, Finding, Report
from src.migration.check.report.json_text import dump

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def as_sarif(report: Report) -> str:
    """Return one run; what is allowed is in it too, as suppressed results with their reasons."""
    order = list(RULES)
    results = [_result(finding, order) for finding in report.findings]
    for finding, reason in report.allowed:
        results.append(_result(finding, order) | {"suppressions": [{"kind": "inSource", "justification": reason}]})
    driver = {
        "name": "check_direct_calls",
        "rules": [
            {
                "id": rule,
                "name": rule,
                "shortDescription": {"text": f"{text}."},
                "defaultConfiguration": {"level": "error"},
            }
            for rule, text in RULES.items()
        ],
    }
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return dump({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]})


def _result(finding: Finding, order: list[str]) -> dict[str, object]:
    region: dict[str, object] = {"startLine": finding.line % CELL, "startColumn": finding.column}
    if finding.text:
        region["snippet"] = {"text": finding.text}
    uri = quote(f"file://{finding.path}" if finding.path.startswith("/") else finding.path, safe="/:", errors="replace")
    identity = hashlib.sha256(
        "\0".join((finding.path, finding.rule, finding.provider, finding.text)).encode("utf-8", "replace")
    ).hexdigest()[:32]
    return {
        "ruleId": finding.rule,
        "ruleIndex": order.index(finding.rule),
        "level": "error",
        "message": {"text": f"{in_cell(finding.line)}{finding.message} {finding.fix}"},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": uri}, "region": region}}],
        "partialFingerprints": {"directCall/v1": identity},
    }
