"""What packs declare on ComfyUI's `PromptServer`, served; and that of one pack replaced by what it declares anew."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.abc import AbstractView
from aiohttp.web_urldispatcher import AbstractResource

from .packs_imports import is_in
from .packs_routes import RouteServer, route_table

log = logging.getLogger(__name__)
LARGEST_BODY = 2**31


@dataclass(frozen=True, slots=True)
class Declared:
    """What was declared when: the application, the table of routes, and who hears of what is queued."""

    app: web.Application
    routes: web.RouteTableDef
    on_prompt: Sequence[Callable[[Any], Any]]


class Endpoints:
    """The one `PromptServer` of this process, which is there once a pack has asked for it."""

    def __init__(self) -> None:
        self._server: RouteServer | None = None
        self._renewed: Declared | None = None
        """What is served, while another is being declared."""

    @property
    def instance(self) -> Any:
        """The object that packs know as `PromptServer.instance`; None as long as there is none."""
        kind = getattr(sys.modules.get("server"), "PromptServer", None)
        return getattr(kind, "instance", None)

    @property
    def address(self) -> str:
        """Where it is all answered; empty where nothing is."""
        return self._server.address if self._server is not None else ""

    @property
    def table(self) -> Sequence[tuple[str, str]]:
        return route_table(self.instance.app) if self._server is not None else ()

    def serve(self) -> None:
        """Answer what has been declared. Never raises for what packs declare: two may want the same path."""
        instance = self.instance
        if instance is None or not instance.serves:
            return
        if self._renewed is not None and not self._differs(instance, self._renewed):
            instance.app = self._renewed.app
            return
        try:
            instance.app.add_routes(instance.routes)
            if self._server is None:
                server = RouteServer(instance.app, instance.loop)
                server.begin()
                self._server = server
            else:
                self._server.swap(instance.app)
        except Exception:
            log.exception("the routes of the packs cannot be served")

    def without(self, pack: Path) -> Declared | None:
        """Begin anew, with all that is declared but what the pack's code did; gives what there was."""
        instance = self.instance
        if instance is None:
            return None
        before = Declared(instance.app, instance.routes, tuple(instance.on_prompt_handlers))
        instance.on_prompt_handlers[:] = [handler for handler in before.on_prompt if not is_of(handler, pack)]
        instance.app = web.Application(client_max_size=LARGEST_BODY)
        instance.app.middlewares.extend(each for each in before.app.middlewares if not is_of(each, pack))
        instance.routes = web.RouteTableDef()
        for resource in before.app.router.resources():
            _keep(instance.app, resource, pack)
        self._renewed = before if self._server is not None else None
        return before

    def restore(self, before: Declared | None) -> None:
        """All as it was: the pack could not be imported."""
        instance = self.instance
        if instance is not None and before is not None:
            instance.app, instance.routes = before.app, before.routes
            instance.on_prompt_handlers[:] = before.on_prompt

    @staticmethod
    def _differs(instance: Any, before: Declared) -> bool:
        """Whether what is declared now is another thing than what is served."""
        old, new = before.app, instance.app
        resources = (list(old.router.resources()), list(new.router.resources()))
        return (
            bool(len(instance.routes)) or resources[0] != resources[1] or list(old.middlewares) != list(new.middlewares)
        )


def _keep(app: web.Application, resource: AbstractResource, pack: Path) -> None:
    """Have the new application answer a resource of the old one, as far as it is not the pack's."""
    info = resource.get_info()
    folder = info.get("directory")
    inner = info.get("app")
    routes = list(inner.router.routes()) if inner is not None else list(resource)
    theirs = [route for route in routes if not is_of(route.handler, pack)]
    if (folder is not None and is_in(str(folder), pack)) or (routes and not theirs):
        return
    if len(theirs) == len(routes) or inner is not None:
        app.router.register_resource(resource)
        return
    for route in theirs:
        app.router.add_route(route.method, resource.canonical, route.handler)


def is_of(handler: Any, pack: Path) -> bool:
    """Whether a function, a method or a view is the pack's code."""
    function = getattr(handler, "__func__", handler)
    function = getattr(function, "func", function)
    if isinstance(function, type) and issubclass(function, AbstractView):
        return is_in(str(getattr(sys.modules.get(function.__module__), "__file__", "")), pack)
    code = getattr(function, "__code__", None)
    return code is not None and is_in(code.co_filename, pack)
