"""Read and write the wire protocols that several adapters and raw HTTP requests share."""
