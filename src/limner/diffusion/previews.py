"""Pictures of latents while sampling: a linear map from latent channels to red, green and blue."""

import numpy as np
import torch
from numpy.typing import NDArray

from limner.diffusion.families.base import LatentFormat


def latent_to_rgb(latent: torch.Tensor, space: LatentFormat) -> NDArray[np.uint8]:
    """Approximate pictures of scaled latents [batch, channels, h, w]: uint8 [batch, h, w, 3], one pixel a cell."""
    factors = torch.tensor(space.rgb_factors, dtype=torch.float32)
    bias = torch.tensor(space.rgb_bias, dtype=torch.float32)
    cells = latent.detach().to("cpu", torch.float32).movedim(1, -1)
    colours = torch.nan_to_num(cells @ factors + bias)
    pixels: NDArray[np.uint8] = ((colours + 1) / 2).clamp(0, 1).mul(255).to(torch.uint8).numpy()
    return pixels
