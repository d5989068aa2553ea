"""ComfyUI's `server`: what packs say to the editor, the routes that they want served, and the queue."""

from __future__ import annotations

import asyncio
import enum
import io
import json
import logging
import os
import uuid  # packs take it from here
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from limner.comfy.packs_queue import ServerQueue
from limner.comfy.shims.bridge import bridge_of
from limner.files import FileProblem, below

bridge = bridge_of(__name__)
__all__ = ["BinaryEventTypes", "PromptServer", "send_socket_catch_exception", "uuid", "web"]
log = logging.getLogger(__name__)
LARGEST_BODY = 2**31


class BinaryEventTypes(enum.IntEnum):
    PREVIEW_IMAGE = 1
    UNENCODED_PREVIEW_IMAGE = 2
    TEXT = 3
    PREVIEW_IMAGE_WITH_METADATA = 4


class _Settings:
    """The editor's settings, as they are on the disk."""

    def get_settings(self, request: Any = None) -> dict[str, Any]:
        path = _user_folder() / "comfy.settings.json"
        return dict(json.loads(path.read_text("utf-8"))) if path.is_file() else {}


def _user_folder() -> Path:
    return Path(bridge.folders.user) / "default"


class _UserManager:
    """Users, of whom there is one."""

    def __init__(self) -> None:
        self.users = {"default": "default"}
        self.settings = _Settings()

    def get_request_user_id(self, request: Any) -> str:
        return "default"

    def get_request_user_filepath(
        self, request: Any, file: str | None, type: str = "userdata", create_dir: bool = True
    ) -> str | None:
        """The path of a user's file; None for a name that leaves the user's folder. Raises KeyError for other types."""
        if type != "userdata":
            raise KeyError(f"Unknown filepath type:{type}")
        folder = _user_folder()
        try:
            path = folder if file is None else below(folder, file)
        except FileProblem:
            return None
        if create_dir:
            os.makedirs(path if file is None else path.parent, exist_ok=True)
        return str(path)


class PromptServer:
    """The one server, as packs know it. What they declare on `routes` and `app` is served when all are loaded."""

    instance: PromptServer

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self.routes = web.RouteTableDef()
        self.app = web.Application(client_max_size=LARGEST_BODY)
        self.supports: list[str] = ["custom_nodes_from_web"]
        self.on_prompt_handlers: list[Callable[[Any], Any]] = []
        self.last_node_id: str | None = None
        self.last_prompt_id: str | None = None
        self.number = 0
        self.sockets: dict[str, Any] = {}
        self.sockets_metadata: dict[str, Any] = {}
        self.prompt_queue = ServerQueue(bridge.server_url)
        self.user_manager = _UserManager()
        place = urlsplit(bridge.server_url or "http://127.0.0.1:8188")
        self.address, self.port = place.hostname, place.port
        self.web_root = str(bridge.folders.base / "web")

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that the routes are served in; it runs when all packs are loaded."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        return self._loop

    @property
    def serves(self) -> bool:
        """Whether there is anything to serve, or to run in the loop."""
        return self._loop is not None or bool(len(self.routes)) or bool(len(self.app.router.routes()))

    @property
    def client_id(self) -> str | None:
        """The client whose run this is."""
        call = bridge.call()
        client = call.hidden.get("client_id") if call is not None else None
        return client if isinstance(client, str) else None

    @client_id.setter
    def client_id(self, value: str | None) -> None:
        """Whose run it is, the run says."""

    def send_sync(self, event: str | int, data: Any, sid: str | None = None) -> None:
        """To the client `sid`, or to all. Pictures become previews of the node that runs."""
        if isinstance(event, int):
            _show(BinaryEventTypes(event), data)
        else:
            bridge.send(str(event), dict(data) if isinstance(data, Mapping) else data, sid)

    async def send(self, event: str | int, data: Any, sid: str | None = None) -> None:
        self.send_sync(event, data, sid)

    send_json = send

    def send_progress_text(self, text: str, node_id: str, sid: str | None = None) -> None:
        call = bridge.call()
        if call is not None:
            call.progress(0, 0, text)

    def queue_updated(self) -> None:
        """The server says so by itself."""

    def get_queue_info(self) -> dict[str, Any]:
        return {"exec_info": {"queue_remaining": self.prompt_queue.get_tasks_remaining()}}

    def get_prompt(self) -> dict[str, Any]:
        return self.get_queue_info()

    def add_on_prompt_handler(self, handler: Callable[[Any], Any]) -> None:
        """It gets the body of every request to queue a workflow, and gives what is queued in its place."""
        self.on_prompt_handlers.append(handler)

    def trigger_on_prompt(self, json_data: Any) -> Any:
        """What the handlers make of a request's body; one that fails is passed over."""
        for handler in self.on_prompt_handlers:
            try:
                json_data = handler(json_data)
            except Exception:
                log.exception("a pack's on_prompt handler failed")
        return json_data

    def add_routes(self) -> None:
        """They are served when all packs are loaded."""


def _show(kind: BinaryEventTypes, data: Any) -> None:
    """A preview: encoded bytes, or (format, Pillow image, largest side or None)."""
    call = bridge.call()
    if call is None:
        return
    if kind is BinaryEventTypes.UNENCODED_PREVIEW_IMAGE:
        form, picture, side = data
        picture = picture.copy()
        if side is not None:
            picture.thumbnail((side, side))
        buffer = io.BytesIO()
        png = str(form).upper() == "PNG"
        picture.convert("RGBA" if png else "RGB").save(buffer, "PNG" if png else "JPEG")
        call.preview(buffer.getvalue(), "image/png" if png else "image/jpeg")
    elif kind is BinaryEventTypes.PREVIEW_IMAGE and isinstance(data, bytes | bytearray):
        png = data[:4] == b"\0\0\0\2"
        call.preview(bytes(data[4:]), "image/png" if png else "image/jpeg")


async def send_socket_catch_exception(function: Callable[[Any], Any], message: Any) -> None:
    """Send, whether or not the other side is still there."""
    try:
        await function(message)
    except (ConnectionError, RuntimeError) as error:
        log.debug("a client is gone: %s", error)


PromptServer.instance = PromptServer()
