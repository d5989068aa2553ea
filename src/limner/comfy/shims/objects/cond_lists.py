"""Lists of conditioning as ComfyUI samples with them: a dict a part, made ready for one run.

The keys: `model_conds` (name -> `conds.CONDRegular`, what the network gets), `area` in latent cells, `mask` in the
latent's size, `strength`, `timestep_start` and `timestep_end` as sigmas, `control`, `hooks`, `uuid`, and whatever else
nodes have put there. The rules are those of `limner.diffusion.areas`; packs call the steps one by one.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

Cond = dict[str, Any]
Conds = list[Cond]
WHOLE = 2**31
"""An area's size along a dimension that it does not restrict."""
SMALLEST = 8
"""Cells that the area around a mask has at least along each side."""


def convert_cond(cond: Sequence[Any]) -> Conds:
    """A CONDITIONING as a list of dicts."""
    made = []
    for vectors, options in cond:
        part = {**options, "model_conds": options.get("model_conds", {}), "uuid": uuid.uuid4()}
        if vectors is not None:
            part["cross_attn"] = vectors
        made.append(part)
    return made


def process_conds(
    model: Any,
    noise: Tensor,
    conds: dict[str, Conds],
    device: Any,
    latent_image: Tensor | None = None,
    denoise_mask: Tensor | None = None,
    seed: int | None = None,
) -> dict[str, Conds]:
    """Every list made ready for latents of the shape of `noise`."""
    for name, given_parts in list(conds.items()):
        conds[name] = parts = list(given_parts)
        resolve_areas_and_cond_masks_multidim(parts, noise.shape[2:], device)
        calculate_start_end_timesteps(model, parts)
    given = {"latent_image": latent_image, "denoise_mask": denoise_mask, "seed": seed}
    if hasattr(model, "extra_conds"):
        for name, parts in conds.items():
            encode_model_conds(model.extra_conds, parts, noise, device, name, **given)
    for name, parts in conds.items():
        for part in list(parts):
            for other, others in conds.items():
                if other != name:
                    create_cond_with_same_area_if_none(others, part)
    for parts in conds.values():
        for part in parts:
            for hook in part["hooks"].hooks if part.get("hooks") is not None else ():
                hook.initialize_timesteps(model)
        pre_run_control(model, parts)
    _share_with_others(conds)
    return conds


def _share_with_others(conds: dict[str, Conds]) -> None:
    """What the positive prompts have and the others have not, where it acts on them too."""
    positive = conds.get("positive")
    if positive is None:
        return
    steering = [part for part in positive if part.get("control_apply_to_uncond", False) is True]
    for name, parts in conds.items():
        if name != "positive":
            apply_empty_x_to_equal_area(steering, parts, "control", lambda found, number: found[number])
            apply_empty_x_to_equal_area(positive, parts, "gligen", lambda found, number: found[number])


def add_area_dims(area: Sequence[Any], num_dims: int) -> list[Any]:
    """The area with dimensions put before its own, which it does not restrict."""
    half = len(area) // 2
    missing = max(0, num_dims - half)
    return [*[WHOLE] * missing, *area[:half], *[0] * missing, *area[half:]]


def resolve_areas_and_cond_masks_multidim(conditions: Conds, dims: Sequence[int], device: Any) -> None:
    """Areas in shares become cells, masks take the latent's size; changed parts are put into the list anew."""
    for place, before in enumerate(conditions):
        part = before
        area = part.get("area")
        if area is not None and area[0] == "percentage":
            shares, half = area[1:], len(area) // 2
            sizes = [max(1, round(share * size)) for share, size in zip(shares[:half], dims, strict=False)]
            starts = [round(share * size) for share, size in zip(shares[half:], dims, strict=False)]
            part = {**part, "area": (*sizes, *starts)}
        if part.get("mask") is not None:
            part = _with_mask(part, dims, device)
        conditions[place] = part


def _with_mask(part: Cond, dims: Sequence[int], device: Any) -> Cond:
    mask = part["mask"].to(device)
    mask = mask.unsqueeze(0) if mask.ndim == len(dims) else mask
    if tuple(mask.shape[1:]) != tuple(dims):
        flat = mask.unsqueeze(1) if mask.ndim < 4 else mask
        flat = torch.nn.functional.interpolate(flat, size=tuple(dims[-2:]), mode="bilinear")
        mask = flat.squeeze(1) if mask.ndim < 4 else flat
    changed = {**part, "mask": mask}
    if part.get("set_area_to_bounds", False):
        changed["area"] = _bounds(mask)
    return changed


def _bounds(mask: Tensor) -> tuple[int, int, int, int]:
    """(height, width, y, x) around what is not zero; the smallest area where nothing is."""
    found = mask.abs().amax(dim=0)
    rows, columns = torch.where(found != 0)
    if not len(rows):
        return SMALLEST, SMALLEST, 0, 0
    top, left = int(rows.min()), int(columns.min())
    return max(SMALLEST, int(rows.max()) - top + 1), max(SMALLEST, int(columns.max()) - left + 1), top, left


def calculate_start_end_timesteps(model: Any, conds: Conds) -> None:
    """Shares of the denoising become sigmas."""
    to_sigma = model.model_sampling.percent_to_sigma
    for place, part in enumerate(conds):
        start, end = part.get("start_percent"), part.get("end_percent")
        if "clip_start_percent" in part:
            start = max(part["clip_start_percent"], 0.0 if start is None else start)
            end = min(part["clip_end_percent"], 1.0 if end is None else end)
        changed = dict(part)
        if start is not None:
            changed["timestep_start"] = to_sigma(start)
        if end is not None:
            changed["timestep_end"] = to_sigma(end)
        conds[place] = changed


def encode_model_conds(
    model_function: Callable[..., dict[str, Any]],
    conds: Conds,
    noise: Tensor,
    device: Any,
    prompt_type: str,
    **kwargs: Any,
) -> Conds:
    """Each part with what the model makes of it for its network."""
    width = noise.shape[3] * 8 if noise.ndim >= 4 else None
    usual = {"width": width, "height": noise.shape[2] * 8, "prompt_type": prompt_type, **kwargs}
    for place, part in enumerate(conds):
        given = {**usual, **part, "device": device, "noise": noise}
        conds[place] = {**part, "model_conds": {**part["model_conds"], **model_function(**given)}}
    return conds


def create_cond_with_same_area_if_none(conds: Conds, c: Cond) -> None:
    """Give a list a counterpart of a part that is restricted to an area: what the smallest around it says, there."""
    area = c.get("area")
    if area is None:
        return
    around = [part for part in conds if part.get("area") is None or _inside(area, part["area"])]
    if not around:
        return

    def cells(part: Cond) -> float:
        found = part.get("area")
        return math.inf if found is None else math.prod(found[: len(found) // 2])

    smallest = min(around, key=cells)
    if smallest.get("area") is None or smallest["area"] != area:
        conds.append({**c, "model_conds": dict(smallest["model_conds"])})


def _inside(inner: Sequence[int], outer: Sequence[int]) -> bool:
    dims = max(len(inner), len(outer)) // 2
    inner, outer = add_area_dims(inner, dims), add_area_dims(outer, dims)
    return all(
        inner[dims + dim] >= outer[dims + dim] and inner[dim] + inner[dims + dim] <= outer[dim] + outer[dims + dim]
        for dim in range(dims)
    )


def apply_empty_x_to_equal_area(
    conds: Sequence[Cond], uncond: Conds, name: str, uncond_fill_func: Callable[[list[Any], int], Any]
) -> None:
    """Put what whole parts of one list have under a name on whole parts of another, which has none of it."""
    found = [part[name] for part in conds if part.get("area") is None and part.get(name) is not None]
    whole = [place for place, part in enumerate(uncond) if part.get("area") is None]
    if any(uncond[place].get(name) is not None for place in whole) or not whole:
        return
    for number in range(len(found)):
        place = whole[number % len(whole)]
        uncond[place] = {**uncond[place], name: uncond_fill_func(found, number)}


def pre_run_control(model: Any, conds: Conds) -> None:
    """Tell controls of ComfyUI's form that a run begins."""
    for part in conds:
        if hasattr(part.get("control"), "pre_run"):
            part["control"].pre_run(model, model.model_sampling.percent_to_sigma)


def get_mask_aabb(masks: Tensor) -> tuple[Tensor, Tensor]:
    """Boxes (left, top, right, bottom) around what is not zero in each of [batch, h, w], and whether there is none."""
    boxes = torch.zeros((len(masks), 4), dtype=torch.int, device=masks.device)
    empty = torch.ones(len(masks), dtype=torch.bool, device=masks.device)
    for number, mask in enumerate(masks):
        rows, columns = torch.where(mask != 0)
        if len(rows):
            box = (columns.min(), rows.min(), columns.max(), rows.max())
            boxes[number], empty[number] = torch.stack(box).to(boxes), False
    return boxes, empty
