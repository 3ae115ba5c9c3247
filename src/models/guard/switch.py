"""Switch the guard on and off, as MOONDEV_GUARD says or as a pytest plugin."""

from __future__ import annotations

import os
from typing import Any

from src.models.errors import InvalidRequest
from src.models.guard import judging


def install(mode: judging.Mode | None = None) -> None:
    """Switch the guard on for the rest of the process.

    Args:
        mode: By default what MOONDEV_GUARD says; where that is unset or off, nothing happens.

    Raises:
        InvalidRequest: MOONDEV_GUARD is neither warn, block nor off.
    """
    requested = mode or os.environ.get("MOONDEV_GUARD", "").strip().lower()
    if requested in ("", "off", "0", "false", "no"):
        return
    if requested not in ("warn", "block"):
        raise InvalidRequest(f"MOONDEV_GUARD is {requested!r}: set warn, block or off.", parameter="MOONDEV_GUARD")
    from src.models.guard import routes

    previous = judging.set_mode(requested)  # type: ignore[arg-type] # one of the two
    if previous is None:
        routes.watch()
    routes.cover()


def uninstall() -> None:
    """Switch the guard off again, for tests; installed hooks remain and let every request pass."""
    judging.set_mode(None)
    judging.forget_warnings()


def pytest_configure(config: Any) -> None:  # noqa: ARG001 - pytest's name and shape
    """Block direct calls for a whole test run, unless MOONDEV_GUARD says otherwise."""
    install(None if os.environ.get("MOONDEV_GUARD") else "block")
