"""The devices that models can run on, and their drivers.

torch is asked in a process of its own (`probe`): importing it takes seconds, and with a broken driver it may crash.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from limner.settings import Settings
from limner.telemetry.metrics import Gpus

from .finding import Finding, failed, noted, warned, well

SECONDS = 180
GIB = 2**30
NVIDIA = "0x10de"
PCI = Path("/sys/bus/pci/devices")
DISPLAY = "0x03"
"""How the PCI class of graphics cards begins."""
CUDA_TORCH = "Install torch's build for CUDA, as pytorch.org/get-started says; --cpu runs without"


def findings(settings: Settings) -> Iterator[Finding]:
    gpus = Gpus()
    driver, cards = gpus.driver(), gpus.read()
    for card in cards:
        memory = f", {card.memory_total / GIB:.1f} GB" if card.memory_total else ""
        yield well(f"GPU {card.index}", f"{card.name}{memory}, driver {driver}")
    if not cards and nvidia_cards():
        yield warned(
            "NVIDIA driver",
            f"a card is there that it does not see: {gpus.absent or 'it lists none'}",
            "Install the driver and start the machine anew; in a container, give it the GPU (docker run --gpus all)",
        )
    told = probed()
    if isinstance(told, str):
        yield failed("torch", told, "Install it anew: pip install --force-reinstall torch; the words above say why")
        return
    yield from _torch(told, bool(cards), settings)


def nvidia_cards() -> int:
    """How many of NVIDIA's graphics cards the machine has, whether or not a driver knows them."""

    def is_one(device: Path) -> bool:
        try:
            vendor, kind = (device / "vendor").read_text().strip(), (device / "class").read_text().strip()
        except OSError:
            return False
        return vendor == NVIDIA and kind.startswith(DISPLAY)

    return sum(map(is_one, PCI.iterdir())) if PCI.is_dir() else 0


def probed() -> Mapping[str, Any] | str:
    """What `probe` tells of torch, or why it told nothing."""
    command = [sys.executable, "-m", "limner.app.doctor.probe"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False, errors="replace")
    except subprocess.TimeoutExpired:
        return f"did not import within {SECONDS} s"
    last = done.stdout.strip().splitlines()[-1:]
    if done.returncode == 0 and last:
        told: Mapping[str, Any] = json.loads(last[0])
        return told
    words = done.stderr.strip().splitlines()[-1:]
    ended = f"a signal ({-done.returncode})" if done.returncode < 0 else f"status {done.returncode}"
    return f"its process ended with {ended}{f': {words[0]}' if words else ''}"


def _torch(told: Mapping[str, Any], has_cards: bool, settings: Settings) -> Iterator[Finding]:
    built = f"CUDA {told['cuda']}" if told["cuda"] else f"ROCm {told['hip']}" if told["hip"] else "the CPU alone"
    said = f"{told['version']}, built for {built}"
    if has_cards and not (told["cuda"] or told["hip"]):
        yield warned("torch", f"{said}: the GPU is not used", CUDA_TORCH)
    elif has_cards and not told["available"]:
        remedy = "Bring the driver up to date, or install a torch that is built for an older CUDA"
        yield warned("torch", f"{said}, and cannot use the GPU: {told['problem'] or 'it says no more'}", remedy)
    else:
        yield well("torch", said)
    for device in told["devices"]:
        name = f"device {device['name']}"
        if device["problem"]:
            yield failed(name, f"does not compute: {device['problem']}", f"{CUDA_TORCH}; --cpu leaves the device alone")
        elif device["type"] == "cpu":
            yield well(name, f"computes, {told['threads']} threads")
        else:
            yield well(name, f"computes; {device['free'] / GIB:.1f} of {device['total'] / GIB:.1f} GB are free")
    accelerated = any(device["type"] != "cpu" for device in told["devices"])
    if accelerated and settings.cpu:
        yield noted(
            "--cpu",
            "is set: models run on the processor although there is a GPU",
            "Leave it out of the command line or limner.toml",
        )
    elif not accelerated:
        remedy = "Large models want a GPU; the built-in model, and small ones, run well"
        yield noted("models", "run on the processor", remedy)
