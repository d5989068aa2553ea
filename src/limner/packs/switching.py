"""Packs switched on and off, and given a host of their own. Call these with the lock."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from . import requirements
from .errors import PackExists
from .installed import InstalledPack
from .places import DISABLED, RECORDS, Places
from .records import read_records
from .transaction import Change


def disable(places: Places, pack: InstalledPack) -> Path:
    """Put `.disabled` behind its name, as ComfyUI-Manager does; gives where it is now. Raises PackProblem."""
    if not pack.enabled:
        return pack.path
    target = _free(pack.path.with_name(pack.path.name + DISABLED))
    with Change(places) as change:
        change.move(pack.path, target)
        change.commit()
    return target


def enable(places: Places, pack: InstalledPack) -> Path:
    """Take it away again, with what the pack requires in place. Raises PackProblem."""
    if pack.enabled:
        return pack.path
    folder = pack.path.parent.parent if pack.path.parent.name == DISABLED else pack.path.parent
    target = _free(folder / (f"{pack.name}.py" if pack.path.is_file() else pack.name))
    with Change(places) as change:
        if pack.managed:
            packages = requirements.settled(places, change, {pack.name: (pack.path, pack.isolated)})
            change.write(places.home / RECORDS, replace(read_records(places.home), packages=packages).written())
        change.move(pack.path, target)
        change.commit()
    requirements.tidy(places, read_records(places.home).packages)
    return target


def isolate(places: Places, pack: InstalledPack, *, isolated: bool = True) -> None:
    """Have it run in a host of its own, or with the others. Raises PackProblem."""
    folder = pack.path.parent.parent if pack.path.parent.name == DISABLED else pack.path.parent
    records = read_records(folder).having(pack.name, isolate=isolated)
    with Change(places) as change:
        if pack.enabled and pack.managed:
            packages = requirements.settled(places, change, {pack.name: (pack.path, isolated)})
            records = replace(records, packages=packages)
        elif isolated:
            requirements.alone(pack.name, pack.path)
        change.write(folder / RECORDS, records.written())
        change.commit()
    requirements.tidy(places, read_records(places.home).packages)


def _free(target: Path) -> Path:
    if os.path.lexists(target):
        raise PackExists(f"{target} is in the way", "Move it away, or remove one of the two")
    return target
