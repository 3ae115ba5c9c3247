"""The dashboard: what is recorded, and what came of it, in a browser on this machine."""

from src.dashboard.data.stores import Store, open_stores
from src.dashboard.server.access import Hosts, Key, is_loopback
from src.dashboard.server.app import create_app
from src.dashboard.server.serving import CannotListen, listen, serve
from src.dashboard.server.views import Content

__all__ = [
    "CannotListen",
    "Content",
    "Hosts",
    "Key",
    "Store",
    "create_app",
    "is_loopback",
    "listen",
    "open_stores",
    "serve",
]
