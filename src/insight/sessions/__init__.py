"""Sums of observations by session, kept beside the store."""
