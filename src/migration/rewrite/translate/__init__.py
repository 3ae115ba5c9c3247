"""The translation of arguments, messages, replies and error handlers into the factory's terms."""
