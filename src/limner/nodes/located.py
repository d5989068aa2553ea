"""Files that users name in a loading node: whether they are there, and whether they are still the same.

Change tokens differ when a node would read something else from the same name. A file that is missing has an empty one:
the run itself reports it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from limner.files import FileProblem, Folders
from limner.sdk import NodeContext


def stamp(path: Path) -> str:
    """Time and size of a file: enough for large files, whose content is costly to read."""
    status = path.stat()
    return f"{path}:{status.st_mtime_ns}:{status.st_size}"


def digest(path: Path) -> str:
    """SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def media_complaint(kind: str, name: str, context: NodeContext) -> str | None:
    """What is wrong with the annotated name of an `image`, `audio` or `video` file; None where the file is there."""
    try:
        context.service(Folders).locate(name)
    except FileProblem as error:
        return f"Invalid {kind} file: {name} ({error})"
    return None


def media_token(name: str, context: NodeContext, of: Callable[[Path], str] = digest) -> str:
    """The change token of a file with an annotated name."""
    try:
        return of(context.service(Folders).locate(name))
    except (FileProblem, OSError):
        return ""


def model_token(kind: str, name: str, context: NodeContext) -> str:
    """The change token of a model file."""
    try:
        return stamp(context.service(Folders).resolve(kind, name))
    except (FileProblem, OSError):
        return ""
