"""A store has the same tables whichever version began it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from src.observability.store import schema

if TYPE_CHECKING:
    from pathlib import Path


def tables(path: Path, version: int) -> list[tuple[str, str, str]]:
    """Return the tables and indexes of a file that a version began and the present one has brought forward."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in schema.statements(schema.MIGRATIONS[:version]):
            connection.execute(statement)
        if version:
            connection.execute(f"PRAGMA user_version = {version}")
            connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        schema.migrate(connection, path)
        assert schema.examine(connection, path) == schema.VERSION
        assert connection.execute("SELECT count(*) FROM identity").fetchone() == (1,)
        rows = connection.execute("SELECT type, name, coalesce(sql, '') FROM sqlite_master ORDER BY type, name")
        return [(kind, name, " ".join(text.split())) for kind, name, text in rows]


@pytest.mark.parametrize("version", range(1, schema.VERSION))
def test_a_new_file_and_one_brought_forward_have_the_same_tables(tmp_path: Path, version: int) -> None:
    new = tables(tmp_path / "new.db", 0)
    assert {"observations", "destinations", "decisions", "books"} <= {name for _, name, _ in new}
    assert tables(tmp_path / "old.db", version) == new
