"""Work on large tensors in overlapping tiles, in any number of dimensions, as packs ask for it by `comfy.utils`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

Scale = float | Callable[[float], float]


def tiled_scale(
    samples: Tensor,
    function: Callable[[Tensor], Tensor],
    tile_x: int = 64,
    tile_y: int = 64,
    overlap: int = 8,
    upscale_amount: Scale = 4,
    out_channels: int = 3,
    output_device: Any = "cpu",
    pbar: Any = None,
) -> Tensor:
    """`function` over tiles of samples [batch, c, h, w]; [batch, out_channels, h * amount, w * amount], float32."""
    return tiled_scale_multidim(
        samples,
        function,
        (tile_y, tile_x),
        overlap=overlap,
        upscale_amount=upscale_amount,
        out_channels=out_channels,
        output_device=output_device,
        pbar=pbar,
    )


@torch.inference_mode()
def tiled_scale_multidim(
    samples: Tensor,
    function: Callable[[Tensor], Tensor],
    tile: Sequence[int] = (64, 64),
    overlap: int | Sequence[int] = 8,
    upscale_amount: Scale | Sequence[Scale] = 4,
    out_channels: int = 3,
    output_device: Any = "cpu",
    downscale: bool = False,
    index_formulas: Scale | Sequence[Scale] | None = None,
    pbar: Any = None,
) -> Tensor:
    """As `tiled_scale`, over as many dimensions as `tile` has.

    `upscale_amount` is how often larger the result is in each dimension (with `downscale`, smaller), a number or a
    function of the size; `index_formulas` the same for where a tile lies. A tile's weight rises linearly within the
    overlap.
    """
    count = len(tile)
    overlaps = list(overlap) if isinstance(overlap, Sequence) else [overlap] * count
    amounts = list(upscale_amount) if isinstance(upscale_amount, Sequence) else [upscale_amount] * count
    places = amounts if index_formulas is None else index_formulas
    places = list(places) if isinstance(places, Sequence) else [places] * count

    def scaled(by: Scale, value: float) -> int:
        if callable(by):
            return round(by(value))
        return round(value / by if downscale else value * by)

    sizes = list(samples.shape[2:])
    shape = [out_channels, *(scaled(amount, size) for amount, size in zip(amounts, sizes, strict=True))]
    result = torch.empty([samples.shape[0], *shape], device=output_device)
    starts = [
        range(0, size - over, side - over) if size > side else [0]
        for size, side, over in zip(sizes, tile, overlaps, strict=True)
    ]
    for item in range(samples.shape[0]):
        one = samples[item : item + 1]
        if all(size <= side for size, side in zip(sizes, tile, strict=True)):
            result[item : item + 1] = function(one).to(output_device)
            _told(pbar)
            continue
        total, weight = (torch.zeros([1, *shape], device=output_device) for _ in range(2))
        for corner in itertools.product(*starts):
            piece, at = one, []
            for dim, start in enumerate(corner):
                begin = max(0, min(sizes[dim] - overlaps[dim], start))
                piece = piece.narrow(dim + 2, begin, min(tile[dim], sizes[dim] - begin))
                at.append(scaled(places[dim], begin))
            made = function(piece).to(output_device)
            mask = _feather(made, [scaled(amount, over) for amount, over in zip(amounts, overlaps, strict=True)])
            window = (slice(None), slice(None), *(slice(a, a + n) for a, n in zip(at, made.shape[2:], strict=True)))
            total[window] += made * mask
            weight[window] += mask
            _told(pbar)
        result[item : item + 1] = total / weight
    return result


def _feather(made: Tensor, widths: Sequence[int]) -> Tensor:
    mask = torch.ones_like(made)
    for dim, width in enumerate(widths, 2):
        if 0 < width < made.shape[dim]:
            rising = (torch.arange(made.shape[dim], device=made.device) + 1).div(width).clamp(max=1)
            shape = [-1 if axis == dim else 1 for axis in range(made.ndim)]
            mask = mask * (rising * rising.flip(0)).view(shape)
    return mask


def _told(pbar: Any) -> None:
    if pbar is not None:
        pbar.update(1)
