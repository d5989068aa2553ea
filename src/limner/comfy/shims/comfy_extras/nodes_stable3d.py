"""ComfyUI's `comfy_extras.nodes_stable3d`: where a camera stands, as Zero123 is told.

Liu et al. 2023, arXiv:2303.11328.
"""

from __future__ import annotations

import torch
from torch import Tensor


def camera_embeddings(elevation: float, azimuth: float) -> Tensor:
    """[1, 1, 4] of degrees: polar angle from the picture's, sine and cosine of the azimuth, the picture's own."""
    polar = torch.deg2rad(torch.tensor(float(-elevation)))
    turn = torch.deg2rad(torch.tensor(float(azimuth)))
    own = torch.deg2rad(torch.tensor(90.0))
    return torch.stack([polar, turn.sin(), turn.cos(), own]).reshape(1, 1, 4)
