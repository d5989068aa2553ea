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
            known = {"run": message.run, "node": node, "node_type": kind}
            trace = "".join(failure.traceback).rstrip()
            told = known | ({"exception": trace} if trace else {})
            log.error("node %s (%s) failed: %s", node, kind, failure.message, extra=told)
        case RunFinished(status=status, seconds=seconds):
            ended = {"run": message.run, "status": status, "seconds": round(seconds, 2)}
            log.info("run %s %s in %.2f s", message.run, status, seconds, extra=ended)
        case _:
            pass
