"""A queued job becomes a run."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Protocol

from limner.comfy.workflow import read_prompt
from limner.engine import RunRequest
from limner.graph import Catalog, Graph
from limner.graph.validate import Verdict
from limner.queue import Job, Place


class Admits(Protocol):
    async def admit(self, run: str, graph: Graph, targets: Sequence[str] | None) -> Verdict: ...


async def prepare(job: Job, catalog: Catalog, machine: Admits) -> RunRequest:
    """The run of a job. One that was queued before a restart is checked again. Raises InvalidGraph."""
    verdict = job.attachment
    if not isinstance(verdict, Verdict):
        verdict = (await machine.admit(job.id, read_prompt(job.prompt), job.targets)).require()
    hidden = {"extra_pnginfo": {}, **job.extra, "prompt": job.prompt, "client_id": job.client or ""}
    return RunRequest(job.id, verdict.graph, verdict.targets, catalog, hidden, job_key(job.place))


def job_key(job: Place) -> str:
    """Names a job on the disk: the same in every attempt, another for another job of the same id."""
    return blake2b(f"{job.id}\n{job.added!r}".encode(), digest_size=16).hexdigest()
