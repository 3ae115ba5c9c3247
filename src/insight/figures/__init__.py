"""Compute the figures of reports and pages from the facts: calls, money, tokens, latency, errors, and what changed."""
