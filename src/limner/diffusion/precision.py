"""Which dtype each part of a model runs in.

On a CPU the rate decides: bfloat16 where the processor multiplies it natively (avx512_bf16 or AMX on x86, bf16 on
ARM), else float32. On CUDA the UNet takes half precision, which every family's authors run it in; bfloat16 for a VAE
that overflows in half precision. A text encoder is small and its numbers steer everything, so it stays in float32.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from limner.diffusion import packing
from limner.diffusion.errors import DeviceError

Choice = Literal["auto", "fp32", "bf16", "fp16"]
DTYPES: dict[str, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, slots=True)
class Precision:
    """The dtypes of the denoising network, the autoencoder and the text encoder.

    With `pack`, weights in bfloat16 are packed for the CPU (see `packing.py`).
    """

    network: torch.dtype
    vae: torch.dtype
    text: torch.dtype
    pack: bool = False


def choose(device: torch.device, network: Choice = "auto", vae: Choice = "auto", text: Choice = "auto") -> Precision:
    """The dtypes for a device; "auto" is the fastest that keeps the picture. Raises `DeviceError` on unknown names."""
    for choice in (network, vae, text):
        if choice not in ("auto", *DTYPES):
            raise DeviceError(f"There is no precision {choice!r}", f"Choose one of auto, {', '.join(DTYPES)}")
    automatic = _automatic(device, network)
    chosen = (DTYPES.get(network, automatic.network), DTYPES.get(vae, automatic.vae), DTYPES.get(text, automatic.text))
    return Precision(*chosen, device.type == "cpu" and packing.DTYPE in chosen and packing.available())


def _automatic(device: torch.device, network: Choice) -> Precision:
    if network == "fp32":  # asked for parity, so all of it
        return Precision(torch.float32, torch.float32, torch.float32)
    if device.type == "cpu":
        dtype = torch.bfloat16 if cpu_has_bf16() else torch.float32
        return Precision(dtype, dtype, torch.float32)
    if device.type == "cuda":
        vae = torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
        return Precision(torch.float16, vae, torch.float32)
    if device.type == "mps":
        return Precision(torch.float16, torch.float32, torch.float32)
    return Precision(torch.float32, torch.float32, torch.float32)


def cpu_has_bf16() -> bool:
    """Whether this processor multiplies bfloat16 natively: anything else would make it slower than float32."""
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    if capabilities:
        return any(bool(capabilities.get(name)) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    flags = next((line for line in text.splitlines() if line.lower().startswith(("flags", "features"))), "").split()
    return any(name in flags for name in ("avx512_bf16", "amx_bf16", "bf16"))
