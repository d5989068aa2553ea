"""What happened to runs, as log lines."""

from __future__ import annotations

import logging

from limner.engine.events import RunFinished, StepFailed
from limner.runs import Bus, Message

log = logging.getLogger("limner.runs")


async def keep_journal(bus: Bus) -> None:
    """Log how each run ends, and the traceback of a node that failed, until cancelled."""
    subscription = bus.subscribe()
    try:
        async for batch in subscription:
            for message in batch:
                _note(message)
    finally:
        subscription.close()


def _note(message: Message) -> None:
    match message.body:
        case StepFailed(node=node, type=kind, failure=failure) if not failure.interrupted:
            where = "".join(failure.traceback).rstrip()
            log.error("node %s (%s) failed: %s%s", node, kind, failure.message, f"\n{where}" if where else "")
        case RunFinished(status=status, seconds=seconds):
            log.info("run %s %s in %.2f s", message.run, status, seconds)
        case _:
            pass
