"""ControlNets: networks that read a picture (edges, depth, a pose) and steer the denoising network by it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch

from limner.diffusion.residency import Resident

Residuals = tuple[list[torch.Tensor], torch.Tensor]
"""What is added to each output of the down blocks, and to the middle block's."""


@dataclass(frozen=True, slots=True)
class ControlNetwork:
    """A ControlNet of one file; `dtype` is what it computes in."""

    resident: Resident
    dtype: torch.dtype

    @torch.no_grad()
    def residuals(self, x: torch.Tensor, hint: torch.Tensor, step: torch.Tensor, context: torch.Tensor) -> Residuals:
        """For latents x [batch, 4, h, w] as the denoising network sees them.

        hint is a picture [batch, 3, 8h, 8w] in 0..1, step the time steps [batch], context vectors [batch, tokens,
        width]. The results are in `dtype`, on the device.
        """
        device, dtype = self.resident.target, self.dtype
        with self.resident.active() as module:
            network = cast(Callable[..., Any], module)
            down, middle = network(
                x.to(device, dtype),
                step.to(device, torch.float32),
                encoder_hidden_states=context.to(device, dtype),
                controlnet_cond=hint.to(device, dtype),
                return_dict=False,
            )
        return list(down), middle
