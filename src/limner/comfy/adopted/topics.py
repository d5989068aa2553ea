"""What the server asks of an adopted ComfyUI: its devices, to unload its models, and what its packs serve."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Mapping
from typing import Any

from ..packs_routes import RouteServer, route_table
from .modules import Comfy

log = logging.getLogger(__name__)


class Topics:
    """Answers the server. The packs' routes are served from when this is made."""

    def __init__(self, comfy: Comfy) -> None:
        self._comfy = comfy
        self._routes: RouteServer | None = None
        try:
            comfy.server.app.add_routes(comfy.server.routes)
            self._routes = RouteServer(comfy.server.app, comfy.loop)
            self._routes.begin()
        except Exception:
            log.exception("the routes of the packs cannot be served")
            self._routes = None

    @property
    def handlers(self) -> Mapping[str, Callable[[object], object]]:
        return {"stats": self.stats, "unload": self.unload, "packs": self.packs, "on_prompt": self.on_prompt}

    def stats(self, data: object) -> object:
        management = self._comfy.management
        device = management.get_torch_device()
        total, torch_total = management.get_total_memory(device, torch_total_too=True)
        free, torch_free = management.get_free_memory(device, torch_free_too=True)
        versions = {"pytorch_version": importlib.import_module("torch").__version__}
        return {
            "devices": [
                {
                    "name": str(management.get_torch_device_name(device)),
                    "type": str(device.type),
                    "index": device.index,
                    "vram_total": int(total),
                    "vram_free": int(free),
                    "torch_vram_total": int(torch_total),
                    "torch_vram_free": int(torch_free),
                }
            ],
            "versions": versions,
        }

    def unload(self, data: object) -> object:
        self._comfy.management.unload_all_models()
        self._comfy.management.soft_empty_cache()
        return None

    def packs(self, data: object) -> Mapping[str, object]:
        """As `limner.app.packs.PackTopics.describe` says it."""
        server: Any = self._comfy.server
        routes = self._routes
        return {
            "web": {str(name): str(path) for name, path in self._comfy.nodes.EXTENSION_WEB_DIRS.items()},
            "address": routes.address if routes is not None else "",
            "routes": [list(route) for route in route_table(server.app)] if routes is not None else [],
            "on_prompt": bool(server.on_prompt_handlers),
        }

    def on_prompt(self, data: object) -> object:
        return self._comfy.server.trigger_on_prompt(data)
