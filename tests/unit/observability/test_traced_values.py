"""What is traced is stored as it was, without secrets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from src.observability import (
    attributes,
    observe_agent,
    redaction,
)
from src.observability.tracing.observation import observe, start
from tests.unit.observability.stored import attributes_of, only

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from src.observability.store.spool import Spool


def test_any_value_can_be_an_input(spool: Spool) -> None:
    class Hostile:
        def __str__(self) -> str:
            raise RuntimeError("no")

    cycle: list[Any] = []
    cycle.append(cycle)
    for value in (Hostile(), cycle, 2**80, {1: {2, 3}}, b"\x00\xff", "\ud800", float("nan"), object):
        start("x", "span").update(input=value, output=value, metadata={"v": value}).end()
    assert len(spool.rows_after(0)) == 8


def test_numpy_values_are_stored_as_numbers(spool: Spool) -> None:
    import numpy as np

    prices = np.array([[1.5, 2.5], [3.5, 4.5]])
    values = {
        "whole": np.int64(5), "part": np.float32(0.5), "double": np.float64(-1.25), "truth": np.bool_(True),
        "array": prices, "column": prices[:, 0], "none": np.float64("nan"), "many": np.arange(5_000),
    }  # fmt: skip
    start("x", "span").update(output=values, metadata=values).end()
    row = attributes_of(only(spool))
    as_json = {"whole": 5, "part": 0.5, "double": -1.25, "truth": True, "array": [[1.5, 2.5], [3.5, 4.5]],
               "column": [1.5, 3.5], "none": None, "many": str(np.arange(5_000))}  # fmt: skip
    assert json.loads(row[attributes.OUTPUT]) == as_json
    assert {name: json.loads(row[attributes.METADATA + name]) for name in as_json} == as_json


def test_secrets_do_not_reach_the_file(spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = "my-own-broker-password-77"
    monkeypatch.setenv("BROKER_PASSWORD", own)
    key = "sk-ant-api03-" + "a1B" * 20
    with observe_agent(
        "a",
        metadata={"api_key": "plainword", "note": f"use {key}"},
        input={"deep": [{"private_key": "0x" + "ab" * 32}]},
    ) as run:
        run.update(output=f"the pass is {own}", status_message=key)
        run.score("s", 1.0, comment=f"with {key}")
    spool.close()
    stored = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    for secret in (key, own, "plainword", "ab" * 32):
        assert secret.encode() not in stored
    assert b"[REDACTED" in stored


def test_a_redactor_that_fails_withholds_the_texts(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: str) -> str:
        raise RuntimeError("broken")

    monkeypatch.setattr("src.observability.redaction.current", broken)
    with observe_agent("a", input="the secret words"):
        pass
    assert all(b"secret words" not in row.span for row in spool.rows_after(0))


def test_a_name_is_withheld_only_while_the_redactor_fails(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError("broken")

    with monkeypatch.context() as patch:
        patch.setattr("src.observability.redaction.current", broken)
        with observe_agent("once broken"):
            pass
    with observe_agent("once broken"):
        pass
    assert [row.name for row in spool.rows_after(0)] == ["[REDACTED:redaction_failed]", "once broken.run"]


def test_a_name_that_holds_a_secret_learned_since_it_was_used_is_redacted(spool: Spool) -> None:
    password = "plain-broker-password-91"
    with observe(f"login {password}", "tool"):
        pass
    redaction.learn(password)
    with observe(f"login {password}", "tool"):
        pass
    before, after = (row.name for row in spool.rows_after(0))
    assert password in before
    assert password not in after
