"""The check of a rewritten module: it compiles, and no name has lost its definition."""

from __future__ import annotations

import ast
import warnings
from typing import TYPE_CHECKING

import libcst as cst

from src.migration.check.notebook import SUFFIX
from src.migration.rewrite.analysis.tree import index

if TYPE_CHECKING:
    from src.migration.rewrite.analysis.tree import Tree


def fault(before: Tree, after: str, name: str) -> str | None:
    """Return what is wrong with a module's new text, or None.

    Args:
        before: The module before its edits.
        after: The new text.
        name: The file's name, for the compiler.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT if name.endswith(SUFFIX) else 0
            compile(after, name, "exec", flags, dont_inherit=True)
        tree = index(cst.parse_module(after), lines=False)
    except (SyntaxError, ValueError, cst.ParserSyntaxError) as error:
        return f"the new text does not parse: {error}"
    lost = sorted(set(tree.undefined()) - set(before.undefined()))
    if lost:
        return f"the new text lost the definition of {', '.join(lost)}"
    return None
