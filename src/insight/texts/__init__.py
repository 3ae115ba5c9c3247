"""Find texts in the inputs, outputs and errors of a trace store, by an index in a disposable file beside it."""
