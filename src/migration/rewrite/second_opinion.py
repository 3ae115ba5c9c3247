"""The judge's opinion of a plan: what it claims, and what the judge takes back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from src.migration.rewrite import judge
from src.migration.rewrite.project import neighbours

if TYPE_CHECKING:
    from pathlib import Path

    import libcst as cst

    from src.migration.rewrite.analysis.tree import Tree
    from src.migration.rewrite.plan import Plan, Planner

_KINDS: dict[str, Literal["place", "inline", "factory"]] = {"place": "place", "inline": "inline", "model": "factory"}


def mentions_elsewhere(path: Path) -> judge.Mentions:
    """Return what the files that can reach a file's objects mention, as the judge reads them."""
    return judge.mentions_in(neighbours.users_of(path))


def take_back(planner: Planner, plan: Plan, after: str, tree: Tree, path: Path) -> bool:
    """Let the judge take back what it does not understand of a result; return whether there was anything.

    Args:
        planner: What made the plan.
        plan: The plan.
        after: The module's new text.
        tree: The module before its edits.
        path: The module's file.
    """
    claims: dict[judge.Claim, cst.CSTNode] = {
        judge.Claim(span=tree.span(client), kind="model"): client for client in plan.converted
    }
    claims |= {
        judge.Claim(span=tree.span(move.site.call), kind=_KINDS[move.route]): move.site.call for move in plan.moves
    }
    if not claims:
        return False
    module = path.parent.name if path.stem == "__init__" else path.stem
    objections = judge.objections_to(
        tree.code,
        after,
        list(claims),
        module=module,
        users=neighbours.users_of(path),
        bases=neighbours.bases_of(path),
        fixtures=neighbours.fixtures(),
    )
    for objection in objections:
        nodes = list(claims.values()) if objection.claim is None else [claims[objection.claim]]
        for node in nodes:
            planner.take_back(node, f"what its move leads to is not understood: {objection.reason}")
    return bool(objections)
