"""`limner nodes`: what there is to build workflows of."""

from __future__ import annotations

import difflib
from collections import defaultdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from limner.graph import Catalog, FileChoices, Input, NodeSchema, Presence
from limner.settings import Settings

from .console import output
from .errors import BadInput
from .flags import RUNNING, with_settings
from .session import or_bad_input, with_local

if TYPE_CHECKING:
    from limner.app.local import Local
    from limner.comfy.object_info import ListFiles


@with_settings(*RUNNING)
def command(
    name: Annotated[str | None, typer.Argument(help="A node type; without it, all are listed.")] = None,
    *,
    settings: Settings,
) -> None:
    """List the node types by category, or show one: its inputs, outputs and what it does."""

    catalog, files = _known(settings)
    if name is None:
        show_all(catalog)
    else:
        show(_found(catalog, name), files)


def _known(settings: Settings) -> tuple[Catalog, ListFiles]:
    """The nodes, from the cache where it is of this code, and how files are listed."""
    from limner.app.folders import prepared_folders
    from limner.app.schema_cache import cache_for

    folders = or_bad_input(lambda: prepared_folders(settings))
    cache = cache_for(folders, settings.comfyui)
    known = cache.load()
    if known is not None:
        return Catalog(known.schemas), folders.choices

    async def work(local: Local) -> Catalog:
        cache.save(list(local.catalog.values()), local.catalog.absent)
        return local.catalog

    return with_local(settings, work), folders.choices


def show_all(catalog: Catalog) -> None:
    """Every node type under its category."""
    menu: dict[str, list[NodeSchema]] = defaultdict(list)
    for schema in catalog.values():
        menu[schema.category or "(no category)"].append(schema)
    console = output()
    for category in sorted(menu):
        console.print(category, style="bold")
        for schema in sorted(menu[category], key=lambda schema: schema.type):
            console.print(f"  {schema.type}", end="")
            console.print(f"  {schema.display_name}" if schema.display_name != schema.type else "", style="dim")
    console.print(f"{len(catalog)} node types; see one with: limner nodes NAME", style="dim")


def show(schema: NodeSchema, files: ListFiles) -> None:
    """One node type in full."""
    console = output()
    console.print(f"[bold]{schema.type}[/bold]  {schema.display_name}  [dim]{schema.category}[/dim]")
    if schema.description:
        console.print(schema.description, markup=False)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("input", "type", "default", "values"):
        table.add_column(column)
    for given in schema.inputs:
        if given.presence is not Presence.HIDDEN:
            optional = " (optional)" if given.presence is Presence.OPTIONAL else ""
            default = given.options.get("default", "")
            table.add_row(given.name + optional, given.type, str(default), _values(given, files))
    console.print(table)
    for number, result in enumerate(schema.outputs):
        console.print(f"[dim]output {number}[/dim]  {result.name}  {result.type}{' (list)' if result.is_list else ''}")


def _values(given: Input, files: ListFiles) -> str:
    if given.choices is not None:
        choices = files(given.choices) if isinstance(given.choices, FileChoices) else given.choices
        return ", ".join(map(str, choices))
    bounds = [f"{name} {given.options[name]}" for name in ("min", "max", "step") if name in given.options]
    return ", ".join(bounds)


def _found(catalog: Catalog, name: str) -> NodeSchema:
    schema = catalog.get(name)
    if schema is None:
        folded = {kind.lower(): kind for kind in catalog}
        near = difflib.get_close_matches(name.lower(), folded, 3)
        raise BadInput(
            f"there is no node type {name!r}",
            f"Did you mean {', '.join(folded[kind] for kind in near)}?" if near else "List them with: limner nodes",
        )
    return schema
