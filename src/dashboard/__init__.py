"""The dashboard: what is recorded, and what came of it, in a browser on this machine."""

from src.dashboard.server.app import create_app
from src.dashboard.server.serving import serve

__all__ = ["create_app", "serve"]
