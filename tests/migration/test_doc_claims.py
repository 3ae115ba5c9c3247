"""Each claim of the pages on adoption stands there as listed, and what holds it exists."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CLAIMS: dict[str, dict[str, str]] = tomllib.loads(Path(__file__).with_name("doc_claims.toml").read_text("utf-8"))


@pytest.mark.parametrize("page", sorted(CLAIMS))
def test_each_claim_stands_on_its_page_and_is_held(page: str) -> None:
    text = " ".join((ROOT / "docs" / page).read_text("utf-8").split())
    assert [claim for claim in CLAIMS[page] if claim not in text] == []
    missing = []
    for holder in CLAIMS[page].values():
        file, _, test = holder.partition("::")
        path = ROOT / file
        if not path.is_file() or (test and f"def {test}(" not in path.read_text("utf-8")):
            missing.append(holder)
    assert missing == []
