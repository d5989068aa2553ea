"""What ComfyUI's code finds around a call of a node: whose call it is, progress, previews, and whether to stop.

ComfyUI keeps these in module variables that its own executor sets. Here they answer from the call that the thread is
in, as calls of several runs may overlap.
"""

from __future__ import annotations

import importlib
import io
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from limner.plugins.context import CURRENT, CallContext
from limner.sdk import Cancelled

PREVIEW, UNENCODED_PREVIEW, TEXT, PREVIEW_WITH_METADATA = 1, 2, 3, 4
"""ComfyUI's `BinaryEventTypes`."""
PNG = 2
"""The number of the format PNG in a preview's head; JPEG has 1."""

Say = Callable[[str, object, str | None], None]


def answer_from_calls(management: Any, server: Any, say: Say) -> None:
    """Have ComfyUI's module variables answer from the call that asks. `say` sends what is said outside of calls."""
    _interruption(management)
    _progress()
    _messages(server, say)


def _interruption(management: Any) -> None:
    base = getattr(management, "InterruptProcessingException", Exception)
    interrupted = type("InterruptProcessingException", (Cancelled, base), {})
    management.InterruptProcessingException = interrupted
    said = management.interrupt_current_processing

    def interrupt(value: bool = True) -> None:
        call = CURRENT.get()
        if call is None:
            said(value)
        elif value:
            call.interrupt()

    def processing() -> bool:
        call = CURRENT.get()
        return call is not None and call.cancelled

    def check() -> None:
        if processing():
            raise interrupted("the run was interrupted")

    management.interrupt_current_processing = interrupt
    management.processing_interrupted = processing
    management.throw_exception_if_processing_interrupted = check


def _progress() -> None:
    def hook(value: float, total: float, preview: Any = None, **about: Any) -> None:
        call = CURRENT.get()
        if call is None:
            return
        if preview is not None:
            show(call, preview)
        call.progress(value, total)

    importlib.import_module("comfy.utils").set_progress_bar_global_hook(hook)


def show(call: CallContext, preview: Any) -> None:
    """A preview as ComfyUI has it: (format, Pillow image, largest side or None)."""
    form, picture, side = preview
    picture = picture.copy()
    if side is not None:
        picture.thumbnail((side, side))
    png = str(form).upper() == "PNG"
    buffer = io.BytesIO()
    picture.convert("RGBA" if png else "RGB").save(buffer, "PNG" if png else "JPEG")
    call.preview(buffer.getvalue(), "image/png" if png else "image/jpeg")


def _messages(server: Any, say: Say) -> None:
    def send(event: str | int, data: Any, sid: str | None = None) -> None:
        call = CURRENT.get()
        if isinstance(event, int):
            if call is not None:
                _binary(call, int(event), data)
            return
        plain = dict(data) if isinstance(data, Mapping) else data
        if call is not None:
            call.say(str(event), plain, sid)
        else:
            say(str(event), plain, sid)

    server.send_sync = send


def _binary(call: CallContext, event: int, data: Any) -> None:
    if event == UNENCODED_PREVIEW:
        show(call, data)
    elif event == PREVIEW_WITH_METADATA and isinstance(data, tuple):
        show(call, data[0])
    elif event == PREVIEW and isinstance(data, bytes | bytearray):
        (form,) = struct.unpack(">I", data[:4])
        call.preview(bytes(data[4:]), "image/png" if form == PNG else "image/jpeg")
    elif event == TEXT and isinstance(data, bytes | bytearray):
        (length,) = struct.unpack(">I", data[:4])
        call.progress(0, 0, bytes(data[4 + length :]).decode("utf-8", "replace"))


class Around:
    """Sets what ComfyUI's own executor would set for the time of a call."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._contexts: ModuleType | None
        try:
            self._contexts = importlib.import_module("comfy_execution.utils")
        except ImportError:  # older than 0.3.50
            self._contexts = None

    @contextmanager
    def __call__(self, call: CallContext, index: int = 0) -> Iterator[None]:
        client = call.hidden.get("client_id")
        self._server.client_id = client if isinstance(client, str) and client else None
        self._server.last_node_id, self._server.last_prompt_id = call.node, call.run
        if self._contexts is None:
            yield
            return
        with self._contexts.CurrentNodeContext(call.run, call.node, index):
            yield
