"""`python -m limner.app.pack_check ORDER`: import one pack in a process of its own, and tell what it does.

The order is JSON: `pack` (a copy in `base/custom_nodes`), `base` (a scratch base directory), `answer` (the file that
the report is written to), `network` (whether it may have one). The process may write below its scratch folder only,
where the system can hold it to that; `pip install` reaches nothing, and is told.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from importlib import import_module, metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from packaging.requirements import InvalidRequirement, Requirement

from limner.packs import report as r
from limner.packs.errors import PackProblem
from limner.packs.requirements import wanted_by

from . import import_watch

if TYPE_CHECKING:
    from limner.comfy.shims.report import MissingName

USUAL = ("nodes", "server", "execution", "folder_paths", "comfy.sd", "comfy.samplers", "comfy.model_management")
"""Modules of ComfyUI that packs patch."""
WRITABLE_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/tty", "/dev/shm", "/dev/urandom", "/dev/random")


def main() -> int:
    order = json.loads(sys.argv[1])
    pack, base, answer = Path(order["pack"]), Path(order["base"]), Path(order["answer"])
    sys.dont_write_bytecode = True
    refused = _confine(base, network=order["network"])
    report = check(pack, base, refused)
    answer.write_bytes(msgspec.json.encode(report))
    sys.stdout.flush()
    os._exit(0)  # threads that the pack has started shall not keep it


def check(pack: Path, base: Path, refused: str) -> r.Report:
    """Import the pack as a host does, and watch."""
    import torch  # noqa: F401  # a host has it

    from limner.comfy.packs import load_pack
    from limner.comfy.packs_quirks import mend_extension_loading
    from limner.comfy.shims import Bridge, install
    from limner.comfy.shims.report import missing
    from limner.files import Folders
    from limner.nodes.library import built_in
    from limner.plugins.library import Library
    from limner.plugins.services import Services

    folders = Folders.under(base)
    folders.prepare()
    library = Library(built_in())
    bridge = Bridge(folders, Services().add(Folders, folders), library)
    install(bridge)
    mend_extension_loading()
    for name in USUAL:
        import_module(name)
    watch = import_watch.ImportWatch(pack)
    watch.importing()
    loaded = load_pack(pack, bridge)
    nodes = sorted(node.schema.type for node in loaded.nodes)
    return r.Report(
        name=loaded.name,
        seconds=loaded.seconds,
        slow=[part for part in watch.slowest() if part[1] >= 0.01],
        nodes=nodes,
        replaced=[name for name in nodes if name in library],
        routes=_routes(),
        problems=[problem.message for problem in loaded.problems],
        traceback=next((_inside(problem.traceback, pack) for problem in loaded.problems if problem.traceback), ""),
        missing=_topmost(missing(pack)),
        doings=list(watch.found),
        patches=watch.patches(),
        modules=watch.modules(),
        requirements=_requirements(pack),
        refused=refused,
    )


def _inside(trace: str, pack: Path) -> str:
    """A traceback from the pack's first line on, without the lines of the watch."""
    head, *frames = filter(None, re.split(r"^(?=  File |\S)", trace, flags=re.MULTILINE))
    frames = [frame for frame in frames if f'File "{import_watch.__file__}"' not in frame]
    first = next((number for number, frame in enumerate(frames) if f'File "{pack}' in frame), 0)
    return "".join([head, *frames[first:]])


def _topmost(found: Sequence[MissingName]) -> list[r.Missing]:
    """Without what is reached through a name that is missing already."""
    names = {item.name for item in found}
    return [
        r.Missing(item.name, item.known, item.places)
        for item in found
        if not any(item.name.startswith(f"{name}.") for name in names)
    ]


def _routes() -> list[str]:
    """Method and path of what the pack serves."""
    instance: Any = getattr(sys.modules.get("server"), "PromptServer").instance  # noqa: B009  # a module made by us
    with contextlib.suppress(ValueError, RuntimeError):  # two of one path, or one for what is no path
        instance.app.add_routes(instance.routes)
    routes = [route for route in instance.app.router.routes() if route.resource is not None]
    return sorted({f"{route.method} {route.resource.canonical}" for route in routes if route.method != "HEAD"})


def _requirements(pack: Path) -> list[r.Requirement]:
    try:
        lines = wanted_by(pack)
    except PackProblem:
        return []  # the manifest is told among the problems
    return [_requirement(line) for line in lines]


def _requirement(line: str) -> r.Requirement:
    try:
        wanted = Requirement(line)
    except InvalidRequirement:
        return r.Requirement(line)
    if wanted.marker is not None and not wanted.marker.evaluate():
        return r.Requirement(line, met=True)
    try:
        version = metadata.version(wanted.name)
    except metadata.PackageNotFoundError:
        return r.Requirement(line)
    return r.Requirement(line, version, wanted.specifier.contains(version, prereleases=True))


def _confine(base: Path, *, network: bool) -> str:
    """Hold this process to the scratch folder; returns what it is kept from."""
    from limner.plugins import landlock, seccomp

    write = [base, Path(tempfile.gettempdir()), *map(Path, WRITABLE_DEVICES)]
    kept = [] if landlock.confine([Path("/")], write) else ["writing elsewhere"]
    if not network and not seccomp.deny(network=True, programs=False):
        kept.append("the network")
    return " and ".join(kept)


if __name__ == "__main__":
    sys.exit(main())
