"""Turn what is recorded into figures: facts of every observation, totals by day, and what to make of them."""
