"""Copies of the host that nodes make with `os.fork`.

A copy has the host's connection to the server, and would keep it open when the host is dead; and where a node returns
in both, the copy would go on as a second host. So a copy closes the connection at once, and ends with its call.
"""

from __future__ import annotations

import contextlib
import os


class Original:
    """Knows the process that it was made in."""

    __slots__ = ("_process",)

    def __init__(self) -> None:
        self._process = os.getpid()

    def end_copies(self) -> None:
        """End this process at once, if it is a copy of the one that this was made in."""
        if os.getpid() != self._process:
            os._exit(0)


def close_in_copies(descriptor: int) -> None:
    """Copies of this process do not have this file descriptor."""

    def close() -> None:
        with contextlib.suppress(OSError):
            os.close(descriptor)

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=close)
