"""What the host decides for the nodes; given to them as a service."""

from __future__ import annotations

from dataclasses import dataclass

from limner.sdk import NodeContext


@dataclass(frozen=True, slots=True)
class NodeOptions:
    """`metadata`: saved files carry the workflow. `previews`: pictures while sampling, `preview_size` pixels wide."""

    metadata: bool = True
    previews: bool = True
    preview_size: int = 512


def options(context: NodeContext) -> NodeOptions:
    """The host's options, or the defaults where it has none."""
    try:
        return context.service(NodeOptions)
    except LookupError:
        return NodeOptions()
