"""Write a report as SARIF 2.1.0, which code hosts show beside the lines.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import hashlib
import json
from urllib.parse import quote

from src.migration.check.records import RULES, Finding, Report

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def as_sarif(report: Report) -> str:
    """Return one run; what is allowed is there too, as suppressed results with their reasons."""
    order = list(RULES)
    results = [_result(one, order) for one in report.findings]
    for one, reason in report.allowed:
        results.append(_result(one, order) | {"suppressions": [{"kind": "inSource", "justification": reason}]})
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
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False)


def _result(one: Finding, order: list[str]) -> dict[str, object]:
    region: dict[str, object] = {"startLine": one.line, "startColumn": one.column}
    if one.text:
        region["snippet"] = {"text": one.text}
    uri = quote(f"file://{one.path}" if one.path.startswith("/") else one.path, safe="/:", errors="replace")
    identity = hashlib.sha256(
        "\0".join((one.path, one.rule, one.provider, one.text)).encode("utf-8", "replace")
    ).hexdigest()[:32]
    return {
        "ruleId": one.rule,
        "ruleIndex": order.index(one.rule),
        "level": "error",
        "message": {"text": f"{one.message} {one.fix}"},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": uri}, "region": region}}],
        "partialFingerprints": {"directCall/v1": identity},
    }
