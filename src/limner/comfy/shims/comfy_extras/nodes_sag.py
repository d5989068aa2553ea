"""ComfyUI's `comfy_extras.nodes_sag`: the blur of self-attention guidance (Hong et al. 2023, arXiv:2210.00939)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad


def gaussian_blur_2d(img: Tensor, kernel_size: int, sigma: float) -> Tensor:
    """Each channel of img [batch, channels, height, width] blurred; an odd kernel, edges mirrored."""
    half = (kernel_size - 1) / 2
    bell = torch.exp(-0.5 * (torch.linspace(-half, half, kernel_size) / sigma) ** 2)
    weights = (bell / bell.sum()).to(img)
    channels = img.shape[-3]
    kernel = torch.outer(weights, weights).expand(channels, 1, kernel_size, kernel_size)
    padded = pad(img, [kernel_size // 2] * 4, mode="reflect")
    return conv2d(padded, kernel, groups=channels)
