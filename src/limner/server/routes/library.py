"""What packs add to the editor: workflow templates and translations."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aiohttp import web

from limner.files import checked

from ..answers import answer, not_found
from ..describe import describes
from ..frontend import serve
from ..services import Services, services

log = logging.getLogger(__name__)
TEMPLATE_FOLDERS = ("example_workflows", "example", "examples", "workflow", "workflows")
TEXT_FILES = ("nodeDefs", "commands", "settings")


def _packs(served: Services) -> Iterator[Path]:
    folder = served.folders.models.get("custom_nodes")
    for root in folder.paths if folder else ():
        if root.is_dir():
            yield from sorted(path for path in root.iterdir() if path.is_dir())


@describes(answer=dict[str, list[str]])
async def workflow_templates(request: web.Request) -> web.Response:
    """The packs' example workflows, by pack."""
    return answer(await asyncio.to_thread(_templates, services(request)))


def _templates(served: Services) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for pack in _packs(served):
        for name in TEMPLATE_FOLDERS:
            for path in sorted((pack / name).glob("*.json")):
                found.setdefault(pack.name, []).append(path.stem)
    return found


@describes(media=("*/*",))
async def workflow_template(request: web.Request) -> web.FileResponse:
    """One example workflow of a pack, or a picture beside it."""
    served, matched = services(request), request.match_info
    path = await asyncio.to_thread(_template, served, matched["pack"], matched["name"])
    return serve(path)


def _template(served: Services, pack: str, name: str) -> Path:
    checked(name)
    for folder in _packs(served):
        if folder.name == pack:
            for inner in TEMPLATE_FOLDERS:
                path = folder / inner / name
                if path.is_file():
                    return path
    not_found(f"The pack {pack} has no template {name!r}", "See /workflow_templates for those that there are")


@describes(answer=dict[str, dict[str, Any]])
async def translations(request: web.Request) -> web.Response:
    """The packs' texts for the editor, by language."""
    return answer(await asyncio.to_thread(_translations, services(request)))


def _translations(served: Services) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for pack in _packs(served):
        locales = pack / "locales"
        for language in sorted(locales.iterdir()) if locales.is_dir() else ():
            texts = _read(language / "main.json")
            texts |= {name: more for name in TEXT_FILES if (more := _read(language / f"{name}.json"))}
            if texts:
                _merge(found.setdefault(language.name, {}), texts)
    return found


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        log.warning("%s cannot be read: %s", path, error)
        return {}
    return data if isinstance(data, dict) else {}


def _merge(into: dict[str, Any], more: dict[str, Any]) -> None:
    """Nested objects are joined; of two other values the later stays."""
    waiting = [(into, more)]
    while waiting:
        target, source = waiting.pop()
        for key, value in source.items():
            if isinstance(value, dict) and isinstance(target.get(key), dict):
                waiting.append((target[key], value))
            else:
                target[key] = value


ROUTES = (
    web.get("/workflow_templates", workflow_templates),
    web.get("/workflow_templates/{pack}/{name:.+}", workflow_template),
    web.get("/i18n", translations),
)
