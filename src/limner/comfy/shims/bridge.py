"""What ComfyUI's modules need of the host that they stand in."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from limner.files import Folders
from limner.plugins.context import CURRENT, INDEX, CallContext
from limner.plugins.services import Services
from limner.sdk import Implementation

from .absent import NodeClasses


def unheard(event: str, data: object, client: str | None = None) -> None:
    """Nobody listens yet."""


@dataclass(slots=True)
class Bridge:
    """One for each host.

    `builtin` are the nodes that `nodes.NODE_CLASS_MAPPINGS` offers as classes; `classes`, `display_names` and
    `web_directories` are the dictionaries that packs find and change there. `say` sends what is said outside of calls.
    """

    all_folders: Folders
    services: Services
    builtin: Mapping[str, Implementation] = field(default_factory=dict)
    classes: dict[str, Any] = field(default_factory=NodeClasses)
    display_names: dict[str, str] = field(default_factory=dict)
    web_directories: dict[str, str] = field(default_factory=dict)
    say: Callable[[str, object, str | None], None] = unheard
    server_url: str = ""
    """Where the server answers, for packs that look at its queue; empty where there is none."""

    @property
    def folders(self) -> Folders:
        """The folders of whoever the call belongs to that this thread or task is in; outside of calls, all of them."""
        call = self.call()
        return self.all_folders if call is None else self.all_folders.of(call.home)

    def call(self) -> CallContext | None:
        """The call that this thread or task is in."""
        return CURRENT.get()

    def index(self) -> int:
        """Which of its step's calls that is, from 0."""
        return INDEX.get()

    def send(self, event: str, data: object, client: str | None = None) -> None:
        """A message to the clients."""
        call = self.call()
        (self.say if call is None else call.say)(event, data, client)


def bridge_of(module: str) -> Bridge:
    """The bridge of a module that `install` made importable. Raises ImportError for any other."""
    spec = sys.modules[module].__spec__
    found = getattr(spec.loader, "bridge", None) if spec is not None else None
    if not isinstance(found, Bridge):
        raise ImportError(f"{module} is imported by its ComfyUI name, in a host only")
    return found
