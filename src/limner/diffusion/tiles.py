"""Large pictures in overlapping tiles, feathered into each other."""

from collections.abc import Callable, Iterator

import torch

Transform = Callable[[torch.Tensor], torch.Tensor]


def tiled(
    x: torch.Tensor, transform: Transform, tile: tuple[int, int], overlap: int, *, scale: float, channels: int
) -> torch.Tensor:
    """`transform` applied to tiles of x [batch, c, h, w]; float32 [batch, channels, h * scale, w * scale], on the CPU.

    `tile` is (height, width), `overlap` the cells that neighbours share, both in cells of x; within the overlap a
    tile's weight rises linearly.
    """
    height, width = (round(size * scale) for size in x.shape[2:])
    result = torch.empty((x.shape[0], channels, height, width))
    for index in range(x.shape[0]):
        total = torch.zeros((channels, height, width))
        weight = torch.zeros((1, height, width))
        for top, rows in _spans(x.shape[2], tile[0], overlap):
            for left, columns in _spans(x.shape[3], tile[1], overlap):
                piece = x[index : index + 1, :, top : top + rows, left : left + columns]
                made = transform(piece)[0].float().cpu()
                mask = _feather(made.shape[1], made.shape[2], round(overlap * scale))
                y, z = round(top * scale), round(left * scale)
                total[:, y : y + made.shape[1], z : z + made.shape[2]] += made * mask
                weight[:, y : y + made.shape[1], z : z + made.shape[2]] += mask
        result[index] = total / weight
    return result


def _spans(size: int, tile: int, overlap: int) -> Iterator[tuple[int, int]]:
    """Start and length of the tiles along one side."""
    if size <= tile:
        yield 0, size
        return
    for start in range(0, size - overlap, max(1, tile - overlap)):
        yield start, min(tile, size - start)


def _feather(height: int, width: int, overlap: int) -> torch.Tensor:
    return _ramp(height, overlap)[:, None] * _ramp(width, overlap)[None, :]


def _ramp(size: int, overlap: int) -> torch.Tensor:
    if not 0 < overlap < size:
        return torch.ones(size)
    rising = (torch.arange(size) + 1).div(overlap).clamp(max=1)
    return rising * rising.flip(0)
