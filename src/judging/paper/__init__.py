"""Keep paper books: what decisions would have made of real money, fill by fill."""
