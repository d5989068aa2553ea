"""A queued job becomes a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Protocol

from limner.comfy.workflow import read_prompt
from limner.engine import RunRequest
from limner.engine.ports import HOME_KEY
from limner.files import MEDIA_FOLDERS
from limner.graph import Catalog, FileChoices, Graph, Input, NodeSchema
from limner.graph.validate import Verdict
from limner.queue import Job, Place

PACKS = "custom_nodes."
"""What the modules of packs' nodes begin with."""


class Admits(Protocol):
    async def admit(self, run: str, graph: Graph, targets: Sequence[str] | None, home: str = "") -> Verdict: ...


async def prepare(job: Job, catalog: Catalog, machine: Admits) -> RunRequest:
    """The run of a job. One that was queued before a restart is checked again. Raises InvalidGraph."""
    verdict = job.attachment
    if not isinstance(verdict, Verdict):
        verdict = (await machine.admit(job.id, read_prompt(job.prompt), job.targets, job.home)).require()
    hidden = {"extra_pnginfo": {}, **job.extra, "prompt": job.prompt, "client_id": job.client or ""}
    hidden[HOME_KEY] = job.home
    return RunRequest(
        job.id, verdict.graph, verdict.targets, catalog, hidden, job_key(job.place), salt=salt_of(job.home)
    )


def salt_of(home: str) -> Callable[[NodeSchema], str]:
    """What sets a user's steps apart from those of others: those that read or write files of the user's folders, and
    all of packs, of which nobody knows what they look at. What loads models is everyone's.
    """

    def salt(schema: NodeSchema) -> str:
        sees = schema.traits.output or schema.module.startswith(PACKS) or any(map(_of_media, schema.inputs))
        return home if sees else ""

    return salt


def _of_media(item: Input) -> bool:
    return isinstance(item.choices, FileChoices) and item.choices.folder in MEDIA_FOLDERS


def job_key(job: Place) -> str:
    """Names a job on the disk: the same in every attempt, another for another job of the same id."""
    return blake2b(f"{job.id}\n{job.added!r}".encode(), digest_size=16).hexdigest()
