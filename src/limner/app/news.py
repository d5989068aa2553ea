"""What the hosts of a server tell, and who hears of it."""

from __future__ import annotations

from collections import Counter

from limner.engine import Engine
from limner.engine.ports import Said
from limner.executors.process import Callbacks
from limner.graph import NodeSchema
from limner.plugins.client import Loaded
from limner.runs import Bus, Notice

from .host_lines import logged
from .hosts import Hosts
from .node_set import PACKS, NodeSet


class HostNews:
    """`engine` is to be set before a host can be lost."""

    def __init__(self, hosts: Hosts, node_set: NodeSet, bus: Bus) -> None:
        self._hosts, self._node_set, self._bus = hosts, node_set, bus
        self.engine: Engine | None = None
        self.blamed = 0
        """How often a pack was found to be to blame for the death of a host."""
        self.deaths: Counter[str] = Counter()
        """Of the host of each name."""

    def callbacks(self, name: str) -> Callbacks:
        """Those of the host of this name."""

        def ready(loaded: Loaded) -> None:
            self._node_set.loaded(name, loaded)

        def lost(place: str, reason: str) -> None:
            self.deaths[name] += 1
            if self.engine is not None:
                self.engine.forget(place)

        def gave_up(reason: str) -> None:
            self._node_set.unavailable(name, reason)

        line = logged(name, lambda: self._hosts.at_work(name))
        return Callbacks(line, said=self.said, ready=ready, lost=lost, broke=self._broke, gave_up=gave_up)

    def said(self, message: Said) -> None:
        """A pack's message to the clients."""
        self._bus.publish([Notice(message, client=message.client)])

    def blame(self, schema: NodeSchema, reason: str) -> None:
        """No host survived a node of this type."""
        if schema.module.startswith(PACKS):
            pack = schema.module.removeprefix(PACKS)
            self._broke(pack, f"{reason} while its node {schema.type} ran", schema.type)

    def _broke(self, pack: str, reason: str, node_type: str = "") -> None:
        self.blamed += 1
        if pack not in self._hosts.own and self._hosts.quarantine.blame(pack, reason, node_type):
            self._node_set.leave_out(pack, self._hosts.quarantine.reasons().get(pack, reason))
