"""Check a rewritten module before it is written: it compiles, and defines all that it defined before."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import libcst as cst

from src.migration.rewrite.analysis.tree import index

if TYPE_CHECKING:
    from src.migration.rewrite.analysis.tree import Tree


def fault(before: Tree, after: str, name: str) -> str | None:
    """Return what is wrong with a new text, or None."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(after, name, "exec", dont_inherit=True)
        tree = index(cst.parse_module(after), lines=False)
    except (SyntaxError, ValueError, cst.ParserSyntaxError) as error:
        return f"the new text does not parse: {error}"
    known = set(before.undefined())
    lost = sorted(set(tree.undefined()) - known)
    if lost:
        return f"the new text lost the definition of {', '.join(lost)}"
    return None
