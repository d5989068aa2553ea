"""ComfyUI's `nodes`: the classes of all nodes, the built-in ones among them."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import Any

import torch

from limner.comfy.shims import known
from limner.comfy.shims.bridge import bridge_of
from limner.comfy.shims.objects import loader_nodes
from limner.comfy.shims.objects.saving import saving_classes
from limner.comfy.v1_classes import class_of
from limner.graph import FileChoices, Input

bridge = bridge_of(__name__)

MAX_RESOLUTION = 16384


def _choices(entry: Input) -> Iterable[Any]:
    return entry.choices if entry.choices is not None and not isinstance(entry.choices, FileChoices) else ()


_methods = {node.type: node.method for module in known.modules().values() for node in module.nodes.values()}
_saving = saving_classes(bridge)
for _type, _class in _saving.items():
    if _type in bridge.builtin:
        bridge.classes.setdefault(_type, _class)
for _type, _implementation in bridge.builtin.items():
    bridge.classes.setdefault(_type, class_of(_implementation, _methods.get(_type), bridge.services))
for _type in ("ImageScale", "ImageScaleBy", "LatentUpscale", "LatentUpscaleBy"):
    if _type in bridge.builtin:
        for _input in bridge.builtin[_type].schema.inputs:
            if _input.name in ("upscale_method", "crop"):
                setattr(bridge.classes[_type], f"{_input.name.removesuffix('_method')}_methods", list(_choices(_input)))

NODE_CLASS_MAPPINGS = bridge.classes
NODE_DISPLAY_NAME_MAPPINGS = bridge.display_names
EXTENSION_WEB_DIRS = bridge.web_directories
LOADED_MODULE_DIRS: dict[str, str] = {}


def before_node_execution() -> None:
    call = bridge.call()
    if call is not None:
        call.check_cancelled()


def interrupt_processing(value: bool = True) -> None:
    """Interrupt the run that this is called in; there is nothing to take back."""
    call = bridge.call()
    if value and call is not None:
        call.interrupt()


def common_ksampler(
    model: Any,
    seed: int,
    steps: int,
    cfg: float,
    sampler_name: str,
    scheduler: str,
    positive: Any,
    negative: Any,
    latent: dict[str, Any],
    denoise: float = 1.0,
    disable_noise: bool = False,
    start_step: int | None = None,
    last_step: int | None = None,
    force_full_denoise: bool = False,
) -> tuple[dict[str, Any]]:
    """What a KSampler node does: the LATENT with its samples denoised."""
    comfy_sample = import_module("comfy.sample")
    samples = comfy_sample.fix_empty_latent_channels(model, latent["samples"])
    noise = (
        torch.zeros_like(samples, device="cpu")
        if disable_noise
        else comfy_sample.prepare_noise(samples, seed, latent.get("batch_index"))
    )
    denoised = comfy_sample.sample(
        model,
        noise,
        steps,
        cfg,
        sampler_name,
        scheduler,
        positive,
        negative,
        samples,
        denoise=denoise,
        disable_noise=disable_noise,
        start_step=start_step,
        last_step=last_step,
        force_full_denoise=force_full_denoise,
        noise_mask=latent.get("noise_mask"),
        callback=import_module("latent_preview").prepare_callback(model, steps),
        disable_pbar=not import_module("comfy.utils").PROGRESS_BAR_ENABLED,
        seed=seed,
    )
    return ({**latent, "samples": denoised},)


def __getattr__(name: str) -> Any:
    """The class of a built-in node, as in `nodes.KSampler`, and modules that ComfyUI's `nodes` has imported."""
    if hasattr(loader_nodes, name) and name in known.modules()["nodes"].nodes:
        return bridge.classes.get(name) or getattr(loader_nodes, name)
    if name in bridge.classes:
        return bridge.classes[name]
    if name in _saving:
        return _saving[name]
    if name in ("folder_paths", "node_helpers", "latent_preview", "comfy"):
        return import_module(name)
    raise AttributeError(f"module 'nodes' has no attribute {name!r}")
