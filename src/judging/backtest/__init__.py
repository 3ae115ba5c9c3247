"""Decide on the past as if it were the present, and judge what was decided."""
