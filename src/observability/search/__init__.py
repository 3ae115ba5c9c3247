"""Find traces in a store, by filters and by words, and read them with their scores. Nothing is written."""
