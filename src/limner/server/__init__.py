"""The HTTP and WebSocket server: aiohttp, no torch, no code of packs.

`create_app(services)` builds it from what it serves; see `services` for what that is. One file a resource in `routes`;
every path is there twice, as it is and under `/api`.
"""

from .app import create_app
from .services import Machine, ServerSettings, Services

__all__ = ["Machine", "ServerSettings", "Services", "create_app"]
