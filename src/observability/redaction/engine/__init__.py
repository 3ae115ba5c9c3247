"""Pattern matching: all gates against one text, with Hyperscan or with plain Python."""
