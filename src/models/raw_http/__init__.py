"""Record requests that a program sends to a provider with an HTTP library of its own."""
