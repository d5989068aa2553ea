"""How a server comes by its cluster, if the settings ask for one."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, cast

from limner.engine.ports import Said
from limner.executors.exchange import Host
from limner.executors.remote.token import use_token
from limner.files import FileProblem, Folders
from limner.queue import JobQueue
from limner.settings import Settings

from .hosts import Hosts
from .listening import CannotServe
from .needs import JobNeeds
from .node_set import NodeSet

if TYPE_CHECKING:
    from .cluster import Cluster

INSTALL = "Install it: pip install 'limner[cluster]'"


async def open_cluster(
    settings: Settings,
    hosts: Hosts,
    node_set: NodeSet,
    queue: JobQueue,
    folders: Folders,
    said: Callable[[Said], None],
    closing: AsyncExitStack,
) -> Cluster | None:
    """None where no cluster is asked for. Raises CannotServe where there is no Ray."""
    if not settings.cluster:
        return None
    if importlib.util.find_spec("ray") is None:
        raise CannotServe("a cluster needs Ray, which is not installed", INSTALL)
    await asyncio.to_thread(use_token, make=settings.cluster == "auto")
    from limner.executors.remote import ray

    from .cluster import Cluster

    try:
        joined = await asyncio.to_thread(ray.connect, settings.cluster)
    except ray.NoCluster as error:
        raise CannotServe(str(error), error.remedy) from error
    closing.callback(joined.leave)
    needs = JobNeeds(queue, folders, lambda: node_set.catalog)
    home = cast(Host, hosts.executor)
    return Cluster(
        home,
        queue,
        needs,
        lambda: node_set.catalog,
        said,
        home_takes=settings.cluster_home,
        home_models=_HomeModels(folders),
        elsewhere=folders.also_there,
    )


class _HomeModels(Mapping[str, frozenset[str]]):
    """The models of this machine, as they are whenever somebody asks."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders

    def __getitem__(self, kind: str) -> frozenset[str]:
        try:
            return frozenset(self._folders.own_model_files(kind))
        except FileProblem as error:
            raise KeyError(kind) from error

    def __iter__(self) -> Iterator[str]:
        return iter(self._folders.models)

    def __len__(self) -> int:
        return len(self._folders.models)
