"""Programs of tests start as interpreters would, also where their user has set variables for Python."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests import warm

if TYPE_CHECKING:
    from collections.abc import Mapping

PRINT = [sys.executable, "-c", "print('runs')"]


def output(environment: Mapping[str, str]) -> str:
    done = warm.run(PRINT, capture_output=True, text=True, check=True, timeout=60, env=environment)
    return str(done.stdout)


def test_a_variable_that_all_programs_inherit_is_no_reason_to_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    """As PYTHON, which `make test PYTHON=...` hands on, or PYTHON_VERSION of a container."""
    monkeypatch.setattr(warm, "_INHERITED", {"PYTHON": "/usr/bin/python3"})
    assert output({"PYTHON": "/usr/bin/python3"}) == "runs\n"


def test_a_variable_that_a_fork_cannot_follow_is_refused() -> None:
    with pytest.raises(ValueError, match="PYTHONOPTIMIZE"):
        output({"PYTHONOPTIMIZE": "2"})
