"""What a file holds, judged by its name alone: `image`, `video`, `audio`, `model` (a 3D model), or nothing known."""

from __future__ import annotations

import mimetypes
from functools import lru_cache
from pathlib import PurePath

_MORE = {
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".jxl": "image/jxl",
    ".flac": "audio/flac",
    ".opus": "audio/opus",
    ".glb": "model/gltf-binary",
    ".gltf": "model/gltf+json",
    ".obj": "model/obj",
    ".stl": "model/stl",
    ".ply": "model/ply",
}
_MODELS = {".fbx", ".glb", ".gltf", ".obj", ".stl", ".ply"}


def media_type(name: str) -> str:
    """The media type of a file of this name, ``application/octet-stream`` where it is not known."""
    suffix = PurePath(name).suffix.lower()
    return _MORE.get(suffix) or _types().guess_type(f"x{suffix}", strict=False)[0] or "application/octet-stream"


def media_kind(name: str) -> str:
    """The first half of the media type, or ``model`` for files of 3D models."""
    return "model" if PurePath(name).suffix.lower() in _MODELS else media_type(name).split("/", 1)[0]


@lru_cache(maxsize=1)
def _types() -> mimetypes.MimeTypes:
    return mimetypes.MimeTypes()
