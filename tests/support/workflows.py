"""Editor-form workflows, written shortly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from limner.graph import Catalog, Input, NodeSchema, Output, Presence, Traits

Slots = Sequence[tuple[str, str, int | None] | tuple[str, str, int | None, str]]


def editor_node(
    identifier: int | str,
    kind: str,
    inputs: Slots = (),
    outputs: Sequence[str] = (),
    values: Sequence[Any] | Mapping[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A node as the editor saves it; an input is (name, type, link) or (name, type, link, widget)."""
    entry: dict[str, Any] = {
        "id": identifier,
        "type": kind,
        "mode": 0,
        "inputs": [
            {"name": slot[0], "type": slot[1], "link": slot[2]}
            | ({"widget": {"name": slot[3]}} if len(slot) > 3 else {})
            for slot in inputs
        ],
        "outputs": [{"name": kind_, "type": kind_, "links": []} for kind_ in outputs],
        "properties": {},
    }
    if values is not None:
        entry["widgets_values"] = values
    return entry | more


def editor_workflow(
    nodes: Sequence[Mapping[str, Any]], links: Sequence[Sequence[Any]] = (), **more: Any
) -> dict[str, Any]:
    """A workflow of version 0.4; a link is (id, origin, slot, target, slot)."""
    numbers = [int(node["id"]) for node in nodes if str(node["id"]).isdecimal()]
    return {
        "last_node_id": max(numbers, default=0),
        "last_link_id": max((link[0] for link in links), default=0),
        "nodes": list(nodes),
        "links": [[*link, "*"] for link in links],
        "version": 0.4,
        "extra": {},
    } | more


def subgraph(
    identifier: str,
    nodes: Sequence[Mapping[str, Any]],
    links: Sequence[Sequence[Any]],
    inputs: Sequence[tuple[str, str, Sequence[int]]] = (),
    outputs: Sequence[tuple[str, str, Sequence[int]]] = (),
) -> dict[str, Any]:
    """A definition; a link is (id, origin, slot, target, slot), where -10 are its inputs and -20 its outputs."""
    keys = ("id", "origin_id", "origin_slot", "target_id", "target_slot")
    return {
        "id": identifier,
        "name": identifier,
        "nodes": list(nodes),
        "links": [dict(zip(keys, link, strict=True)) for link in links],
        "inputs": [{"name": name, "type": kind, "linkIds": list(ids)} for name, kind, ids in inputs],
        "outputs": [{"name": name, "type": kind, "linkIds": list(ids)} for name, kind, ids in outputs],
    }


def small_catalog() -> Catalog:
    """Source -> Filter -> Save, with the widgets that conversions are about."""

    def number(name: str, kind: str = "INT", **options: Any) -> Input:
        return Input(name, kind, options=options)

    return Catalog(
        [
            NodeSchema("Source", (number("seed"), number("amount", "FLOAT", default=0.5)), (Output("IMAGE", "IMAGE"),)),
            NodeSchema(
                "Filter",
                (
                    Input("image", "IMAGE"),
                    Input("text", "STRING", options={"multiline": True, "dynamicPrompts": True}),
                    Input("mode", "COMBO", choices=("soft", "hard")),
                    Input("mask", "MASK", Presence.OPTIONAL),
                ),
                (Output("IMAGE", "IMAGE"), Output("MASK", "MASK")),
            ),
            NodeSchema(
                "Save",
                (Input("images", "IMAGE"), Input("name", "STRING", options={"default": "x"})),
                (),
                Traits(output=True),
            ),
        ]
    )
