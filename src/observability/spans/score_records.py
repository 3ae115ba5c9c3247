"""Make the stored record of a score."""

from __future__ import annotations

import math
from typing import Literal

DataType = Literal["NUMERIC", "CATEGORICAL", "BOOLEAN"]


def _number(value: object) -> float:
    number = float(value)  # type: ignore[arg-type] # whatever says that it is a number: numpy's, Decimal
    if not math.isfinite(number):
        raise ValueError(f"{number} is not a number that a server takes")
    return number


def _data_type(value: float | str | bool) -> DataType:
    if type(value).__name__ in ("bool", "bool_"):  # numpy's too, which comparisons of prices give
        return "BOOLEAN"
    return "CATEGORICAL" if isinstance(value, str) else "NUMERIC"
