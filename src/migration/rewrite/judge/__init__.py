"""A second, independent judgement of a rewritten file, which interprets every use of what changed."""

from src.migration.rewrite.judge.claims import Claim
from src.migration.rewrite.judge.verdict import Objection, objections_to

__all__ = ["Claim", "Objection", "objections_to"]
