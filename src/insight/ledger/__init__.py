"""The ledger as columns: read from a store a part at a time, and kept beside it."""
