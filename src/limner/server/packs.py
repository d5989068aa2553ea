"""What packs serve, as far as the server knows it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

API = "/api"


async def unchanged(body: Any) -> Any:
    """No pack looks at what is queued."""
    return body


@dataclass(slots=True)
class PackSurface:
    """What the packs of the host that runs now serve; it changes when a host has loaded.

    `extensions` are their folders of files for the editor, by pack. `address` is where their routes are answered.
    `on_prompt` gets the body of each request to queue a workflow, and gives what is queued.
    """

    extensions: dict[str, Path] = field(default_factory=dict)
    address: str = ""
    routes: Sequence[tuple[str, re.Pattern[str]]] = ()
    on_prompt: Callable[[Any], Any] = unchanged

    def learn(self, told: Mapping[str, Any]) -> None:
        """What a host says of its packs."""
        self.extensions.update({name: Path(folder) for name, folder in told.get("web", {}).items()})
        self.address = str(told.get("address") or "")
        self.routes = [(method, re.compile(pattern)) for method, pattern in told.get("routes", ())]

    def path_for(self, method: str, path: str) -> str | None:
        """The path, as it stands in the request, that a pack has a route for; None where none has."""
        for candidate in (path, path.removeprefix(API) if path.startswith(f"{API}/") else ""):
            if candidate and any(known in (method, "*") and found.fullmatch(candidate) for known, found in self.routes):
                return candidate
        return None
