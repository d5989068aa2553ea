"""Static files: the official editor as it was installed, our extension of it, its templates and its node help.

Rules: nothing is changed on the way. A file is served from below its folder or not at all. What carries a hash in its
name may be kept by the browser for good; the rest is asked for again, and answered with 304 where it is the same.
"""

from __future__ import annotations

import importlib.util
from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from aiohttp import web

from limner.files import UnsafeName, below

from .answers import not_found
from .services import ServerSettings

PACKAGE = Path(__file__).resolve().parents[1]
DEFAULT_WORKFLOW = PACKAGE / "data" / "workflows" / "default.json"
FRONT_END = "comfyui_frontend_package"
DOCS = "comfyui_embedded_docs"
TEMPLATES = (
    "comfyui_workflow_templates_json",
    "comfyui_workflow_templates_media_api",
    "comfyui_workflow_templates_media_video",
    "comfyui_workflow_templates_media_image",
    "comfyui_workflow_templates_media_other",
    "comfyui_workflow_templates_media_assets_01",
    "comfyui_workflow_templates_media_assets_02",
)
FOREVER = "public, max-age=31536000, immutable"
REVALIDATE = "no-cache"
_OWN_TYPES = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".json": "application/json",
    ".wasm": "application/wasm",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
    ".md": "text/markdown",
}
"""Types that matter to a browser and that some systems' type tables have wrong."""


def package_folder(name: str) -> Path | None:
    """The folder of an installed package, which is not imported."""
    spec = importlib.util.find_spec(name)
    locations = list(spec.submodule_search_locations or ()) if spec else []
    return Path(locations[0]) if locations else None


@dataclass(frozen=True, slots=True)
class FrontEnd:
    """The folders that pages are served from. `extensions` are ours and the packs', by name.

    `legacy` is `web/extensions` of the base directory, where older packs put copies of their files.
    """

    root: Path | None
    extensions: Mapping[str, Path] = field(default_factory=dict)
    legacy: Path | None = None

    @classmethod
    def installed(cls, settings: ServerSettings, extensions: dict[str, Path], base: Path | None = None) -> FrontEnd:
        package = package_folder(FRONT_END)
        root = settings.front_end_root or (package / "static" if package else None)
        own = {"limner": PACKAGE / "web"}
        legacy = None if base is None else base / "web" / "extensions"
        return cls(root if root and root.is_dir() else None, ChainMap(own, extensions), legacy)

    def page(self, name: str) -> Path:
        """A file of the editor."""
        if self.root is None:
            not_found(
                "The editor is not installed",
                f"Install the package {FRONT_END}, or give --front-end-root; the API works without it",
            )
        return _file(self.root, name or "index.html")

    def scripts(self) -> Sequence[str]:
        """The paths of all editor extensions: the editor's own, ours, and those of packs."""
        own = sorted((self.root / "extensions").rglob("*.js")) if self.root else []
        paths = [f"/{path.relative_to(self.root).as_posix()}" for path in own if self.root]
        for name, folder in self.extensions.items():
            paths += _urls(f"/extensions/{quote(name)}", folder)
        if self.legacy is not None:
            paths += [path for path in _urls("/extensions", self.legacy) if path not in paths]
        return paths

    def extension(self, name: str, path: str) -> Path:
        if (name, path) == ("limner", DEFAULT_WORKFLOW.name):
            return DEFAULT_WORKFLOW
        folder = self.extensions.get(name)
        if folder is None and self.legacy is not None and (self.legacy / name).exists():
            return _file(self.legacy, f"{name}/{path}" if path else name)
        return self.page(f"extensions/{name}/{path}") if folder is None else _file(folder, path)


def _urls(prefix: str, folder: Path) -> list[str]:
    """Where the scripts of a folder are served."""
    return [f"{prefix}/{quote(path.relative_to(folder).as_posix())}" for path in sorted(folder.rglob("*.js"))]


def template(name: str) -> Path:
    """A file of the installed workflow templates."""
    for folder in _template_folders():
        try:
            path = below(folder, name)
        except UnsafeName:
            break
        if path.is_file():
            return path
    not_found(f"There is no template file {name!r}", "See /templates/index.json for those that are installed")


def doc(name: str) -> Path:
    """A file of the installed node help."""
    package = package_folder(DOCS)
    if package is None:
        not_found("The node help is not installed", f"Install the package {DOCS}")
    return _file(package / "docs", name)


def _template_folders() -> Iterator[Path]:
    for name in TEMPLATES:
        package = package_folder(name)
        if package:
            yield package / "templates"


def _file(folder: Path, name: str) -> Path:
    try:
        path = below(folder, name)
    except UnsafeName:
        not_found(f"There is no file {name!r}")
    if not path.is_file():
        not_found(f"There is no file {name!r}")
    return path


def serve(path: Path, cache: str = REVALIDATE) -> web.FileResponse:
    """The file, by sendfile, with ranges, entity tag and the right type."""
    headers = {"Cache-Control": cache}
    kind = _OWN_TYPES.get(path.suffix.lower())
    if kind:
        headers["Content-Type"] = kind
    return web.FileResponse(path, headers=headers)
