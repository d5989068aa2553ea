"""Run nodes in a test, with no server and no engine.

result = run_node(invert, image=torch.zeros(1, 8, 8, 3))
assert result.values[0].mean() == 1
"""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import re
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from limner.graph import Presence

from .context import Cancelled
from .implementation import Implementation, Result
from .tape import BlankTape, Tape

Service = TypeVar("Service")


@dataclass(slots=True)
class RecordingContext:
    """A `NodeContext` that remembers what the node said. `cancel_after`: progress reports until it is cancelled."""

    services: tuple[object, ...] = ()
    hidden: Mapping[str, object] = field(default_factory=dict)
    node: str = "1"
    run: str = "test"
    folder: Path | None = None
    cancel_after: int | None = None
    reports: list[tuple[float, float, str]] = field(default_factory=list)
    previews: list[tuple[object, str]] = field(default_factory=list)

    def progress(self, value: float, maximum: float, text: str = "") -> None:
        self.reports.append((value, maximum, text))
        self.check_cancelled()

    def preview(self, image: object, media_type: str = "image/jpeg") -> None:
        self.previews.append((image, media_type))

    def check_cancelled(self) -> None:
        if self.cancel_after is not None and len(self.reports) >= self.cancel_after:
            raise Cancelled("cancelled by the test")

    def temporary_folder(self) -> Path:
        if self.folder is None:
            self.folder = Path(tempfile.mkdtemp(prefix="limner-test-"))
        return self.folder

    def once(self, what: str, decide: Callable[[], object]) -> tuple[object, bool]:
        return decide(), False

    def tape(self) -> Tape:
        return BlankTape()

    def service(self, kind: type[Service]) -> Service:
        for service in self.services:
            if isinstance(service, kind):
                return service
        raise LookupError(f"the test gave no {kind.__name__}; pass it in RecordingContext(services=...)")


def run_node(implementation: Implementation, /, context: RecordingContext | None = None, **inputs: object) -> Result:
    """Call a node with these inputs, as a host does.

    Defaults of the schema stand in for inputs that are not given; for a node that takes whole lists, a value that is no
    list becomes one. Inside inputs of dynamic ones are given by their full names, `**{"images.image0": picture}`.
    Raises TypeError where a required input is missing, and whatever the node raises.
    """
    schema = implementation.schema
    given: dict[str, object] = {
        entry.name: entry.options["default"] for entry in schema.inputs if "default" in entry.options
    }
    given.update(inputs)
    missing = [name for name in _required(implementation) if name not in given]
    if missing:
        raise TypeError(
            f"{schema.type}: input '{missing[0]}' is missing; give it to run_node, or a default to the node"
        )
    if schema.traits.list_wise:
        given = {name: value if isinstance(value, list) else [value] for name, value in given.items()}
    result = implementation.call(given, context or RecordingContext())
    if inspect.isawaitable(result):

        async def wait() -> Result:
            return await result

        return asyncio.run(wait())
    return result


def load_pack(folder: Path) -> ModuleType:
    """A pack's module, imported from its folder (or `.py` file) by the name that a host gives it.

    pack = load_pack(Path(__file__).parents[1])
    run_node(pack.nodes.soften, image=picture)
    """
    is_file = folder.is_file()
    name = "custom_nodes." + re.sub(r"\W", "_", folder.stem if is_file else folder.name)
    sys.modules.setdefault("custom_nodes", ModuleType("custom_nodes"))
    file, inside = (folder, None) if is_file else (folder / "__init__.py", [str(folder)])
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=inside)
    if spec is None or spec.loader is None:
        raise ImportError(f"{folder} is no pack")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _required(implementation: Implementation) -> list[str]:
    """The inputs that must be given: lazy ones may be left out, and those that the function has a default for."""
    function = getattr(implementation, "function", None)
    parameters = inspect.signature(function).parameters if function is not None else {}
    defaults = {name for name, parameter in parameters.items() if parameter.default is not parameter.empty}
    needed = (entry for entry in implementation.schema.inputs if entry.presence is Presence.REQUIRED and not entry.lazy)
    return [entry.name for entry in needed if entry.name not in defaults]
