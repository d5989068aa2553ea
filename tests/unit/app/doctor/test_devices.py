"""Devices and drivers as the doctor finds them, on machines of other kinds too."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from limner.app.doctor import Finding, Level, devices
from limner.settings import resolve
from limner.telemetry.metrics import Gpu

CPU = {"name": "cpu", "type": "cpu", "problem": "", "free": 0, "total": 0}
CUDA = {"name": "cuda:0", "type": "cuda", "problem": "", "free": 70 * 2**30, "total": 80 * 2**30}
TORCH: Mapping[str, Any] = {
    "version": "2.9.0",
    "cuda": "12.8",
    "hip": None,
    "available": True,
    "problem": "",
    "threads": 4,
    "devices": [CUDA, CPU],
}


class Cards:
    """One card, or none and the reason."""

    def __init__(self, *cards: Gpu, absent: str = "") -> None:
        self._cards, self.absent = cards, absent

    def read(self) -> tuple[Gpu, ...]:
        return self._cards

    def driver(self) -> str:
        return "570.1" if self._cards else ""


CARD = Gpu(0, "A card", memory_total=80 * 2**30)


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    def look(cards: Cards, torch: Mapping[str, Any] | str, pci: int = 0, **given: object) -> Mapping[str, Finding]:
        monkeypatch.setattr(devices, "Gpus", lambda: cards)
        monkeypatch.setattr(devices, "nvidia_cards", lambda: pci)
        monkeypatch.setattr(devices, "probed", lambda: torch)
        settings = resolve({"base_directory": str(tmp_path), **given}, {})
        return {finding.what: finding for finding in devices.findings(settings)}

    return look


def test_this_machine_s_torch_computes() -> None:
    told = devices.probed()
    assert not isinstance(told, str), told
    assert any(device["name"] == "cpu" and not device["problem"] for device in told["devices"])


def test_a_card_with_its_driver_and_torch_is_well(looked: Any) -> None:
    found = looked(Cards(CARD), TORCH, pci=1)
    assert {finding.level for finding in found.values()} == {Level.OK}
    assert found["GPU 0"].found == "A card, 80.0 GB, driver 570.1"
    assert found["device cuda:0"].found == "computes; 70.0 of 80.0 GB are free"


def test_a_card_without_a_driver(looked: Any) -> None:
    found = looked(Cards(absent="Driver Not Loaded"), {**TORCH, "available": False, "devices": [CPU]}, pci=1)
    assert found["NVIDIA driver"].level is Level.WARNING and "Driver Not Loaded" in found["NVIDIA driver"].found
    assert "--gpus all" in found["NVIDIA driver"].remedy


def test_a_torch_for_the_cpu_on_a_machine_with_a_card(looked: Any) -> None:
    found = looked(Cards(CARD), {**TORCH, "cuda": None, "available": False, "devices": [CPU]})
    assert found["torch"].level is Level.WARNING and "CUDA" in found["torch"].remedy


def test_a_driver_that_is_too_old_for_torch(looked: Any) -> None:
    problem = "The NVIDIA driver on your system is too old"
    found = looked(Cards(CARD), {**TORCH, "available": False, "problem": problem, "devices": [CPU]})
    assert problem in found["torch"].found and "driver" in found["torch"].remedy


def test_a_device_that_does_not_compute(looked: Any) -> None:
    found = looked(Cards(CARD), {**TORCH, "devices": [{**CUDA, "problem": "no kernel image"}, CPU]})
    assert found["device cuda:0"].level is Level.PROBLEM and "--cpu" in found["device cuda:0"].remedy


def test_a_gpu_that_is_left_alone(looked: Any) -> None:
    assert looked(Cards(CARD), TORCH, cpu=True)["--cpu"].level is Level.NOTE


def test_a_torch_that_does_not_import(looked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert looked(Cards(), "its process ended with a signal (11)")["torch"].level is Level.PROBLEM
    monkeypatch.undo()
    ended = subprocess.CompletedProcess([], -11, "", "")
    monkeypatch.setattr(subprocess, "run", lambda *args, **more: ended)
    assert devices.probed() == "its process ended with a signal (11)"
    ended = subprocess.CompletedProcess([], 1, "", "Traceback\nOSError: libcudart.so.12: cannot open")
    assert devices.probed() == "its process ended with status 1: OSError: libcudart.so.12: cannot open"


def test_cards_are_counted_by_their_maker_and_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, vendor, kind in (("a", "0x10de", "0x030200"), ("b", "0x10de", "0x040300"), ("c", "0x8086", "0x030000")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "vendor").write_text(f"{vendor}\n")
        (tmp_path / name / "class").write_text(f"{kind}\n")
    (tmp_path / "d").mkdir()
    monkeypatch.setattr(devices, "PCI", tmp_path)
    assert devices.nvidia_cards() == 1
