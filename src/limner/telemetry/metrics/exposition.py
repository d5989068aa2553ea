"""Metrics as Prometheus reads them: gathered from their sources, written as text.

Each source is asked in two parts: in the event loop for a copy of its numbers, which takes microseconds, and then in a
thread for the metrics, so that an answer of thousands of lines holds nobody up.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

log = logging.getLogger(__name__)

Source: TypeAlias = "Callable[[], Callable[[], Iterable[Metric]]]"
"""Called in the event loop; what it gives is called in a thread."""


class Exposition:
    """All metrics of a server."""

    def __init__(self, sources: Sequence[Source] = ()) -> None:
        self._sources = sources
        self._process = ProcessCollector(registry=None)

    async def scrape(self, accept: str = "") -> tuple[bytes, str]:
        """The metrics in the format that the Accept header wants, and its media type."""
        copies = [copy for source in self._sources if (copy := _copied(source)) is not None]
        return await asyncio.to_thread(self._written, copies, accept)

    def _written(self, copies: Sequence[Callable[[], Iterable[Metric]]], accept: str) -> tuple[bytes, str]:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self._process)
        for copy in copies:
            registry.register(_Taken(copy))
        encode, media_type = choose_encoder(accept)
        return encode(registry), media_type


class _Taken(Collector):
    """What one source gives; one that fails does not keep the others from being told."""

    def __init__(self, make: Callable[[], Iterable[Metric]]) -> None:
        self._make = make

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        try:
            return list(self._make())
        except Exception:
            log.exception("metrics of one source are left out")
            return ()


def _copied(source: Source) -> Callable[[], Iterable[Metric]] | None:
    try:
        return source()
    except Exception:
        log.exception("metrics of one source are left out")
        return None
