"""Menu `latent/advanced/operations`: functions on latents, as values to link.

An operation takes `latent=` [batch, channels, height, width] and gives the changed one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeAlias

import torch
from torch import Tensor

from limner.sdk import Float, Int, Latent, Model, NodeContext, Socket, node

from ..origin import required
from ..tensors.filters import unsharp

MODULE = "comfy_extras.nodes_latent"
CATEGORY = "latent/advanced/operations"
Operation: TypeAlias = Annotated[Callable[..., Tensor], Socket("LATENT_OPERATION")]


@node(type="LatentApplyOperation", category=CATEGORY, module=MODULE, lane="cpu", experimental=True, v3=True)
def apply(samples: Latent, operation: Operation) -> Latent:
    """Change a latent by an operation."""
    return {**samples, "samples": operation(latent=samples["samples"])}


@node(type="LatentApplyOperationCFG", category=CATEGORY, module=MODULE, lane="cpu", experimental=True, v3=True)
def apply_while_sampling(model: Model, operation: Operation, context: NodeContext) -> Model:
    """Change, at each step, what the prompt adds to the negative prompt's prediction."""

    def change(arguments: dict[str, Any]) -> list[Tensor]:
        positive, *rest = arguments["conds_out"]
        base = rest[0] if len(rest) == 1 else torch.zeros_like(positive)
        return [operation(latent=positive - base) + base, *rest]

    clone = required(model, "model", "MODEL", context).clone()
    clone.options["sampler_pre_cfg_function"] = [*clone.options.get("sampler_pre_cfg_function", []), change]
    return clone


@node(type="LatentOperationTonemapReinhard", category=CATEGORY, module=MODULE, lane="cpu", experimental=True, v3=True)
def tonemap_reinhard(
    multiplier: Annotated[float, Float(default=1.0, min=0.0, max=100.0, step=0.01)],
) -> Operation:
    """Compress long vectors (Reinhard et al. 2002), which tames high guidance."""

    def tonemap(latent: Tensor, **_: Any) -> Tensor:
        length: Tensor = torch.linalg.vector_norm(latent, dim=1, keepdim=True) + 1e-10
        inner = tuple(range(1, latent.ndim))
        white = (length.std(inner, keepdim=True) * 5 + length.mean(inner, keepdim=True)) * multiplier
        relative = length / white
        return latent / length * (relative / (relative + 1.0) * white)

    return tonemap


@node(type="LatentOperationSharpen", category=CATEGORY, module=MODULE, lane="cpu", experimental=True, v3=True)
def sharpen(
    sharpen_radius: Annotated[int, Int(default=9, min=1, max=31, step=1)],
    sigma: Annotated[float, Float(default=1.0, min=0.1, max=10.0, step=0.1)],
    alpha: Annotated[float, Float(default=0.1, min=0.0, max=5.0, step=0.01)],
) -> Operation:
    """Sharpen the directions of a latent's vectors, and keep their lengths."""

    def sharpened(latent: Tensor, **_: Any) -> Tensor:
        length: Tensor = torch.linalg.vector_norm(latent, dim=1, keepdim=True) + 1e-6
        return length * unsharp((latent / length).movedim(1, -1), sharpen_radius, sigma, alpha).movedim(-1, 1)

    return sharpened
