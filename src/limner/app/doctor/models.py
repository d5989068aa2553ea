"""The models: how many there are, and files that would fail when they are loaded.

Of a `.safetensors` file the header is read, which says how long the file must be; nothing else of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from safetensors import SafetensorError, safe_open

from limner.files import Folders, package_data
from limner.settings import Settings

from .finding import Finding, noted, warned, well

GIB = 2**30
PICKLED = frozenset({".ckpt", ".pt", ".pth", ".bin", ".pkl"})
NO_MODELS = frozenset({"custom_nodes", "configs"})
POINTER = b"version https://git-lfs"
MOST = 20
"""Bad files that are told one by one."""


def findings(settings: Settings, folders: Folders) -> Iterator[Finding]:
    bad: list[Finding] = []
    counts: dict[str, int] = {}
    pickled: list[str] = []
    size = 0
    for kind, folder in folders.models.items():
        if kind in NO_MODELS:
            continue
        for root in folder.paths:
            if not root.is_relative_to(folders.base) and not root.is_dir():
                yield warned(kind, f"the folder {root} is not there", "Mount it, or correct extra_model_paths.yaml")
        for name in folders.model_files(kind):
            path = next((root / name for root in folder.paths if os.path.lexists(root / name)), Path(name))
            if path.is_relative_to(package_data()):
                continue
            counts[kind] = counts.get(kind, 0) + 1
            trouble = trouble_of(path)
            if trouble is not None:
                bad.append(warned(f"{kind}/{name}", *trouble))
                continue
            size += path.stat().st_size
            if path.suffix.lower() in PICKLED:
                pickled.append(f"{kind}/{name}")
    yield from bad[:MOST]
    if len(bad) > MOST:
        yield warned("models", f"{len(bad) - MOST} more files cannot be loaded", "Mend these first, and look again")
    yield from _pickled(pickled, allowed=settings.allow_pickle)
    yield _counted(counts, size, folders)


def trouble_of(path: Path) -> tuple[str, str] | None:
    """What is wrong with a model file, and the remedy; None where nothing is seen to be."""
    try:
        with path.open("rb") as file:
            begin = file.read(len(POINTER))
    except FileNotFoundError:
        return f"the link leads nowhere: {path}", f"Mend the link, or remove it: rm {path}"
    except OSError as error:
        return f"cannot be read: {error.strerror}", f"chmod or chown {path}, for the user that runs the server"
    if not begin:
        return "the file is empty", "Download it anew"
    if begin == POINTER:
        return "is a pointer of Git LFS, not the file", "Fetch it with: git lfs pull"
    if path.suffix.lower() in (".safetensors", ".sft"):
        try:
            with safe_open(path, framework="numpy"):
                pass
        except SafetensorError as error:
            return f"is cut off or damaged ({error})", "Download it anew"
        except OSError as error:
            return f"cannot be read: {error}", "Download it anew"
    return None


def _pickled(names: list[str], *, allowed: bool) -> Iterator[Finding]:
    if names and not allowed:
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        remedy = "Get them as .safetensors, or open them with --allow-pickle, which reads nothing but tensors"
        yield noted("pickled models", f"are refused: {shown}", remedy)


def _counted(counts: dict[str, int], size: int, folders: Folders) -> Finding:
    place = folders.model_folder("checkpoints").paths[0]
    if not counts:
        remedy = f"Put checkpoints into {place}, or name the folders of another installation in extra_model_paths.yaml"
        return noted("models", "none but the built-in one", remedy)
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
    return well("models", f"{told}; {size / GIB:.1f} GB")
