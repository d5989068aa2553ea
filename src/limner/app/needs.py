"""What a queued job needs of the worker that runs it, by its graph alone."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator

from limner.comfy.workflow import read_prompt
from limner.executors.fleet.facts import Model, Needs
from limner.files import MEDIA_FOLDERS, FileProblem, Folders
from limner.graph import Catalog, FileChoices, InvalidGraph, Node, NodeSchema
from limner.graph.validate import Verdict
from limner.queue import Job, JobQueue, Place


def at_home(schema: NodeSchema) -> bool:
    """Whether nodes of this type have to do with the server's files: they load inputs, or save and show results."""
    return schema.traits.output or any(
        isinstance(item.choices, FileChoices) and item.choices.folder in MEDIA_FOLDERS for item in schema.inputs
    )


class JobNeeds:
    """Reads the graphs of jobs in a queue."""

    def __init__(self, queue: JobQueue, folders: Folders, catalog: Callable[[], Catalog]) -> None:
        self._queue, self._folders, self._catalog = queue, folders, catalog

    def of(self, place: Place) -> Needs:
        """Nothing for a job that is gone, or that has no graph: whoever runs it says so."""
        job = self._queue.find(place.id)
        if job is None:
            return Needs()
        return self._needs(_nodes(job), self._catalog())

    def _needs(self, nodes: Iterable[Node], catalog: Catalog) -> Needs:
        types: set[str] = set()
        models: set[Model] = set()
        for node in nodes:
            schema = catalog.get(node.type)
            if schema is not None and not at_home(schema):
                types.add(node.type)
                models.update(_models(node, schema))
        # They need not be on the device all at the same time, but each of them, whole.
        return Needs(frozenset(types), frozenset(models), max(map(self._size, models), default=0))

    def _size(self, model: Model) -> int:
        with contextlib.suppress(FileProblem):
            return self._folders.model_size(*model)
        return 0


def _nodes(job: Job) -> Iterable[Node]:
    if isinstance(job.attachment, Verdict):
        return job.attachment.graph.nodes.values()
    try:
        return read_prompt(job.prompt).nodes.values()
    except InvalidGraph:
        return ()


def _models(node: Node, schema: NodeSchema) -> Iterator[Model]:
    """The model files that its inputs name."""
    for item in schema.inputs:
        value, choices = node.inputs.get(item.name), item.choices
        if (
            isinstance(choices, FileChoices)
            and isinstance(value, str)
            and value not in (*choices.extra, *choices.after)
        ):
            yield choices.folder, value
