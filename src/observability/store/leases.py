"""Judge whether the lease on a destination is free: which process has it, and whether that one is alive."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

LEASE_S: Final = 30.0
LONGEST_LEASE_S: Final = 150.0  # for a request under way, whose outcome no other process may judge before


def lease_owner() -> str:
    """Return a new name for a user of leases: host, process id, and random characters."""
    return f"{_host()}|{os.getpid()}|{os.urandom(4).hex()}"


def is_free(holder: str | None, until: float, *, owner: str, now: float) -> bool:
    """Tell whether `owner` may take a lease that `holder` has until a moment."""
    # A lease that ends later than any new one can was taken before the clock was set back.
    expired = not now <= until <= now + LONGEST_LEASE_S
    return holder in (None, owner) or expired or not _is_alive(holder)


def _is_alive(holder: str) -> bool:
    """Tell whether the process that took a lease is alive; one on another host is taken to be."""
    host, _, rest = holder.partition("|")
    pid = rest.partition("|")[0]
    if host != _host() or not pid.isdecimal():
        return True
    try:
        os.kill(int(pid), 0)
        # A killed process stays listed, as a zombie, until its parent reads its exit code.
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except (OSError, IndexError):
        return True


def _host() -> str:
    import socket  # here, since a process that only records calls never needs it

    return socket.gethostname()
