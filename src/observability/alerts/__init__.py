"""Watch the store by rules of the user's, and tell people: the log, a command, a webhook."""
