"""Send requests through the provider SDKs' HTTP clients."""
