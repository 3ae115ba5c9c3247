"""Check the rules of alerts in this process, where the user has a file of them; otherwise nothing of it is loaded."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from src.observability.alerts import location

if TYPE_CHECKING:
    from src.observability.alerts.background import Background
    from src.observability.settings import Settings

_log = logging.getLogger("moondev.alerts")


def watched(settings: Settings) -> Background | None:
    """Start checking the rules; return the checker, None without an alerts file. Never raises: errors are logged."""
    try:
        if location.alerts_path() is None:
            return None
        from src.observability.alerts.background import start_background

        return start_background(settings.trace_db, offline=settings.offline)
    except Exception as error:  # noqa: BLE001 - alerts never keep calls from being recorded
        _log.error("Alerts: %s", error)
        return None
