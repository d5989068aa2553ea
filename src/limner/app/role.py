"""What one host process is for, as the server tells it at its start."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from limner.comfy.manifest import Permissions, read_manifest
from limner.comfy.packs_imports import pack_name
from limner.plugins.library import LoadProblem

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Role:
    """`pack`: the host is that pack's own; without one it has the built-in nodes and all packs that share a host.

    `skipped` are packs that are left out, each with the reason. `permissions` bind a host of its own, if there are any;
    `private` is the folder that it may write and keep things in.
    """

    pack: Path | None = None
    skipped: Mapping[str, str] = field(default_factory=dict)
    permissions: Permissions | None = None
    private: Path | None = None

    def takes(self, path: Path) -> bool:
        """Whether this host loads the pack when it starts."""
        return self.may_take(path) and pack_name(path) not in self.skipped

    def may_take(self, path: Path) -> bool:
        """Whether the pack is one for this host, be it left out or not."""
        return path == self.pack if self.pack is not None else not is_isolated(path)

    @property
    def problems(self) -> list[LoadProblem]:
        """What is said of the packs that are left out."""
        return [LoadProblem(name, reason) for name, reason in self.skipped.items()]

    def as_text(self) -> str:
        return msgspec.json.encode(self, enc_hook=str).decode()

    @classmethod
    def of(cls, text: str) -> Role:
        """Raises msgspec.MsgspecError for what `as_text` did not make."""
        return msgspec.json.decode(text, type=cls, dec_hook=lambda kind, value: kind(value))


def is_isolated(path: Path) -> bool:
    """Whether the pack has a host of its own; one whose manifest is broken does not, and that is told when it loads."""
    try:
        return read_manifest(path).isolate
    except ValueError as error:
        log.debug("%s", error)
        return False
