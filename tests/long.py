"""How thorough a run is: `make test` repeats what is random a few times, `make test-long` many times."""

from __future__ import annotations

import os
from typing import Final

# Read when it is imported: tests run without variables of this prefix.
IS_LONG: Final = os.environ.get("MOONDEV_TEST_LONG") == "1"


def rounds(default: int, long: int) -> int:
    """Return how many examples, rounds or inputs to try: `long` under MOONDEV_TEST_LONG=1, else `default`."""
    return long if IS_LONG else default
