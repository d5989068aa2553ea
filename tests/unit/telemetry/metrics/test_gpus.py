"""Cards as NVIDIA's library tells of them: a library of the same names, in the place of the real one."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from limner.telemetry.metrics import gpus
from limner.telemetry.metrics.gpus import Gpu, Gpus


class NVMLError(Exception):
    pass


class TwoCards(ModuleType):
    """The second one knows no power, and its name is bytes, as older versions give it."""

    NVMLError = NVMLError
    NVML_TEMPERATURE_GPU = 0

    def nvmlInit(self) -> None: ...

    def nvmlSystemGetDriverVersion(self) -> str:
        return "550.54"

    def nvmlDeviceGetCount(self) -> int:
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetName(self, card: int) -> str | bytes:
        return b"Older card" if card else "Card"

    def nvmlDeviceGetMemoryInfo(self, card: int) -> Any:
        return SimpleNamespace(used=2**30 * (card + 1), total=2**33)

    def nvmlDeviceGetUtilizationRates(self, card: int) -> Any:
        return SimpleNamespace(gpu=75 if card == 0 else 5)

    def nvmlDeviceGetTemperature(self, card: int, sensor: int) -> int:
        return 60 + card

    def nvmlDeviceGetPowerUsage(self, card: int) -> int:
        if card:
            raise NVMLError("Not Supported")
        return 120_500


def values(cards: list[Gpu]) -> Mapping[tuple[str, str], float]:
    return {
        (sample.name, sample.labels.get("gpu", "")): sample.value
        for metric in gpus.metrics(cards)
        for sample in metric.samples
    }


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(sys.modules, "two_cards", TwoCards("two_cards"))
    return "two_cards"


def test_each_card_is_read_and_what_one_does_not_know_is_left_out(library: str) -> None:
    reader = Gpus(library)
    first, second = reader.read()
    assert first == Gpu(0, "Card", 2**30, 2**33, 0.75, 60.0, 120.5)
    assert second == Gpu(1, "Older card", 2**31, 2**33, 0.05, 61.0, None)
    assert (reader.driver(), reader.absent) == ("550.54", "")


def test_the_metrics_are_in_bytes_ratios_and_watts_and_comfyui_s_in_percent(library: str) -> None:
    found = values(list(Gpus(library).read()))
    assert found["comfyui_gpu_usage", ""] == 75.0
    assert found["limner_gpu_memory_used_bytes", "1"] == 2**31
    assert found["limner_gpu_utilization_ratio", "0"] == 0.75
    assert found["limner_gpu_power_watts", "0"] == 120.5 and ("limner_gpu_power_watts", "1") not in found


def test_without_the_library_there_are_no_cards_and_the_use_is_none() -> None:
    reader = Gpus("no_such_library")
    assert reader.read() == () and reader.driver() == "" and "not installed" in reader.absent
    assert values([]) == {("comfyui_gpu_usage", ""): 0.0}


def test_without_a_driver_the_reason_is_kept(monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    def fails() -> None:
        raise NVMLError("Driver Not Loaded")

    monkeypatch.setattr(sys.modules[library], "nvmlInit", fails)
    reader = Gpus(library)
    assert reader.read() == () and reader.absent == "Driver Not Loaded"


def test_a_driver_that_goes_away_leaves_nothing_to_read(monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    reader = Gpus(library)
    assert len(reader.read()) == 2

    def fails() -> int:
        raise NVMLError("GPU is lost")

    monkeypatch.setattr(sys.modules[library], "nvmlDeviceGetCount", fails)
    assert reader.read() == ()
