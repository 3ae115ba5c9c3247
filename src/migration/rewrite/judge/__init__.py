"""A second, independent judgement of a rewritten file, which interprets every use of what changed."""

from src.migration.rewrite.judge.claims import Claim
from src.migration.rewrite.judge.outside import Mentions, mentions_in
from src.migration.rewrite.judge.verdict import Objection, objections_to

__all__ = ["Claim", "Mentions", "Objection", "mentions_in", "objections_to"]
