"""What is moved out when memory is short. The device is imagined: moving is recorded, not done."""

from typing import Any

import pytest
import torch

from limner.diffusion.residency import Residency, Resident

CUDA = torch.device("cuda", 0)


class Device:
    """A device of `size` bytes, and its residency."""

    def __init__(self, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.size = size
        self.moves: list[tuple[str, str]] = []
        self.residency = Residency(CUDA, budget=self.free)
        self.residents: list[Resident] = []
        monkeypatch.setattr("limner.diffusion.residency.HEADROOM", 0)
        monkeypatch.setattr("limner.diffusion.devices.release_cached", lambda device: None)

    def free(self) -> int:
        used = sum(resident.size for resident in self.residents if resident.device == CUDA)
        return self.size - used

    def add(self, name: str, size: int) -> Resident:
        module = torch.nn.Linear(size // 4, 1, bias=False)
        resident = self.residency.add(name, module)
        self.residents.append(resident)
        return resident


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Device:
    made = Device(100, monkeypatch)

    def move(resident: Resident, device: torch.device) -> None:
        made.moves.append((resident.name, device.type))
        resident.device = device

    monkeypatch.setattr(Resident, "move", move)
    return made


def use(resident: Resident, extra: int = 0) -> None:
    with resident.active(extra=extra):
        pass


def test_what_fits_stays(device: Device) -> None:
    first, second = device.add("first", 40), device.add("second", 60)
    for resident in (first, second, first, second):
        use(resident)
    assert device.moves == [("first", "cuda"), ("second", "cuda")]


def test_the_longest_unused_is_moved_out_first(device: Device) -> None:
    first, second, third = (device.add(name, 40) for name in ("first", "second", "third"))
    use(first)
    use(second)
    use(first)
    use(third)
    assert device.moves[2:] == [("second", "cpu"), ("third", "cuda")]


def test_room_for_the_work_is_made_too(device: Device) -> None:
    first, second = device.add("first", 40), device.add("second", 40)
    use(first)
    use(second, extra=30)
    assert device.moves[1:] == [("first", "cpu"), ("second", "cuda")]


def test_what_is_in_use_is_not_moved(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = device.add("first", 60), device.add("second", 60)
    streamed: list[Any] = []
    monkeypatch.setattr(Residency, "_stream", lambda self, resident: streamed.append(resident.name))
    with first.active(), second.active():
        assert first.device == CUDA
    assert streamed == ["second"]
    assert device.residency.unload_all() == 60


def test_what_exceeds_the_device_is_streamed(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    streamed: list[Any] = []
    monkeypatch.setattr(Residency, "_stream", lambda self, resident: streamed.append(resident.name))
    use(device.add("huge", 400))
    assert streamed == ["huge"]
    assert device.moves == []


def test_free_and_unload(device: Device) -> None:
    first, second = device.add("first", 40), device.add("second", 40)
    use(first)
    use(second)
    assert device.residency.free(10) == 0
    assert device.residency.free(50) == 40
    assert device.residency.unload_all() == 40
    assert [item.device for item in device.residency.loaded()] == ["cpu", "cpu"]


def test_what_nobody_refers_to_is_forgotten() -> None:
    residency = Residency(torch.device("cpu"))
    resident = residency.add("a", torch.nn.Linear(2, 2))
    assert [(item.name, item.size) for item in residency.loaded()] == [("a", 24)]
    del resident
    assert residency.loaded() == []


def test_a_cpu_moves_nothing() -> None:
    residency = Residency(torch.device("cpu"))
    resident = residency.add("a", torch.nn.Linear(2, 2))
    with resident.active(extra=10**15) as module:
        assert module is resident.module
    assert residency.unload_all() == 0
    assert residency.free(10**15) == 0
