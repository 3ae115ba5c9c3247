"""Search texts for many patterns at once, with Hyperscan or plain Python."""
