"""LoRA files: which tensors belong together, and what change of a weight they say (see `weight_changes`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from limner.diffusion.errors import AdapterError, CheckpointError
from limner.diffusion.tensorfile import open_tensors
from limner.diffusion.weight_changes import Change, Difference, Factor, Hadamard, Kronecker, LowRank

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
    **{
        f".{part}": part
        for part in (
            *("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2"),
            *("lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2"),
        )
    },
}
"""How trainers end the names of what belongs to one weight: kohya, diffusers, PEFT, LyCORIS."""


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
    if any(part.startswith("hada_") for part in found):
        return _hadamard(path, base, found)
    if any(part.startswith("lokr_") for part in found):
        return _kronecker(path, base, found)
    if "up" not in found and "down" not in found:
        return Difference(found["diff"]) if "diff" in found else None
    _need(path, base, found, "up", "down")
    scale = _scale(found, found["down"].shape[0])
    return LowRank(found["up"], found["down"], scale, found.get("mid"), found.get("magnitude"))


def _hadamard(path: Path, base: str, found: Mapping[str, torch.Tensor]) -> Hadamard:
    _need(path, base, found, "hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b")
    first, second = (
        Factor(found[f"hada_w{side}_a"], found[f"hada_w{side}_b"], found.get(f"hada_t{side}")) for side in (1, 2)
    )
    return Hadamard(first, second, _scale(found, first.b.shape[0]), found.get("magnitude"))


def _kronecker(path: Path, base: str, found: Mapping[str, torch.Tensor]) -> Kronecker:
    sides: list[torch.Tensor | Factor] = []
    rank: int | None = None
    for side in ("lokr_w1", "lokr_w2"):
        if side in found:
            sides.append(found[side])
            continue
        _need(path, base, found, f"{side}_a", f"{side}_b")
        core = found.get("lokr_t2") if side == "lokr_w2" else None
        sides.append(Factor(found[f"{side}_a"], found[f"{side}_b"], core))
        rank = found[f"{side}_b"].shape[0]
    return Kronecker(sides[0], sides[1], _scale(found, rank), found.get("magnitude"))


def _scale(found: Mapping[str, torch.Tensor], rank: int | None) -> float:
    """alpha / rank; 1 where there is no alpha, or no rank, as for two whole matrices."""
    alpha = found.get("alpha")
    return 1.0 if alpha is None or not rank else float(alpha) / rank


def _need(path: Path, base: str, found: Mapping[str, torch.Tensor], *parts: str) -> None:
    for part in parts:
        if part not in found:
            raise AdapterError(path, f"lacks the {part} matrix of {base}", "Download it again")
