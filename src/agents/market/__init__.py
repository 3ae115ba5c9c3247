"""Read candles from files, exchanges and the installed sample, and compute indicators on them."""
