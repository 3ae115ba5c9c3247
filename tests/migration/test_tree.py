"""The index of a module reads each node's children as LibCST itself does, without copying the nodes."""

from __future__ import annotations

from pathlib import Path

import libcst as cst

from src.migration.rewrite.analysis.children import children_of
from src.migration.rewrite.analysis.syntax import expression, walk
from src.migration.rewrite.analysis.tree import index
from src.migration.rewrite.node_edits import Edits

ROOT = Path(__file__).resolve().parents[2]
ODD = """
import a as b, c.d
from . import (e,
    f as g)
@h
async def i(j, /, k: int = 1, *l, m=2, **n) -> o:
    x = f"{j!r:>{k}} {l}" "joined" f'{m}'
    async with p as q, r: yield (await s)
    return lambda t, *u: [v async for v in w if v for y in v]
class Z(A, metaclass=B): C: D = E; del F, G
match H:
    case {"I": J, **K} | [L, *_] if M: pass
    case N(O, P=Q): pass
try: R[S:T:U, ...] += (V := ~W)
except* X: raise Y from None
"""


def test_children_are_those_that_libcst_names_in_their_order() -> None:
    sources = [
        ODD,
        *(ROOT.joinpath("src/migration/rewrite", name).read_text("utf-8") for name in ("plan.py", "file.py")),
    ]
    for source in sources:
        for node in walk(cst.parse_module(source)):
            assert [id(child) for child in children_of(node)] == [id(child) for child in node.children], type(node)


def test_positions_are_those_of_the_text() -> None:
    tree = index(cst.parse_module("a = 1\n\nif a:\n    b = (\n        a)\n"))
    (_, _, read) = tree.names["a"]
    assert tree.span(read) == (5, 8, 5, 9)
    assert (tree.line(read), tree.column(read)) == (5, 9)
    assert tree.code == tree.module.code


def test_an_expression_that_moves_and_stays_is_in_the_module_twice_and_no_node_is() -> None:
    tree = index(cst.parse_module("key = f(1)\nx = 2\n"))
    value = next(node for node in tree.nodes if isinstance(node, cst.Call))
    other = next(node for node in tree.nodes if isinstance(node, cst.Integer) and node.value == "2")
    edits = Edits()
    edits.replace(value.args[0].value, lambda _updated, _resolve: expression("3"))
    edits.replace(other, lambda _updated, resolve: resolve(value))
    edited = edits.apply(tree)
    assert edited.code == "key = f(3)\nx = f(3)\n"
    nodes = [node for node in walk(edited) if isinstance(node, cst.BaseExpression)]
    assert len(set(map(id, nodes))) == len(nodes)
