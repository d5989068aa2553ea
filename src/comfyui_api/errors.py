"""What can go wrong in the client.

ComfyUIError
|- ServerUnreachable    no server answers at the address
|- WorkflowFailed       the server rejected the workflow, or a node failed
"""

from __future__ import annotations

from collections.abc import Mapping


class ComfyUIError(Exception):
    """Base of all errors of this package."""


class ServerUnreachable(ComfyUIError, ConnectionError):
    """No server answers at this address. Start one with `limner serve`, or name another address."""

    def __init__(self, url: str, reason: object) -> None:
        self.url = url
        super().__init__(f"no server answers at {url} ({reason}); start one with: limner serve")


class WorkflowFailed(ComfyUIError):
    """The workflow was rejected or one of its nodes failed; `error` and `node_errors` are the server's words."""

    def __init__(self, error: Mapping[str, object], node_errors: Mapping[str, object]) -> None:
        self.error = error
        self.node_errors = node_errors
        details = error.get("details")
        super().__init__(f"{error.get('message', 'the workflow failed')}{f': {details}' if details else ''}")


class NodeFailed(ComfyUIError):
    """A node that ran in this process failed."""

    def __init__(self, node_type: str, message: str, remedy: str = "") -> None:
        self.node_type, self.remedy = node_type, remedy
        super().__init__(f"{node_type}: {message}{f'. {remedy}' if remedy and remedy not in message else ''}")
