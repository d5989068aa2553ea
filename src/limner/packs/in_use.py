"""The packages that packs require, as a host has them on its path."""

from __future__ import annotations

import importlib
import site
import sys
from contextlib import ExitStack

from .errors import PackProblem
from .places import Places, lock_of
from .records import read_records
from .transaction import mend


class PackagesInUse:
    """The set of packages that is named now, behind all that Limner has; it is not deleted while it is in use.

    Another set takes the place of the one before, for what is imported from then on.
    """

    def __init__(self, places: Places) -> None:
        self._places = places
        self._locks = ExitStack()
        self._name = ""

    def refresh(self) -> None:
        """Take the set that is named now. Raises PackProblem where the records cannot be read."""
        mend(self._places)
        if not self._places.packs or not self._places.home.is_dir():
            return
        name = read_records(self._places.home).packages
        if name == self._name:
            return
        before, self._name = self._places.packages / self._name if self._name else None, name
        if before is not None:
            sys.path[:] = [entry for entry in sys.path if not entry.startswith(str(before))]
        folder = self._places.packages / name
        if name and not folder.is_dir():
            raise PackProblem(f"{folder} is missing, where the packages of packs are", "Install the packs again")
        if name:
            self._locks.enter_context(lock_of(folder, shared=True))
            known = list(sys.path)
            site.addsitedir(str(folder))
            sys.path[:] = [*known, *(entry for entry in sys.path if entry not in known)]
        importlib.invalidate_caches()

    def close(self) -> None:
        self._locks.close()
