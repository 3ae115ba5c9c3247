"""Decide what to trade with traced models: risk and trading agents, swarm voting, market data."""
