"""A node's only window on the runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol, TypeVar

from .tape import Tape

Service = TypeVar("Service")


class Cancelled(Exception):
    """The run was interrupted; nodes let it pass."""


class NodeContext(Protocol):
    """Given to a node that has a parameter annotated `NodeContext`; valid during that call only."""

    @property
    def node(self) -> str:
        """The node's id in the graph."""
        ...

    @property
    def run(self) -> str:
        """The run's id."""
        ...

    @property
    def hidden(self) -> Mapping[str, object]:
        """`prompt` (the workflow, API form), `extra_pnginfo`, ... of the run."""
        ...

    def progress(self, value: float, maximum: float, text: str = "") -> None:
        """`value` of `maximum` is done. Raises `Cancelled` if the run was interrupted."""
        ...

    def preview(self, image: object, media_type: str = "image/jpeg") -> None:
        """Show the work so far: an encoded picture (bytes of this media type), or anything that is a picture.

        That is an `Image` tensor [B, H, W, C] (its first picture is shown) or array [H, W, C], float in 0..1 or uint8,
        or a Pillow image.
        """
        ...

    def check_cancelled(self) -> None:
        """Raises `Cancelled` if the run was interrupted."""
        ...

    def temporary_folder(self) -> Path:
        """A folder that is removed when the call ends."""
        ...

    def once(self, what: str, decide: Callable[[], object]) -> tuple[object, bool]:
        """`decide()`, which gives JSON, and False; or, when the step had begun before its job was interrupted, what it
        decided then, and True. For the names of files that must be written once."""
        ...

    def tape(self) -> Tape:
        """Where a long call writes down what it has done, and finds what an earlier attempt had. A new one each time
        that it is asked for."""
        ...

    def service(self, kind: type[Service]) -> Service:
        """The host's one object of this class (the model runtime, the folders, ...). Raises LookupError."""
        ...
