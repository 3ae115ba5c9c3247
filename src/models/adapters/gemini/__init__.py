"""Adapt Google's Gemini API, through either of its two SDKs."""
