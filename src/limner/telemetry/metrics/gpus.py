"""What NVIDIA's library tells of GPUs: use, memory, temperature, power. It needs the package nvidia-ml-py.

Without the package, the driver or a GPU there is nothing to tell. What one card does not know (a laptop's power, say)
is left out of its readings.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client.core import Metric

from . import families as f

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Gpu:
    """One card: memory in bytes, `utilization` from 0 to 1, degrees Celsius, watts; None is unknown."""

    index: int
    name: str
    memory_used: float | None = None
    memory_total: float | None = None
    utilization: float | None = None
    temperature: float | None = None
    power: float | None = None


class Gpus:
    """Reads the cards of this machine, in any thread. The library is opened when it is first asked."""

    def __init__(self, library: str = "pynvml") -> None:
        self._library = library
        self._opening = threading.Lock()
        self._opened = False
        self._nvml: Any = None
        self._absent = ""

    def _open(self) -> Any:
        with self._opening:
            if not self._opened:
                self._opened = True
                try:
                    nvml = importlib.import_module(self._library)
                    nvml.nvmlInit()
                    self._nvml = nvml
                except ImportError:
                    self._absent = "nvidia-ml-py is not installed"
                except Exception as error:  # NVML's own, one class for each of its codes
                    self._absent = str(error)
            return self._nvml

    @property
    def absent(self) -> str:
        """Why there are no cards to read; empty where there are."""
        self._open()
        return self._absent

    def driver(self) -> str:
        """The version of NVIDIA's driver; empty where there is none."""
        nvml = self._open()
        with contextlib.suppress(Exception):
            return _text(nvml.nvmlSystemGetDriverVersion())
        return ""

    def read(self) -> Sequence[Gpu]:
        """The cards as they are now."""
        nvml = self._open()
        if nvml is None:
            return ()
        try:
            return [_gpu(nvml, index) for index in range(nvml.nvmlDeviceGetCount())]
        except Exception as error:  # as when the driver is replaced beneath
            log.debug("the GPUs cannot be read: %s", error)
            return ()


def metrics(gpus: Sequence[Gpu]) -> Iterable[Metric]:
    """The cards' metrics, and the one of the first card that monitors of ComfyUI read."""
    first = gpus[0].utilization if gpus else None
    yield f.GPU_USAGE.of(100 * (first or 0.0))
    for family, name in (
        (f.GPU_MEMORY_USED, "memory_used"),
        (f.GPU_MEMORY_TOTAL, "memory_total"),
        (f.GPU_UTILISATION, "utilization"),
        (f.GPU_TEMPERATURE, "temperature"),
        (f.GPU_POWER, "power"),
    ):
        yield family.of(_known(gpus, name))


def _gpu(nvml: Any, index: int) -> Gpu:
    card = nvml.nvmlDeviceGetHandleByIndex(index)
    found: dict[str, float] = {}
    with contextlib.suppress(nvml.NVMLError):
        memory = nvml.nvmlDeviceGetMemoryInfo(card)
        found |= {"memory_used": float(memory.used), "memory_total": float(memory.total)}
    with contextlib.suppress(nvml.NVMLError):
        found["utilization"] = nvml.nvmlDeviceGetUtilizationRates(card).gpu / 100
    with contextlib.suppress(nvml.NVMLError):
        found["temperature"] = float(nvml.nvmlDeviceGetTemperature(card, nvml.NVML_TEMPERATURE_GPU))
    with contextlib.suppress(nvml.NVMLError):
        found["power"] = nvml.nvmlDeviceGetPowerUsage(card) / 1000
    return Gpu(index, _text(nvml.nvmlDeviceGetName(card)), **found)


def _known(gpus: Sequence[Gpu], name: str) -> Mapping[str, float]:
    return {str(gpu.index): value for gpu in gpus if (value := getattr(gpu, name)) is not None}


def _text(given: object) -> str:
    return given.decode("utf-8", "replace") if isinstance(given, bytes) else str(given)
