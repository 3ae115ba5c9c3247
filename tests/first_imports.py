"""Import the test modules before they are collected, each process in an order of its own.

Pytest rewrites the assertions of each module that it imports, and keeps the result beside the module. That takes
several times as long as the import. Processes that collect the same modules in the same order at the same time would
all rewrite each of them; where each begins at another place, one rewrites a module and the others load the result.
"""

from __future__ import annotations

import contextlib
import importlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

TESTS = Path(__file__).parent


def is_of_all_tests(arguments: Sequence[str]) -> bool:
    """Tell whether pytest was asked for all tests; for a few of them the modules of others are not imported."""
    return [Path(argument).resolve() for argument in arguments] == [TESTS]


def import_all(number: int, processes: int) -> None:
    """Import every test module, beginning at the share of process `number` of `processes`."""
    names = [
        ".".join(path.relative_to(TESTS.parent).with_suffix("").parts) for path in sorted(TESTS.rglob("test_*.py"))
    ]
    begin = number * len(names) // processes
    for name in names[begin:] + names[:begin]:
        with contextlib.suppress(Exception, pytest.skip.Exception):  # collecting it again reports why
            importlib.import_module(name)
