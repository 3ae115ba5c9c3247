"""Rules that read decisions out of recorded replies of agents that write none themselves."""
