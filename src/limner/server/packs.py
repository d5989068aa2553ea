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


@dataclass(frozen=True, slots=True)
class Served:
    """The routes of one host's packs: (method, pattern of the path), and the address where they are answered."""

    address: str = ""
    routes: Sequence[tuple[str, re.Pattern[str]]] = ()


@dataclass(slots=True)
class PackSurface:
    """What the packs of the hosts that run now serve; it changes when a host has loaded.

    `extensions` are their folders of files for the editor, by pack. `on_prompt` gets the body of each request to queue
    a workflow, and gives what is queued.
    """

    extensions: dict[str, Path] = field(default_factory=dict)
    served: dict[str, Served] = field(default_factory=dict)
    """By the host's name."""
    on_prompt: Callable[[Any], Any] = unchanged

    def learn(self, host: str, told: Mapping[str, Any]) -> None:
        """What a host says of its packs."""
        self.extensions.update({name: Path(folder) for name, folder in told.get("web", {}).items()})
        routes = [(method, re.compile(pattern)) for method, pattern in told.get("routes", ())]
        self.served[host] = Served(str(told.get("address") or ""), routes)

    def route_for(self, method: str, path: str) -> tuple[str, str] | None:
        """The address and the path there that a pack answers the request by; None where none does."""
        candidates = (path, path.removeprefix(API)) if path.startswith(f"{API}/") else (path,)
        for served in self.served.values():
            for candidate in candidates:
                for known, pattern in served.routes:
                    if known in (method, "*") and pattern.fullmatch(candidate):
                        return served.address, candidate
        return None
