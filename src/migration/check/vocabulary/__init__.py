"""Hold what the check knows of providers, their SDKs, hosts and command-line programs."""
