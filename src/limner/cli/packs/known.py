"""What is known of the packs here: their files, what was decided about them, and what the last host told of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from limner.settings import Settings

from .common import folders_of

if TYPE_CHECKING:
    from limner.comfy.manifest import Manifest
    from limner.packs.installed import InstalledPack

MODULE = "custom_nodes."
OFF, QUARANTINED, OWN_HOST, BROKEN, PARTLY, ON = (
    "off",
    "quarantined",
    "own host",
    "does not load",
    "loads in part",
    "on",
)


@dataclass(frozen=True, slots=True)
class Knowledge:
    """`types` are the node types of each pack, None where no host has told of these files yet."""

    types: Mapping[str, Sequence[str]] | None
    problems: Mapping[str, str]
    quarantined: Mapping[str, str]

    @classmethod
    def of(cls, settings: Settings) -> Knowledge:
        from limner.app.quarantine import Quarantine
        from limner.app.schema_cache import cache_for

        folders = folders_of(settings)
        quarantined = Quarantine(folders).reasons()
        known = cache_for(folders).load()
        if known is None:
            return cls(None, {}, quarantined)
        types: dict[str, list[str]] = {}
        for schema in known.schemas:
            if schema.module.startswith(MODULE):
                types.setdefault(schema.module.removeprefix(MODULE), []).append(schema.type)
        return cls({name: sorted(found) for name, found in types.items()}, known.problems, quarantined)

    def told(self, pack: InstalledPack) -> dict[str, Any]:
        """All of a pack, as `--json` prints it."""
        source, types = pack.source, self._types(pack)
        return {
            "name": pack.name,
            "version": pack.version,
            "commit": pack.commit,
            "state": self._state(pack),
            "problem": self._problem(pack),
            "from": str(source) if source is not None else "",
            "installed": str(pack.record.get("installed", "")),
            "nodes": len(types) if types is not None else None,
            "isolated": pack.isolated,
            **_permitted(pack),
        }

    def types_of(self, pack: InstalledPack) -> Sequence[str]:
        """Its node types, as far as they are known."""
        return self._types(pack) or ()

    def _types(self, pack: InstalledPack) -> Sequence[str] | None:
        return self.types.get(pack.name, ()) if self.types is not None and pack.enabled else None

    def _state(self, pack: InstalledPack) -> str:
        if not pack.enabled:
            return OFF
        if pack.name in self.quarantined and not pack.isolated:
            return QUARANTINED
        if self._problem(pack):
            return PARTLY if self._types(pack) else BROKEN
        return OWN_HOST if pack.isolated else ON

    def _problem(self, pack: InstalledPack) -> str:
        """Why it is not loaded, or not whole."""
        if not pack.enabled:
            return ""
        try:
            _manifest(pack)
        except ValueError as error:
            return str(error)
        quarantined = "" if pack.isolated else self.quarantined.get(pack.name, "")
        return quarantined or self.problems.get(pack.name, "")


def _manifest(pack: InstalledPack) -> Manifest:
    from limner.comfy.manifest import read_manifest

    return read_manifest(pack.path)


def _permitted(pack: InstalledPack) -> dict[str, Any]:
    """What it says it needs, and what of that it is not held to; None where it says nothing, and may do everything."""
    from limner.app.confinement import not_enforced

    try:
        said = _manifest(pack).permissions
    except ValueError:
        said = None
    if said is None:
        return {"permissions": None, "not_enforced": []}
    table = {"network": said.network, "folders": list(said.folders), "subprocess": said.subprocess}
    return {"permissions": table, "not_enforced": not_enforced(said) if pack.isolated else ["all of it"]}
