"""The HTTP server: who may ask, how long a question may take, and the answers."""
