"""Notice requests to providers that do not come through a traced call: MOONDEV_GUARD=warn or block.

It works while the program runs, whatever route a request takes: an HTTP library, a raw socket, a command line. `warn`
names each place in the code once; `block` raises before anything is sent. Where it is not asked for, nothing is
installed and nothing is looked at. Use it in tests: `pytest -p src.models.guard` blocks unless the variable says
otherwise, and `python -m src.models.guard SCRIPT [ARGUMENT ...]` runs any program under it.
"""

from __future__ import annotations

import os
from typing import Any

from src.models.errors import InvalidRequest
from src.models.guard import judging


def install(mode: judging.Mode | None = None) -> None:
    """Switch the guard on for the rest of the process; None takes MOONDEV_GUARD, and does nothing where it is off.

    Raises:
        InvalidRequest: MOONDEV_GUARD is neither warn, block nor off.
    """
    wanted = mode or os.environ.get("MOONDEV_GUARD", "").strip().lower()
    if wanted in ("", "off", "0", "false", "no"):
        return
    if wanted not in ("warn", "block"):
        raise InvalidRequest(f"MOONDEV_GUARD is {wanted!r}: set warn, block or off.", parameter="MOONDEV_GUARD")
    from src.models.guard import routes

    previous = judging.set_mode(wanted)  # type: ignore[arg-type] # one of the two
    if previous is None:
        routes.watch()
    routes.cover()


def uninstall() -> None:
    """Switch the guard off again, for tests; what was hooked stays hooked and lets everything pass."""
    judging.set_mode(None)
    judging.forget_warnings()


# A pytest plugin: `pytest -p src.models.guard`.


def pytest_configure(config: Any) -> None:  # noqa: ARG001 - pytest's name and shape
    """Block direct calls for a whole test run, unless MOONDEV_GUARD says otherwise."""
    install(None if os.environ.get("MOONDEV_GUARD") else "block")
