"""Show an action in its colour."""

from __future__ import annotations

_STYLES = {"BUY": "bold green", "SELL": "bold red", "NOTHING": "bold yellow"}


def styled_action(action: str | None) -> str:
    """Return an action in its colour; a dash where there is none."""
    return f"[{_STYLES.get(action, 'bold')}]{action}[/]" if action else "[dim]-[/]"
