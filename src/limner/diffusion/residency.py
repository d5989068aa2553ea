"""Which modules are on the device, and which wait beside it.

A `Resident` is a module with its size and its patches; everyone who shares the module shares the resident. `active`
brings it to the device, moving out those that were used longest ago where memory is short, and applies a model's
patches; while it is active it is not moved. Residents are held weakly: one that nobody refers to is gone.

Where the device has no memory of its own (a CPU) nothing moves.
"""

import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from limner.diffusion import devices
from limner.diffusion.patching import NO_PATCHES, Patcher, Patches

HEADROOM = 400 * 2**20
"""Bytes left free on the device beside the modules, for what one step computes at moderate sizes."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What is loaded: its name, bytes, and the device that it is on."""

    name: str
    size: int
    device: str


class Resident:
    """A module that can be moved. Made by `Residency.add`.

    `device` is where it is, `target` where it runs, `size` its bytes.
    """

    def __init__(self, name: str, module: torch.nn.Module, residency: "Residency") -> None:
        self.name = name
        self.module = module
        self.size = sum(t.numel() * t.element_size() for t in (*module.parameters(), *module.buffers()))
        self.device = next(module.parameters()).device
        self.last_used = time.monotonic()
        self.users = 0
        self.streamed = False
        self.target = residency.device
        self._residency = residency
        self._patcher = Patcher(module)
        self._lock = threading.RLock()

    @contextmanager
    def active(self, patches: Patches = NO_PATCHES, extra: int = 0) -> Iterator[torch.nn.Module]:
        """The module, on the device, with these patches and no others; `extra` bytes stay free beside it.

        One user at a time: others wait, since their patches may differ.
        """
        with self._lock:
            self.users += 1
            try:
                self._residency.load(self, extra)
                self._patcher.apply(patches)
                yield self.module
            finally:
                self.users -= 1
                self.last_used = time.monotonic()

    @property
    def originals(self) -> Mapping[str, torch.Tensor]:
        """The weights that patches stand in the place of now, by the parameter's name."""
        return self._patcher.originals

    def move(self, device: torch.device) -> None:
        """Move the module. What was patched stays patched."""
        self.module.to(device)
        self.device = device


class Residency:
    """The residents of one device. `budget` tells the bytes that are free; None means that nothing is ever short."""

    def __init__(self, device: torch.device, budget: Callable[[], int | None] | None = None) -> None:
        self.device = device
        self.parking = devices.parking(device)
        self._budget = budget or (lambda: devices.free_memory(device))
        self._residents: weakref.WeakSet[Resident] = weakref.WeakSet()
        self._lock = threading.RLock()

    def add(self, name: str, module: torch.nn.Module) -> Resident:
        """Take a module in; it is moved when it is first active."""
        resident = Resident(name, module, self)
        with self._lock:
            self._residents.add(resident)
        return resident

    def load(self, resident: Resident, extra: int = 0) -> None:
        """Bring a resident to the device, with `extra` bytes free beside it, moving others out where needed.

        One that the device has no room for stays in parking and its layers are brought over one by one.
        """
        with self._lock:
            here = resident.device == self.device
            wanted = (0 if here else resident.size) + extra + HEADROOM
            self.free(wanted, keep=resident)
            if here or resident.streamed or self.device == self.parking:
                return
            free = self._budget()
            if free is not None and free < resident.size + extra:
                self._stream(resident)
                return
            resident.move(self.device)

    def free(self, wanted: int, keep: Resident | None = None) -> int:
        """Move residents out, longest unused first, until `wanted` bytes are free. Returns the bytes moved."""
        moved = 0
        with self._lock:
            for resident in sorted(self._on_device(), key=lambda r: r.last_used):
                free = self._budget()
                if free is None or free >= wanted:
                    break
                if resident is keep or resident.users:
                    continue
                moved += self._park(resident)
        return moved

    def unload_all(self) -> int:
        """Move every resident out that is not in use. Returns the bytes moved."""
        with self._lock:
            moved = sum(self._park(resident) for resident in self._on_device() if not resident.users)
        devices.release_cached(self.device)
        return moved

    def loaded(self) -> list[Loaded]:
        """All residents, largest first."""
        with self._lock:
            found = [Loaded(r.name, r.size, str(r.device)) for r in self._residents]
        return sorted(found, key=lambda item: -item.size)

    def _on_device(self) -> list[Resident]:
        if self.device == self.parking:
            return []
        return [resident for resident in self._residents if resident.device == self.device]

    def _park(self, resident: Resident) -> int:
        resident.move(self.parking)
        devices.release_cached(self.device)
        return resident.size

    def _stream(self, resident: Resident) -> None:
        from accelerate import cpu_offload

        cpu_offload(resident.module, execution_device=self.device)
        resident.streamed = True
