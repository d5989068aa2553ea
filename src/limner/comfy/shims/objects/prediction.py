"""One guided prediction in ComfyUI's terms: lists of conditioning -> what the network says to each -> one latent.

`model` is a `BaseModel` while it runs: it has `apply_model`, and `current_patcher`, which applies the hooks of each
part. Parts of equal size, hooks and control share a batch; each list's prediction is the mean of its parts', weighted
by area, mask and strength.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from limner.comfy.shims.objects.cond_lists import Cond, Conds, add_area_dims
from limner.comfy.shims.objects.wrappers import (
    WrapperExecutor,
    WrappersMP,
    get_all_wrappers,
    merge_nested_dicts,
)
from limner.diffusion import devices

Options = dict[str, Any]
FEATHER = 8
"""Cells over which an area's weight rises from its edges."""
NOTHING = 1e-37
"""A weight so small that it only keeps a division by the sum of weights from being one by zero."""


class CondObject(NamedTuple):
    """A part, ready for one step. `mult` is the weight of each cell of `input_x`."""

    input_x: Tensor
    mult: Tensor
    conditioning: dict[str, Any]
    area: list[int] | None
    control: Any
    patches: dict[str, list[Any]] | None
    uuid: Any
    hooks: Any


def get_area_and_mult(conds: Cond, x_in: Tensor, timestep_in: Tensor) -> CondObject | None:
    """A part's view of the latent x [batch, channels, ...] at a sigma; None where it does not act."""
    level, start, end = timestep_in[0], conds.get("timestep_start"), conds.get("timestep_end")
    if (start is not None and level > start) or (end is not None and level < end):
        return None
    dims = x_in.ndim - 2
    area = _area(conds.get("area"), x_in)
    seen = _narrowed(x_in, area)
    strength = conds.get("strength", 1.0)
    if conds.get("mask") is not None:
        mask = conds["mask"][: seen.shape[0]]
        for dim in range(dims if area is not None else 0):
            mask = mask.narrow(dim + 1, area[dims + dim], area[dim])  # type: ignore[index]
        mask = (mask * conds.get("mask_strength", 1.0)).unsqueeze(1)
        mult = mask.repeat(seen.shape[0] // mask.shape[0], seen.shape[1], *(1,) * (mask.ndim - 2)) * strength
    else:
        mult = torch.ones_like(seen) * strength
        if area is not None:
            _feather(mult, area, x_in.shape[2:])
    made = {
        name: value.process_cond(batch_size=x_in.shape[0], area=area) for name, value in conds["model_conds"].items()
    }
    patches = _positions(conds.get("gligen"), seen)
    return CondObject(seen, mult, made, area, conds.get("control"), patches, conds.get("uuid"), conds.get("hooks"))


def _area(given: Sequence[int] | None, x: Tensor) -> list[int] | None:
    if given is None:
        return None
    dims = x.ndim - 2
    area = add_area_dims(given, dims)
    half = len(area) // 2
    area = [*area[:dims], *area[half : half + dims]]
    return [*(min(x.shape[dim + 2] - area[dims + dim], area[dim]) for dim in range(dims)), *area[dims:]]


def _narrowed(tensor: Tensor, area: Sequence[int] | None) -> Tensor:
    """The part of a tensor [batch, channels, ...] in an area; a view."""
    dims = 0 if area is None else len(area) // 2
    for dim in range(dims):
        tensor = tensor.narrow(dim + 2, area[dims + dim], area[dim])  # type: ignore[index]
    return tensor


def _feather(mult: Tensor, area: Sequence[int], sizes: Sequence[int]) -> None:
    """Let the weight rise from every edge of the area that is not the latent's own."""
    dims = len(sizes)
    for dim, size in enumerate(sizes):
        length, start = area[dim], area[dims + dim]
        steps = min(FEATHER, mult.shape[dim + 2] // 4)
        for step in range(steps):
            share = (1.0 / steps) * (step + 1)
            if start:
                mult.narrow(dim + 2, step, 1).mul_(share)
            if length + start < size:
                mult.narrow(dim + 2, length - 1 - step, 1).mul_(share)


def _positions(gligen: Any, x: Tensor) -> dict[str, list[Any]] | None:
    """The patch of a GLIGEN part."""
    if gligen is None:
        return None
    model = gligen[1].model
    at_place = gligen[0] == "position"
    patch = model.set_position(x.shape, gligen[2], x.device) if at_place else model.set_empty(x.shape, x.device)
    return {"middle_patch": [patch]}


def cond_equal_size(c1: Mapping[str, Any], c2: Mapping[str, Any]) -> bool:
    """Whether what a network gets for two parts can share a batch."""
    return c1 is c2 or (c1.keys() == c2.keys() and all(c1[name].can_concat(c2[name]) for name in c1))


def can_concat_cond(c1: Any, c2: Any) -> bool:
    """Whether two parts can go through the network together."""
    return (
        c1.input_x.shape == c2.input_x.shape
        and c1.control is c2.control
        and c1.patches is c2.patches
        and cond_equal_size(c1.conditioning, c2.conditioning)
    )


def cond_cat(c_list: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the network gets for several parts in one batch."""
    found: dict[str, list[Any]] = {}
    for given in c_list:
        for name, value in given.items():
            found.setdefault(name, []).append(value)
    return {name: values[0].concat(values[1:]) for name, values in found.items()}


def calc_cond_batch(
    model: Any, conds: Sequence[Conds | None], x_in: Tensor, timestep: Tensor, model_options: Options
) -> list[Tensor]:
    """The prediction of each list, in the shape of x; zeros for None and where nothing acts."""
    wrappers = get_all_wrappers(WrappersMP.CALC_COND_BATCH, model_options, is_model_options=True)
    executor = WrapperExecutor.new_executor(_calc_cond_batch, wrappers)
    predicted: list[Tensor] = executor.execute(model, conds, x_in, timestep, model_options)
    return predicted


def _calc_cond_batch(
    model: Any, conds: Sequence[Conds | None], x_in: Tensor, timestep: Tensor, model_options: Options
) -> list[Tensor]:
    patcher = model.current_patcher
    waiting = _by_hooks(model, conds, x_in, timestep, model_options)
    patcher.prepare_state(timestep)
    totals = [torch.zeros_like(x_in) for _ in conds]
    weights = [torch.full_like(x_in, NOTHING) for _ in conds]
    for hooks, pieces in waiting.items():
        with patcher.hooked(hooks):
            own = patcher.apply_hooks(hooks=hooks)
            for batch in _batches(pieces):
                for (part, side), denoised in zip(
                    batch, _predicted(model, batch, timestep, model_options, own), strict=True
                ):
                    _narrowed(totals[side], part.area).add_(denoised * part.mult)
                    _narrowed(weights[side], part.area).add_(part.mult)
    return [total.div_(weight) for total, weight in zip(totals, weights, strict=True)]


Piece = tuple[CondObject, int]


def _by_hooks(
    model: Any, conds: Sequence[Conds | None], x: Tensor, timestep: Tensor, options: Options
) -> dict[Any, list[Piece]]:
    """The parts that act, each with the number of its list, by their hooks; those of `default` fill what is left."""
    found: dict[Any, list[Piece]] = {}
    filling: list[Conds] = []

    def add(ready: CondObject, side: int) -> None:
        if ready.hooks is not None:
            model.current_patcher.prepare_hook_patches_current_keyframe(timestep, ready.hooks, options)
        found.setdefault(ready.hooks, []).append((ready, side))

    for side, parts in enumerate(conds):
        filling.append([part for part in parts or () if "default" in part])
        for part in parts or ():
            ready = None if "default" in part else get_area_and_mult(part, x, timestep)
            if ready is not None:
                add(ready, side)
    for side, parts in enumerate(filling):
        if not parts:
            continue
        left = torch.ones_like(x)
        for ready, other in [piece for pieces in found.values() for piece in pieces]:
            if other == side:
                _narrowed(left, ready.area).sub_(ready.mult)
        left.relu_()
        if bool(left.any()):
            for part in parts:
                ready = get_area_and_mult(part, x, timestep)
                if ready is not None:
                    add(ready._replace(mult=left), side)
    return found


def _batches(pieces: list[Piece]) -> Iterator[list[Piece]]:
    """The pieces in groups that go through the network together."""
    while pieces:
        fitting = [piece for piece in pieces if can_concat_cond(piece[0], pieces[0][0])]
        pieces = [piece for piece in pieces if not any(piece is taken for taken in fitting)]
        yield fitting[::-1]


def _predicted(model: Any, batch: list[Piece], timestep: Tensor, options: Options, own: Options) -> list[Tensor]:
    """The predictions of a batch; in halves where memory runs out."""
    try:
        return list(_run(model, batch, timestep, options, own).chunk(len(batch)))
    except RuntimeError as error:
        if len(batch) == 1 or not devices.out_of_memory(error):
            raise
    devices.release_cached(timestep.device)
    middle = len(batch) // 2
    first, rest = batch[:middle], batch[middle:]
    return [*_predicted(model, first, timestep, options, own), *_predicted(model, rest, timestep, options, own)]


def _run(model: Any, batch: list[Piece], timestep: Tensor, options: Options, own: Options) -> Tensor:
    parts = [part for part, _side in batch]
    x = torch.cat([part.input_x for part in parts])
    levels = torch.cat([timestep] * len(batch))
    transformer = merge_nested_dicts(own, options.get("transformer_options", {}))
    if parts[0].patches is not None:
        transformer = merge_nested_dicts(transformer, {"patches": parts[0].patches})
    sides = [side for _part, side in batch]
    transformer |= {"cond_or_uncond": sides[:], "uuids": [part.uuid for part in parts], "sigmas": timestep}
    inputs = {**cond_cat([part.conditioning for part in parts]), "transformer_options": transformer}
    control = parts[0].control
    if hasattr(control, "get_control"):
        inputs["control"] = control.get_control(x, levels, inputs, len(batch), transformer)
    elif control is not None:
        inputs["control"] = control
    if wrapper := options.get("model_function_wrapper"):
        given = {"input": x, "timestep": levels, "c": inputs, "cond_or_uncond": sides}
        wrapped: Tensor = wrapper(model.apply_model, given)
        return wrapped
    predicted: Tensor = model.apply_model(x, levels, **inputs)
    return predicted


def cfg_function(
    model: Any,
    cond_pred: Tensor,
    uncond_pred: Tensor,
    cond_scale: float,
    x: Tensor,
    timestep: Tensor,
    model_options: Any = None,
    cond: Any = None,
    uncond: Any = None,
) -> Tensor:
    """`uncond + (cond - uncond) * scale`, by the hooks where there are some."""
    options = model_options or {}
    args = {
        "cond_scale": cond_scale,
        "timestep": timestep,
        "input": x,
        "sigma": timestep,
        "cond_denoised": cond_pred,
        "uncond_denoised": uncond_pred,
        "model": model,
        "model_options": options,
    }
    if combine := options.get("sampler_cfg_function"):
        # This hook works with the noise, x - denoised, on both ends.
        noise = {"cond": x - cond_pred, "uncond": x - uncond_pred, "input_cond": cond, "input_uncond": uncond}
        guided: Tensor = x - combine({**args, **noise})
    else:
        guided = uncond_pred + (cond_pred - uncond_pred) * cond_scale
    for hook in options.get("sampler_post_cfg_function", []):
        guided = hook({**args, "denoised": guided, "cond": cond, "uncond": uncond})
    return guided


def sampling_function(
    model: Any,
    x: Tensor,
    timestep: Tensor,
    uncond: Any,
    cond: Any,
    cond_scale: float,
    model_options: Any = None,
    seed: int | None = None,
) -> Tensor:
    """One guided prediction."""
    options = model_options or {}
    alone = math.isclose(cond_scale, 1.0) and not options.get("disable_cfg1_optimization", False)
    conds = [cond, None if alone else uncond]
    shared = {"conds": conds, "input": x, "sigma": timestep, "model": model, "model_options": options}
    if compute := options.get("sampler_calc_cond_batch_function"):
        out = compute(shared)
    else:
        out = calc_cond_batch(model, conds, x, timestep, options)
    for hook in options.get("sampler_pre_cfg_function", []):
        out = hook({**shared, "conds_out": out, "cond_scale": cond_scale, "timestep": timestep})
    return cfg_function(model, out[0], out[1], cond_scale, x, timestep, options, cond, conds[1])
