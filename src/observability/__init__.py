"""Trace every model call durably: sessions, agents, generations, scores, delivery to Langfuse."""
