"""Gathers a run's events into its history entry."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from limner.engine.events import (
    Event,
    RunFinished,
    RunStarted,
    StepFailed,
    StepFinished,
    StepsCached,
    StepStarted,
)
from limner.engine.values import BLOCKED
from limner.graph import InvalidGraph
from limner.queue import Job

from .entry import SECRETS, Entry, Note


class Scribe:
    """Writes one run's entry as its events come in."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._began = time.time()
        self._notes: list[Note] = []
        self._executed: dict[str, None] = {}
        self._types: dict[str, str] = {}
        self._shown_on: dict[str, str] = {}
        self._finished: RunFinished | None = None
        self._status = "failed"

    def hear(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, StepFinished):
                self._executed[event.inner] = None
                if event.inner != event.node and event.ui is not None:
                    self._shown_on[event.inner] = event.node
            elif isinstance(event, StepStarted):
                continue
            elif isinstance(event, RunStarted):
                self._note("started")
            elif isinstance(event, StepsCached):
                self._note("cached", nodes=list(event.nodes))
            elif isinstance(event, StepFailed):
                self._failed(event)
            elif isinstance(event, RunFinished):
                self._finish(event)

    def refused(self, error: InvalidGraph) -> None:
        """The job could not be run at all."""
        failure = {"kind": "InvalidGraph", "message": str(error), "remedy": "", "traceback": [], "inputs": {}}
        self._note("failed", node="", inner="", type="", executed=[], failure=failure)

    def _failed(self, event: StepFailed) -> None:
        self._note(
            "blocked" if event.failure.kind == BLOCKED else "failed",
            node=event.node,
            inner=event.inner,
            type=event.type,
            executed=list(self._executed),
            failure=asdict(event.failure),
        )

    def _finish(self, event: RunFinished) -> None:
        self._finished = event
        self._status = event.status
        if event.status == "done":
            self._note("done")
        elif event.status == "cancelled":
            node = event.failure.node if event.failure is not None else ""
            self._note("cancelled", node=node, type=self._type(node), executed=list(self._executed))
        elif event.failure is not None and not any(note.kind == "failed" for note in self._notes):
            where = event.failure.node
            self._note(
                "failed",
                node=where,
                inner=where,
                type=self._type(where),
                executed=list(self._executed),
                failure=asdict(event.failure),
            )

    def _type(self, node: str) -> str:
        entry = self._job.prompt.get(node)
        return str(entry.get("class_type", "")) if isinstance(entry, Mapping) else ""

    def _note(self, kind: str, **data: object) -> None:
        self._notes.append(Note(kind, int(time.time() * 1000), data))

    def entry(self) -> Entry:
        """What there is to remember, now that the run is over."""
        job = self._job
        return Entry(
            id=job.id,
            number=job.number,
            prompt=job.prompt,
            targets=job.targets,
            extra={key: value for key, value in job.extra.items() if key not in SECRETS},
            client=job.client,
            status=self._status,
            outputs=dict(self._finished.outputs) if self._finished is not None else {},
            shown_on=self._shown_on,
            notes=tuple(self._notes),
            started=self._began,
            finished=time.time(),
            owner=job.owner,
            home=job.home,
        )
