"""See whether the factory that migrated code will import is this project's, or one that the checkout has of its own."""

from __future__ import annotations

import ast
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# What migrated code calls; `compat` is a setting that `get_model` reads.
_CALLED: Final = frozenset({"get_model", "post", "traced", "trace_http"})
_SETTING: Final = "compat"


def other_factories(files: Iterable[Path]) -> list[Path]:
    """Return each `src/models` that files below its checkout would import and that is not this project's.

    A folder is returned that does not exist, too, where the checkout has a package `src`, as that hides one that is
    installed. Where no folder above a file has `src/models` or such a package, none is: this project may be installed.
    """
    folders = {folder for file in files if (folder := _models_folder(file.absolute().parent)) is not None}
    return sorted(folder for folder in folders if not _is_ours(folder))


@cache
def _models_folder(folder: Path) -> Path | None:
    for place in (folder, *folder.parents):
        models = place / "src" / "models"
        if any(
            file.is_file() for file in (models / "model_factory.py", models / "__init__.py", place / "src/__init__.py")
        ):
            return models
    return None


def _is_ours(folder: Path) -> bool:
    """Tell whether a factory has what migrated code calls; only the text is read."""
    try:
        tree = ast.parse((folder / "model_factory.py").read_bytes())
    except (OSError, SyntaxError, ValueError):
        return False
    methods: set[str] = set()
    texts: set[object] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name == "ModelFactory":
            methods.update(item.name for item in node.body if isinstance(item, ast.FunctionDef))
        elif isinstance(node, ast.Constant):
            texts.add(node.value)
    return methods >= _CALLED and _SETTING in texts
