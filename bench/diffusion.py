"""How fast a Stable Diffusion 1.5-size model runs and loads on this processor, beside what the processor can do.

Run alone: other programs on the same cores show in every figure. Writes a checkpoint of 2.1 GB first, once.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.parity.checkpoint import checkpoint

from .report import Figure

BEYOND_READING = 4.0  # seconds
PEAK = 4.5  # GB
SHARE = 0.5  # of the matmul rate
SIDE = 32  # latent cells of a picture of 256 pixels
ROUNDS = 6


def figures() -> Iterator[Figure]:
    """Measure in processes of their own, so that memory is each one's."""
    path = checkpoint()
    _forget(path)
    reading = _timed(lambda: _read(path))
    _forget(path)
    load = _child("load", path)
    bound = reading + BEYOND_READING
    yield Figure("cold checkpoint to first step", load["seconds"], "s", reading, "reading the file", bound)
    yield Figure("peak memory of that job", load["peak"], "GB", path.stat().st_size / 1e9, "the file", PEAK)
    step = _child("step", path)
    if "matmul" in step:
        rate, matmul = step["flop"] / step["packed"] / 1e12, step["matmul"] / 1e12
        bound = SHARE * matmul
        yield Figure("UNet, 256x256, CFG", rate, "TFLOP/s", matmul, "bf16 matmul", bound, at_least=True)
    yield Figure("one step of it", step["packed"] * 1000, "ms", step["plain"] * 1000, "plain weights")


def load(path: Path) -> dict[str, float]:
    """From a file to the end of the first guided step, with the libraries' import in it; and the peak memory."""
    import torch

    from limner.diffusion.guidance import Guide
    from limner.diffusion.runtime import Runtime

    started = time.perf_counter()
    made = Runtime("cpu").load_checkpoint(path)
    assert made.text is not None
    positive, negative = made.text.encode("a red apple on a wooden table"), made.text.encode("blurry, text")
    noise = torch.randn(1, 4, SIDE, SIDE)
    with Guide(made.model, positive, negative, 7.0).prepare(noise) as denoiser:
        denoiser(noise * 14.6, torch.tensor([14.6]))
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9}


def step(path: Path) -> dict[str, float]:
    """The best time of one guided UNet call, packed and plain, and the best bf16 matmul rate, taken in turns."""
    import torch

    from limner.diffusion.families import networks
    from limner.diffusion.precision import cpu_has_bf16
    from limner.diffusion.runtime import Runtime

    torch.set_grad_enabled(False)
    packed = Runtime("cpu").load_checkpoint(path).model
    runtime = Runtime("cpu")
    runtime.precision = type(runtime.precision)(packed.dtype, packed.dtype, packed.dtype, pack=False)
    plain = runtime.load_checkpoint(path).model
    x = torch.randn(2, 4, SIDE, SIDE, dtype=packed.dtype).contiguous(memory_format=torch.channels_last)
    levels, vectors = torch.tensor([500.0, 500.0]), torch.randn(2, 77, 768, dtype=packed.dtype)
    best = {"packed": float("inf"), "plain": float("inf")}
    rate = 0.0
    for _ in range(ROUNDS):
        rate = max(rate, *(_matmul(size) for size in (1024, 2048, 4096)))
        for name, model in (("packed", packed), ("plain", plain)):
            network = model.resident.module
            best[name] = min(best[name], _timed(lambda: network(x, levels, encoder_hidden_states=vectors)))  # noqa: B023
    with torch.device("meta"):
        twin = networks.unet(dict(plain.resident.module.config))  # type: ignore[arg-type]
        return {**best, "flop": _flop(twin), **({"matmul": rate} if cpu_has_bf16() else {})}


def _flop(network: object) -> float:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        network(torch.randn(2, 4, SIDE, SIDE), torch.ones(2), encoder_hidden_states=torch.randn(2, 77, 768))  # type: ignore[operator]
    return float(counter.get_total_flops())


def _matmul(size: int) -> float:
    """Operations a second of one bf16 product of square matrices."""
    import torch

    a, b = torch.randn(size, size).bfloat16(), torch.randn(size, size).bfloat16()
    return 2 * size**3 / min(_timed(lambda: a @ b) for _ in range(3))


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _read(path: Path) -> None:
    with path.open("rb", buffering=0) as stream:
        while stream.read(2**23):
            pass


def _forget(path: Path) -> None:
    """Ask the system to drop the file from its memory."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _child(what: str, path: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.diffusion", what, str(path)]
    # As in Limner's hosts: threads that wait do not spin on cores that others want.
    environment = {"OMP_WAIT_POLICY": "PASSIVE", **os.environ}
    output = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    result: dict[str, float] = json.loads(output.splitlines()[-1])
    return result


if __name__ == "__main__":
    print(json.dumps({"load": load, "step": step}[sys.argv[1]](Path(sys.argv[2]))))
