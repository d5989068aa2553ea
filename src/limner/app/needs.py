"""What a queued job needs of the worker that runs it, by its graph alone."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator

from limner.comfy.workflow import read_prompt
from limner.executors.fleet.facts import Model, Needs
from limner.files import MEDIA_FOLDERS, FileProblem, Folders
from limner.graph import Catalog, FileChoices, Input, InvalidGraph, Node, NodeSchema
from limner.graph.validate import Verdict
from limner.queue import Job, JobQueue, Place

PACKS = "custom_nodes."
CROSSING = frozenset(
    {
        "IMAGE",
        "MASK",
        "LATENT",
        "AUDIO",
        "VIDEO",
        "CONDITIONING",
        "SIGMAS",
        "STRING",
        "INT",
        "FLOAT",
        "BOOLEAN",
        "COMBO",
        "*",
    }
)
"""Socket types whose values go from machine to machine."""


def at_home(schema: NodeSchema) -> bool:
    """Whether nodes of this type have to do with the server's files: they load inputs, or save and show results.

    A pack's node that gives results and takes a model, or what else may not cross, may do anything: it runs where these
    are.
    """
    if schema.traits.output:
        return not schema.module.startswith(PACKS) or all(map(_crosses, schema.inputs))
    return any(isinstance(item.choices, FileChoices) and item.choices.folder in MEDIA_FOLDERS for item in schema.inputs)


def _crosses(item: Input) -> bool:
    return item.choices is not None or set(item.type.split(",")) <= CROSSING


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
    """Those that its targets take part of."""
    try:
        graph = job.attachment.graph if isinstance(job.attachment, Verdict) else read_prompt(job.prompt)
    except InvalidGraph:
        return ()
    return [graph.nodes[name] for name in graph.upstream(job.targets or graph.nodes)]


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
