"""Make the report on calls: what they cost, how long they took, what failed, and what changed."""
