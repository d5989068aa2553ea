"""The packs of this installation, imported into a host, and what the server must know of them."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from limner.comfy.packs import load_packs
from limner.comfy.packs_compiled import mend_compiled_parts
from limner.comfy.packs_quirks import mend_extension_loading
from limner.comfy.packs_routes import RouteServer, route_table
from limner.comfy.packs_versions import versioned
from limner.comfy.shims import Bridge, install
from limner.files import Folders
from limner.plugins.library import Library
from limner.plugins.services import Services

from .listening import SERVER_URL
from .role import Role

log = logging.getLogger(__name__)


class PackTopics:
    """What the server asks of a host's packs: what they serve, and what they make of a request to queue a workflow."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._instance: Any = getattr(sys.modules.get("server"), "PromptServer", None)
        self._routes: RouteServer | None = None
        if self._instance is not None:
            self._instance = self._instance.instance
            if self._instance.serves:
                self._serve()

    def _serve(self) -> None:
        app = self._instance.app
        try:
            app.add_routes(self._instance.routes)
            routes = RouteServer(app, self._instance.loop)
            routes.begin()
            self._routes = routes
        except Exception:  # two packs may want the same path
            log.exception("the routes of the packs cannot be served")

    def describe(self, data: object) -> Mapping[str, object]:
        """`web`: folders of files for the editor, by pack. `routes`: (method, pattern), served at `address`."""
        instance, routes = self._instance, self._routes
        return {
            "web": {str(name): str(path) for name, path in self._bridge.web_directories.items()},
            "address": routes.address if routes is not None else "",
            "routes": [list(route) for route in route_table(instance.app)] if routes is not None else [],
            "on_prompt": bool(instance is not None and instance.on_prompt_handlers),
        }

    def on_prompt(self, data: object) -> object:
        """The body of a request to queue a workflow, as the packs' handlers change it."""
        return data if self._instance is None else self._instance.trigger_on_prompt(data)


def with_packs(
    library: Library, folders: Folders, services: Services, role: Role, loading: Callable[[str], None]
) -> tuple[Library, Bridge]:
    """The library and the nodes of the role's packs; of a pack's own host, these alone.

    ComfyUI's module names are importable from now on in this process. `loading` hears of each pack before it runs.
    """
    bridge = Bridge(folders, services, library, server_url=os.environ.get(SERVER_URL, ""))
    install(bridge)
    mend_extension_loading()
    mend_compiled_parts()
    packs = load_packs(folders.model_folder("custom_nodes").paths, bridge, choose=role.takes, loading=loading)
    services.add(PackTopics, PackTopics(bridge))
    nodes = [node for pack in packs for node in versioned(pack)]
    problems = [*role.problems, *(problem for pack in packs for problem in pack.problems)]
    return (library if role.pack is None else Library()).including(nodes, problems), bridge
