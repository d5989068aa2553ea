"""ComfyUI's `comfy_extras.nodes_upscale_model`: networks that make pictures larger, read by spandrel where that is
installed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from torch import Tensor

from limner.comfy.shims.bridge import bridge_of
from limner.comfy.shims.objects.declared import declared
from limner.comfy.shims.objects.tiling import tiled_scale
from limner.diffusion import devices
from limner.diffusion.runtime import Runtime

bridge = bridge_of(__name__)
TILE, SMALLEST_TILE, OVERLAP = 512, 128, 32


@declared("UpscaleModelLoader", "load_model")
class UpscaleModelLoader:
    """A network of a file."""

    def load_model(self, model_name: str) -> tuple[Any]:
        """Raises ImportError where spandrel is not installed, ValueError for a file that is no such network."""
        try:
            spandrel = import_module("spandrel")
        except ImportError as error:
            raise ImportError(
                "upscale models are read by the package spandrel: install it (`pip install spandrel`)"
            ) from error
        path = import_module("folder_paths").get_full_path_or_raise("upscale_models", model_name)
        utils = import_module("comfy.utils")
        tensors = utils.load_torch_file(path, safe_load=True)
        if "module.layers.0.residual_group.blocks.0.norm1.weight" in tensors:
            tensors = utils.state_dict_prefix_replace(tensors, {"module.": ""})
        made = spandrel.ModelLoader().load_from_state_dict(tensors).eval()
        if not isinstance(made, spandrel.ImageModelDescriptor):
            raise ValueError(f"{model_name} is no network for single pictures")
        return (made,)


@declared("ImageUpscaleWithModel", "upscale")
class ImageUpscaleWithModel:
    """Pictures through such a network, in tiles."""

    def upscale(self, upscale_model: Any, image: Tensor) -> tuple[Tensor]:
        """image [batch, height, width, 3] in 0..1; the result is `upscale_model.scale` times as large."""
        runtime = bridge.services.get(Runtime)
        pixels, tile = image.movedim(-1, -3).to(runtime.device), TILE
        utils = import_module("comfy.utils")
        upscale_model.to(runtime.device)
        try:
            while True:
                steps = utils.get_tiled_scale_steps(pixels.shape[3], pixels.shape[2], tile, tile, OVERLAP)
                bar = utils.ProgressBar(pixels.shape[0] * steps)
                try:
                    scale = upscale_model.scale
                    larger = tiled_scale(pixels, upscale_model, tile, tile, OVERLAP, scale, pbar=bar)
                    return (larger.movedim(-3, -1).clamp(0.0, 1.0),)
                except RuntimeError as error:
                    if tile // 2 < SMALLEST_TILE or not devices.out_of_memory(error):
                        raise
                    tile //= 2
                    runtime.residency.unload_all()
        finally:
            upscale_model.to("cpu")
