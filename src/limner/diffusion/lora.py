"""LoRA weights: small matrices whose product is added to a weight (Hu et al. 2021, arXiv:2106.09685).

`W' = W + strength * alpha / rank * up @ down`. A convolution's matrices are taken flat (LoCon), with a core between
them where the file has one: `up @ core @ down`, in CP form as LyCORIS writes it. With a magnitude the sum is scaled
to it (DoRA: Liu et al. 2024, arXiv:2402.09353). Files may also hold whole differences.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from limner.diffusion.errors import AdapterError, CheckpointError
from limner.diffusion.tensorfile import open_tensors

ROLES = {
    ".lora_up.weight": "up",
    ".lora_down.weight": "down",
    ".lora_mid.weight": "mid",
    "_lora.up.weight": "up",
    "_lora.down.weight": "down",
    ".lora.up.weight": "up",
    ".lora.down.weight": "down",
    ".lora_linear_layer.up.weight": "up",
    ".lora_linear_layer.down.weight": "down",
    ".lora_B.weight": "up",
    ".lora_A.weight": "down",
    ".lora_B.default.weight": "up",
    ".lora_A.default.weight": "down",
    ".lora_B": "up",
    ".lora_A": "down",
    ".alpha": "alpha",
    ".dora_scale": "magnitude",
    ".diff": "diff",
    ".diff_b": "diff_bias",
    ".w_norm": "diff",
    ".b_norm": "diff_bias",
}
"""How trainers end the names of what belongs to one weight: kohya, diffusers, PEFT, LyCORIS."""


@dataclass(frozen=True, slots=True, eq=False)
class LowRank:
    """`up` [out, rank, ...] and `down` [rank, in, ...], their `scale` (alpha / rank), and what goes with them."""

    up: torch.Tensor
    down: torch.Tensor
    scale: float
    mid: torch.Tensor | None = None
    magnitude: torch.Tensor | None = None

    def fits(self, shape: torch.Size) -> bool:
        """Whether the product has as many numbers as a weight of this shape, and as many rows."""
        columns = self.down[0].numel() if self.mid is None else self.down.shape[1] * self.mid[0, 0].numel()
        rows, inner = self.up.shape[0], self.up[0].numel()
        return rows == shape[0] and inner == self.down.shape[0] and rows * columns == math.prod(shape)

    def delta(self, weight: torch.Tensor) -> torch.Tensor:
        """What is added to `weight` at strength 1, float32, in its shape."""
        up, down = (part.to(weight.device, torch.float32) for part in (self.up, self.down))
        if self.mid is None:
            product = up.flatten(1) @ down.flatten(1)
        else:
            core = self.mid.to(weight.device, torch.float32)
            product = torch.einsum("or,rsxy,si->oixy", up.flatten(1), core, down.flatten(1))
        change = product.reshape(weight.shape) * self.scale
        if self.magnitude is None:
            return change
        original = weight.float()
        moved = original + change
        magnitude = self.magnitude.to(weight.device, torch.float32)
        axis = 0 if magnitude.shape[0] == weight.shape[0] else 1
        others = [dim for dim in range(weight.ndim) if dim != axis]
        norm = moved.norm(dim=others, keepdim=True) + torch.finfo(torch.float32).eps
        scaled: torch.Tensor = moved * (magnitude.reshape(norm.shape) / norm)
        return scaled - original


@dataclass(frozen=True, slots=True, eq=False)
class Difference:
    """A whole difference of a weight or of a bias."""

    value: torch.Tensor

    def fits(self, shape: torch.Size) -> bool:
        """Whether the difference has the weight's number of values."""
        return self.value.numel() == math.prod(shape)

    def delta(self, weight: torch.Tensor) -> torch.Tensor:
        """What is added to `weight` at strength 1, float32, in its shape."""
        return self.value.to(weight.device, torch.float32).reshape(weight.shape)


Change = LowRank | Difference


@dataclass(frozen=True, slots=True)
class Lora:
    """A LoRA file, read. `weights` and `biases` map a module's name, as the file writes it, to what changes there.

    `unknown` names the tensors that are of no form known here.
    """

    path: Path
    weights: Mapping[str, Change]
    biases: Mapping[str, Difference]
    unknown: tuple[str, ...]


def read_lora(path: Path, allow_pickle: bool = False) -> Lora:
    """Read a LoRA file. Raises `AdapterError` where it is none, or damaged."""
    try:
        file = open_tensors(path, allow_pickle)
    except CheckpointError as error:
        problem = error.problem.removeprefix(f"{path.name}: ")
        raise AdapterError(path, problem, error.remedy) from error
    parts: dict[str, dict[str, torch.Tensor]] = {}
    unknown = []
    for name in file.shapes():
        role = next((suffix for suffix in ROLES if name.endswith(suffix)), None)
        if role is None:
            unknown.append(name)
        else:
            base = name.removesuffix(role)
            parts.setdefault(base, {})[ROLES[role]] = file.read(name, None, torch.contiguous_format)
    file.close()
    weights = {base: change for base, found in parts.items() if (change := _change(path, base, found)) is not None}
    biases = {base: Difference(found["diff_bias"]) for base, found in parts.items() if "diff_bias" in found}
    if not weights and not biases:
        raise AdapterError(path, "holds no LoRA weights", "Choose a LoRA file; models have nodes of their own")
    return Lora(path, weights, biases, tuple(unknown))


def _change(path: Path, base: str, found: Mapping[str, torch.Tensor]) -> Change | None:
    if "up" not in found and "down" not in found:
        return Difference(found["diff"]) if "diff" in found else None
    if "up" not in found or "down" not in found:
        lacking = "up" if "down" in found else "down"
        raise AdapterError(path, f"lacks the {lacking} matrix of {base}", "Download it again")
    alpha = found.get("alpha")
    rank = found["down"].shape[0]
    scale = 1.0 if alpha is None else float(alpha) / rank
    return LowRank(found["up"], found["down"], scale, found.get("mid"), found.get("magnitude"))
