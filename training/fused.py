"""Fast group normalisation with SiLU for bfloat16 training on the CPU.

`fuse` swaps the normalisations of a diffusers network for these; weights keep their names.
Without a C++ compiler the network is left as it is.
"""

import ctypes
import shutil
import subprocess
from pathlib import Path
from typing import Any

import torch
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn
from torch.nn import functional as F

from training.paths import RUNS

SOURCE = Path(__file__).with_suffix(".cpp")
LIBRARY = RUNS / "fused.so"


def load_library() -> ctypes.CDLL | None:
    """Compile the kernels where needed and load them; None without a compiler."""
    if not LIBRARY.exists() or LIBRARY.stat().st_mtime < SOURCE.stat().st_mtime:
        compiler = shutil.which("g++")
        if compiler is None:
            return None
        RUNS.mkdir(parents=True, exist_ok=True)
        flags = ["-O3", "-march=native", "-ffast-math", "-mprefer-vector-width=512", "-fopenmp"]
        output = f"{LIBRARY}.part"
        command = [compiler, *flags, "-shared", "-fPIC", str(SOURCE), "-o", output, "-lmvec", "-lm"]
        subprocess.run(command, check=True)
        Path(output).rename(LIBRARY)
    return ctypes.CDLL(str(LIBRARY))


_library = load_library()


def pointer(tensor: Tensor) -> ctypes.c_void_p:
    """Address of a tensor's data."""
    return ctypes.c_void_p(tensor.data_ptr())


class FusedGroupNorm(torch.autograd.Function):
    """Group normalisation of bfloat16 (N, C, H, W), channels last, with an optional SiLU."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, groups: int, epsilon: float, silu: bool) -> Tensor:
        """Normalise; statistics are kept in float32."""
        assert _library is not None
        samples, channels, height, width = x.shape
        x = x.contiguous(memory_format=torch.channels_last)
        y = torch.empty_like(x)
        mean = torch.empty(samples, groups)
        rstd = torch.empty(samples, groups)
        sizes = [ctypes.c_int64(v) for v in (samples, height * width, channels, groups)]
        arrays = [pointer(t) for t in (x, weight, bias, y, mean, rstd)]
        _library.group_norm_forward(*arrays, *sizes, ctypes.c_float(epsilon), int(silu))
        ctx.save_for_backward(x, weight, bias, mean, rstd)
        ctx.groups, ctx.silu = groups, silu
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of input, weight and bias."""
        assert _library is not None
        x, weight, bias, mean, rstd = ctx.saved_tensors
        samples, channels, height, width = x.shape
        grad = grads[0].to(x.dtype).contiguous(memory_format=torch.channels_last)
        dx = torch.empty_like(x)
        weight_parts = torch.empty(samples, channels)
        bias_parts = torch.empty(samples, channels)
        sizes = [ctypes.c_int64(v) for v in (samples, height * width, channels, ctx.groups)]
        arrays = [pointer(t) for t in (grad, x, weight, bias, mean, rstd, dx, weight_parts, bias_parts)]
        _library.group_norm_backward(*arrays, *sizes, int(ctx.silu))
        return dx, weight_parts.sum(0), bias_parts.sum(0), None, None, None


class GroupNorm(nn.GroupNorm):
    """`nn.GroupNorm` that may apply SiLU too and runs the fused kernels on bfloat16."""

    silu = False

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (N, C, ...)."""
        if input.dtype == torch.bfloat16 and input.ndim == 4:
            arguments = (self.weight, self.bias, self.num_groups, self.eps, self.silu)
            fused: Tensor = FusedGroupNorm.apply(input, *arguments)  # type: ignore[no-untyped-call]
            return fused
        output = super().forward(input)
        return F.silu(output) if self.silu else output


def fuse(network: nn.Module) -> None:
    """Swap a network's group normalisations, and take in the SiLU that follows in resnets."""
    if _library is None:
        return
    for module in network.modules():
        if isinstance(module, nn.GroupNorm):
            module.__class__ = GroupNorm
    for module in network.modules():
        if isinstance(module, ResnetBlock2D):
            module.norm1.silu = module.norm2.silu = True
            module.nonlinearity = TimeActivation(module)
        elif hasattr(module, "conv_norm_out") and isinstance(module.conv_norm_out, GroupNorm):
            module.conv_norm_out.silu = True
            module.conv_act = nn.Identity()


class TimeActivation(nn.Module):
    """SiLU for time embeddings (N, C), identity for maps (N, C, H, W), which are done already."""

    def __init__(self, block: ResnetBlock2D) -> None:
        super().__init__()
        assert isinstance(block.nonlinearity, nn.SiLU)

    def forward(self, x: Tensor) -> Tensor:
        """Apply SiLU to vectors only."""
        return F.silu(x) if x.ndim == 2 else x
