"""Deliver stored observations and scores to their destinations."""
