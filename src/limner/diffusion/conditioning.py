"""Conditioning: what steers the denoising, and where, when and how strongly.

A list of pairs `[vectors, options]`: vectors float32 [1, tokens, width], options a dict with ComfyUI's names:

- `pooled_output`: [1, width];
- `area`: (height, width, y, x) in latent cells, or ("percentage", height, width, y, x) in shares of the picture;
- `strength`: the weight of this entry where entries overlap;
- `mask` [batch, height, width] in 0..1, `mask_strength`, `set_area_to_bounds`;
- `start_percent`, `end_percent`: the part of the denoising in which the entry acts, 0 the start;
- `control`, `control_apply_to_uncond`: a control network's residuals.

Every function returns a new list and leaves its arguments alone.
"""

from typing import Any

import torch

from limner.diffusion.errors import ConditioningError

Entry = list[Any]
"""`[vectors, options]`"""

Conditioning = list[Entry]

LATENT_CELL = 8
"""Pixels of the picture along one latent cell, in the units of `set_area`."""


def with_options(conditioning: Conditioning, options: dict[str, Any]) -> Conditioning:
    """Every entry with these options added, in place of those of the same name."""
    return [[vectors, {**present, **options}] for vectors, present in conditioning]


def combine(first: Conditioning, second: Conditioning) -> Conditioning:
    """Both, side by side: their predictions are averaged by strength."""
    return [*first, *second]


def concat(to: Conditioning, source: Conditioning) -> Conditioning:
    """The first entry of `source` appended, along the tokens, to each entry of `to`. Raises ConditioningError."""
    tail = source[0][0]
    _check_widths(to, tail)
    return [[torch.cat((vectors, tail), dim=1), dict(options)] for vectors, options in to]


def average(to: Conditioning, source: Conditioning, strength: float) -> Conditioning:
    """Each entry of `to` mixed with the first of `source`: `to * strength + source * (1 - strength)`.

    The source is cut or padded with zeros to each entry's number of tokens; pooled outputs mix likewise.
    Raises ConditioningError.
    """
    other, other_pooled = source[0][0], source[0][1].get("pooled_output")
    _check_widths(to, other)
    result: Conditioning = []
    for vectors, options in to:
        base = other[:, : vectors.shape[1]]
        base = torch.nn.functional.pad(base, (0, 0, 0, vectors.shape[1] - base.shape[1]))
        mixed = dict(options)
        pooled = options.get("pooled_output", other_pooled)
        if other_pooled is not None:
            mixed["pooled_output"] = (
                other_pooled if pooled is None else pooled * strength + other_pooled * (1.0 - strength)
            )
        result.append([vectors * strength + base * (1.0 - strength), mixed])
    return result


def _check_widths(to: Conditioning, vectors: torch.Tensor) -> None:
    """Raises ConditioningError for conditionings of different kinds of text encoders."""
    for present, _options in to:
        if present.shape[-1] != vectors.shape[-1]:
            raise ConditioningError(
                f"the two conditionings have vectors of {present.shape[-1]} and of {vectors.shape[-1]} numbers",
                "Encode both prompts with the CLIP that belongs to the model",
            )


def set_area(
    conditioning: Conditioning, width: int, height: int, x: int, y: int, *, strength: float = 1.0
) -> Conditioning:
    """Restrict to a rectangle, given in pixels of the picture."""
    cells = tuple(value // LATENT_CELL for value in (height, width, y, x))
    return with_options(conditioning, {"area": cells, "strength": strength, "set_area_to_bounds": False})


def set_area_percentage(
    conditioning: Conditioning, width: float, height: float, x: float, y: float, *, strength: float = 1.0
) -> Conditioning:
    """Restrict to a rectangle, given in shares (0..1) of the picture."""
    area = ("percentage", height, width, y, x)
    return with_options(conditioning, {"area": area, "strength": strength, "set_area_to_bounds": False})


def set_area_strength(conditioning: Conditioning, strength: float) -> Conditioning:
    """Set the weight that counts where entries overlap."""
    return with_options(conditioning, {"strength": strength})


def set_mask(
    conditioning: Conditioning, mask: torch.Tensor, strength: float = 1.0, to_bounds: bool = False
) -> Conditioning:
    """Weigh by a mask, [height, width] or [batch, height, width] in 0..1; `to_bounds` computes only around it."""
    batched = mask if mask.ndim >= 3 else mask[None]
    options = {"mask": batched, "set_area_to_bounds": to_bounds, "mask_strength": strength}
    return with_options(conditioning, options)


def set_timestep_range(conditioning: Conditioning, start: float, end: float) -> Conditioning:
    """Act only from `start` to `end`, shares (0..1) of the denoising."""
    return with_options(conditioning, {"start_percent": start, "end_percent": end})


def zero_out(conditioning: Conditioning) -> Conditioning:
    """All vectors and pooled outputs zero."""
    result: Conditioning = []
    for vectors, options in conditioning:
        emptied = dict(options)
        for name in ("pooled_output", "conditioning_lyrics"):
            if emptied.get(name) is not None:
                emptied[name] = torch.zeros_like(emptied[name])
        result.append([torch.zeros_like(vectors), emptied])
    return result
