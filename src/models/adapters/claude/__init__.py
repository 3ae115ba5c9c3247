"""Adapt Anthropic's Messages API."""
