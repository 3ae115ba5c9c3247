"""Trials of prompts: a new version on past decisions, beside what was decided then."""
