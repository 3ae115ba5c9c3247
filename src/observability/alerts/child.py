"""Run a command for a message: without a shell, with the message as JSON on its standard input, for a bounded time."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any, Final

from src.observability.alerts.messages import body, plain
from src.observability.alerts.posting import Delivery

if TYPE_CHECKING:
    from src.observability.alerts.rules import Destination

_MOST_READ: Final = 2_000
_SHOWN: Final = 200


def run(destination: Destination, document: dict[str, Any], sent_at: float) -> Delivery:
    """Run a destination's command; exit code 0 means that the message is delivered."""
    content = json.dumps({**document, "message": body(document, sent_at)}).encode()
    program = plain(destination.command[0])
    try:
        process = subprocess.Popen(  # noqa: S603 - the user's own command, without a shell
            destination.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=os.name == "posix",
        )
    except OSError as error:
        return Delivery(is_sent=False, detail=f"{program} cannot be run: {error.strerror}")
    try:
        output, _ = process.communicate(content, timeout=destination.timeout_s)
    except subprocess.TimeoutExpired:
        _end(process)
        return Delivery(is_sent=False, detail=f"{program} took longer than {destination.timeout_s:g} s, and was ended")
    words = plain(output[:_MOST_READ].decode(errors="replace"))[:_SHOWN]
    detail = f"exit code {process.returncode}{f': {words}' if words else ''}"
    return Delivery(is_sent=process.returncode == 0, detail=detail)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a command with what it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=1.0)
