"""Who has a set of databases: one process at a time, for as long as it lives."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from .errors import DatabaseBusy, problem_of


class Lock:
    """Held from the moment that it is made until it is closed, or its process has ended, however that ended."""

    def __init__(self, path: Path) -> None:
        """Raises DatabaseBusy where another process has it, DatabaseProblem where the file cannot be made."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise problem_of(error, path, "locked") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._descriptor)
            raise DatabaseBusy(
                f"another server of this port uses {path.parent}", "End it, or choose another --port or folder"
            ) from None

    def close(self) -> None:
        os.close(self._descriptor)
