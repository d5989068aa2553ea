"""Node type -> schema: everything that can be run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from .schema import NodeSchema


class Catalog(Mapping[str, NodeSchema]):
    """An immutable set of schemas by type; a later schema of the same type replaces an earlier one.

    `absent` says of each pack that could not be loaded, or not whole, why: a type that is missing may be of it.
    """

    def __init__(self, schemas: Iterable[NodeSchema] = (), absent: Mapping[str, str] = MappingProxyType({})) -> None:
        self._schemas = MappingProxyType({schema.type: schema for schema in schemas})
        self.absent: Mapping[str, str] = MappingProxyType(dict(absent))

    def __getitem__(self, node_type: str) -> NodeSchema:
        return self._schemas[node_type]

    def __iter__(self) -> Iterator[str]:
        return iter(self._schemas)

    def __len__(self) -> int:
        return len(self._schemas)
