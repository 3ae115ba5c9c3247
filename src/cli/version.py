"""Tell which version of the project is installed."""

from __future__ import annotations

_DISTRIBUTION = "moondev-observed"


def installed_version() -> str:
    """Return the version, or a placeholder where the source is used without being installed."""
    from importlib import metadata

    try:
        return metadata.version(_DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "(not installed: run `make .venv`)"
