"""The migration, which rewrites direct calls of provider SDKs as calls of the factory."""
