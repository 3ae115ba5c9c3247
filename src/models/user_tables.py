"""Read a table of the user's from a TOML or JSON file."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from src.models import strict_json
from src.models.errors import InvalidRequest
from src.observability import folders

if TYPE_CHECKING:
    from pathlib import Path


def expanded(path: str, variable: str) -> Path:
    """Return the path that a variable names, with its ~ replaced.

    Raises:
        InvalidRequest: there is no home folder; the message names the variable.
    """
    try:
        return folders.expanded(path)
    except folders.NoHome as error:
        raise InvalidRequest(f"{variable} cannot be used: {error}.", parameter=variable) from error


def read(path: Path, variable: str) -> dict[str, Any]:
    """Return the table in a file as a dictionary.

    Args:
        path: A file whose name ends in .json is JSON, in which no key may stand twice; any other is TOML.
        variable: The environment variable that names the file, for the error.

    Raises:
        InvalidRequest: the file cannot be read; the message names the variable and the file.
    """
    try:
        text = path.read_text("utf-8-sig")
        table = strict_json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise InvalidRequest(f"{variable} names {path}, which cannot be read: {error}", parameter=variable) from error
    if not isinstance(table, dict):
        raise InvalidRequest(f"{variable} names {path}, which holds no table.", parameter=variable)
    return table
