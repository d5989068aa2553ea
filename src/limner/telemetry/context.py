"""Which run the code at hand works for: known to log lines, in the server and in hosts alike.

    with in_run(job.id):
        log.info("begins")          # the line carries run=<id>

It goes with asyncio tasks and with what is handed to an event loop, not with threads that are started inside. Standard
library only: hosts of other Pythons import it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

RUN: ContextVar[str] = ContextVar("limner_run", default="")
"""The id of the run, the same in every process; empty outside of runs."""


@contextmanager
def in_run(run: str) -> Iterator[None]:
    """What happens in this context belongs to the run."""
    token = RUN.set(run)
    try:
        yield
    finally:
        RUN.reset(token)
