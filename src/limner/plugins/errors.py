"""What can go wrong between a server and its hosts, beside `limner.engine.ports.HostLost`."""

from __future__ import annotations


class UnknownTopic(LookupError):
    """The host was asked something that it has no handler for."""


class HostRefused(RuntimeError):
    """The host could not do what it was asked; `kind` is the type of its exception."""

    def __init__(self, kind: str, message: str) -> None:
        self.kind = kind
        super().__init__(message)


class LoadError(RuntimeError):
    """The host's library could not be loaded at all; `trace` is its traceback."""

    def __init__(self, message: str, trace: str) -> None:
        self.trace = trace
        super().__init__(message)
