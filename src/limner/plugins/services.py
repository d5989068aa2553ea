"""What a host offers its nodes: one object of each class, asked for by its class."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any, TypeVar, cast

Service = TypeVar("Service")


class Services:
    """Objects by class. A service may be given as a factory: it is made at its first use, once, in any thread.

    A service of which each home has its own part (`engine.ports.HOME_KEY`) is given with how that is had of it.
    """

    def __init__(self, *services: object) -> None:
        self._made: dict[type[Any], object] = {type(service): service for service in services}
        self._factories: dict[type[Any], Callable[[], object]] = {}
        self._parts: dict[type[Any], Callable[[Any, str], object]] = {}
        self._lock = Lock()

    def add(self, kind: type[Service], service: Service) -> Services:
        self._made[kind] = service
        return self

    def add_factory(self, kind: type[Service], factory: Callable[[], Service]) -> Services:
        self._factories[kind] = factory
        return self

    def by_home(self, kind: type[Service], part: Callable[[Service, str], Service]) -> Services:
        """Give each home its own part of a service: `part(service, home)`."""
        self._parts[kind] = part
        return self

    def get(self, kind: type[Service], home: str = "") -> Service:
        """The service of this class, or of a class below it, or the part of a home. Raises LookupError."""
        found = self._made.get(kind)
        if found is None:
            found = self._make(kind)
        if home and kind in self._parts:
            found = self._parts[kind](found, home)
        return cast(Service, found)

    def _make(self, kind: type[Any]) -> object:
        with self._lock:
            if kind in self._made:
                return self._made[kind]
            for known, factory in self._factories.items():
                if issubclass(known, kind):
                    made = self._made.setdefault(known, factory())
                    return self._made.setdefault(kind, made)
            for service in self._made.values():
                if isinstance(service, kind):
                    return service
        raise LookupError(f"this host has no {kind.__module__}.{kind.__qualname__}")
