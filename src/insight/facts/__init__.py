"""Keep narrow facts and daily totals of a trace store in a second, disposable file beside it."""
