"""How runs end, in the log."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from limner.app.journal import keep_journal
from limner.engine.events import RunFinished, StepFailed
from limner.engine.values import Failure
from limner.runs import Bus, Notice


async def test_ends_and_failures_are_logged_and_interruptions_are_no_errors(caplog: pytest.LogCaptureFixture) -> None:
    bus = Bus()
    keeping = asyncio.create_task(keep_journal(bus))
    await asyncio.sleep(0)
    caplog.set_level("INFO", "limner.runs")
    failure = Failure("ValueError", "too large", traceback=('  File "node.py", line 3\n',))
    stopped = Failure("Cancelled", "the run was interrupted", interrupted=True)
    events = [
        StepFailed("r", 1, "3", "3", "KSampler", failure),
        StepFailed("r", 2, "4", "4", "KSampler", stopped),
        RunFinished("r", 3, "failed", seconds=1.25),
    ]
    bus.publish([Notice(event, run="r") for event in events])
    await asyncio.sleep(0.01)
    keeping.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await keeping
    error, info = caplog.records
    assert (error.levelname, info.levelname) == ("ERROR", "INFO")
    assert error.getMessage() == "node 3 (KSampler) failed: too large"
    assert error.exception == '  File "node.py", line 3' and error.run == info.run == "r"  # type: ignore[attr-defined]
    assert info.getMessage() == "run r failed in 1.25 s"
