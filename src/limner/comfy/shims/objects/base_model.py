"""ComfyUI's `BaseModel`: what packs find at `model.model`, over one of Limner's models."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor

from limner.comfy.shims.objects.conds import CONDCrossAttn, CONDNoiseShape, CONDRegular
from limner.comfy.shims.objects.latent_formats import latent_format_of
from limner.comfy.shims.objects.model_sampling import as_model_sampling
from limner.comfy.shims.objects.model_types import type_of
from limner.comfy.shims.objects.supported import config_of
from limner.comfy.shims.objects.unet import UNetModel
from limner.comfy.shims.objects.weights import DIFFUSION
from limner.comfy.shims.objects.wrappers import WrapperExecutor, WrappersMP, get_all_wrappers
from limner.diffusion.guidance import GuidedDenoiser
from limner.diffusion.model import Model
from limner.diffusion.patching import Patches

GREY = (0.8223, -0.6876, 0.6364, 0.1380)
"""What Stable Diffusion 1's autoencoder makes of even grey, in sampling's scale."""


class BaseModel(torch.nn.Module):
    """A network with its noise levels and its latent space. `core` is the model of Limner.

    `weights` are the patches in force while it is sampled with, `current_patcher` whose options hold meanwhile.
    """

    def __init__(self, core: Model) -> None:
        super().__init__()
        self.core = core
        network = core.resident.module
        is_unet = isinstance(network, UNet2DConditionModel)
        self.diffusion_model: Any = UNetModel.of(network, core.keys) if is_unet else network
        self.model_sampling = as_model_sampling(core.parameterization)
        self.__dict__["sampling_at_start"] = self.model_sampling
        self.latent_format = latent_format_of(core.latent)
        self.model_type = type_of(core)
        self.model_config = config_of(core, self.latent_format)
        self.device: Any = core.device
        self.manual_cast_dtype: torch.dtype | None = None
        config = getattr(network, "config", None) or {}
        self.adm_channels: int = config.get("projection_class_embeddings_input_dim") or 0
        self.inpaint_model = core.inpaint
        self.concat_keys: tuple[str, ...] = ("mask", "masked_image") if core.inpaint else ()
        self.memory_usage_factor = 1.0
        self.memory_usage_factor_conds: tuple[str, ...] = ()
        self.memory_usage_shape_process: dict[str, Any] = {}
        self.__dict__["current_patcher"] = None
        self.weights: Patches | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        """A pack may put any object in the place of a part."""
        if name == "current_patcher" or (name in self._modules and not isinstance(value, torch.nn.Module)):
            self._modules.pop(name, None)
            object.__setattr__(self, name, value)
        else:
            self.__dict__.pop(name, None)
            super().__setattr__(name, value)

    @property
    def inner_model(self) -> BaseModel:
        """Packs look for the model at several depths."""
        return self

    def get_dtype(self) -> torch.dtype:
        return self.core.dtype

    def is_adm(self) -> bool:
        return self.adm_channels > 0

    def process_latent_in(self, latent: Tensor) -> Tensor:
        return self.latent_format.process_in(latent)

    def process_latent_out(self, latent: Tensor) -> Tensor:
        return self.latent_format.process_out(latent)

    def process_timestep(self, timestep: Tensor, **kwargs: Any) -> Tensor:
        return timestep

    def scale_latent_inpaint(self, sigma: Tensor, noise: Tensor, latent_image: Tensor, **kwargs: Any) -> Tensor:
        """What a mask keeps, noised to a level."""
        shaped = sigma.reshape([sigma.shape[0], *[1] * (noise.ndim - 1)])
        scaled: Tensor = self.model_sampling.noise_scaling(shaped, noise, latent_image)
        return scaled

    def memory_required(self, input_shape: Any, cond_shapes: Any = None) -> float:
        area = input_shape[0] * input_shape[-2] * input_shape[-1]
        return float(area * self.core.dtype.itemsize * 25_000)

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """The weights by ComfyUI's names."""
        network = self.core.resident.module
        tensors = dict(network.named_parameters()) | dict(network.named_buffers())
        return {self.named(name): tensor.data for name, tensor in tensors.items()}

    def named(self, name: str) -> str:
        """ComfyUI's name of one of the network's weights."""
        return DIFFUSION + self.core.keys.get(name, name)

    def state_dict_for_saving(
        self,
        clip_state_dict: Mapping[str, Tensor] | None = None,
        vae_state_dict: Mapping[str, Tensor] | None = None,
        clip_vision_state_dict: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """The tensors of a checkpoint file; the other parts' as they are given."""
        made = {f"model.{name}": tensor for name, tensor in self.state_dict().items()}
        prefixes = ("cond_stage_model.", "first_stage_model.", "embedder.model.visual.")
        for prefix, part in zip(prefixes, (clip_state_dict, vae_state_dict, clip_vision_state_dict), strict=True):
            made |= {prefix + name: tensor for name, tensor in (part or {}).items()}
        return made

    def encode_adm(self, **kwargs: Any) -> Tensor | None:
        """What the network is told beside the text: of SDXL's, the pooled text and the picture's sizes."""
        network = self.core.resident.module
        if getattr(getattr(network, "config", None), "addition_embed_type", None) != "text_time":
            return None
        height, width = kwargs.get("height") or 768, kwargs.get("width") or 768
        sizes = [height, width, kwargs.get("crop_h", 0), kwargs.get("crop_w", 0)]
        sizes += [kwargs.get("target_height", height), kwargs.get("target_width", width)]
        pooled: Tensor = kwargs["pooled_output"].float()
        told = network.add_time_proj(torch.tensor(sizes, device=pooled.device).float()).reshape(1, -1)  # type: ignore[operator]
        return torch.cat([pooled, told.repeat(pooled.shape[0], 1)], dim=1)

    def concat_cond(self, **kwargs: Any) -> Tensor | None:
        """What an inpainting network sees beside the latent [batch, channels, h, w]: where to paint, what is kept."""
        if not self.concat_keys:
            return None
        noise, device = kwargs["noise"], kwargs["device"]
        mask = kwargs.get("concat_mask", kwargs.get("denoise_mask"))
        kept = kwargs.get("concat_latent_image")
        kept = kwargs.get("latent_image") if kept is None else self.process_latent_in(kept)
        if mask is None or kept is None:
            return torch.cat([torch.ones_like(noise[:, :1]), self.blank_inpaint_image_like(noise)], dim=1).to(device)
        utils = import_module("comfy.utils")
        mask = mask[:, :1] if mask.ndim == noise.ndim else mask
        mask = mask.reshape(-1, 1, *mask.shape[-2:])
        size = (noise.shape[-1], noise.shape[-2], "bilinear", "center")
        mask, kept = (
            part if part.shape[2:] == noise.shape[2:] else utils.common_upscale(part, *size) for part in (mask, kept)
        )
        batched = [utils.resize_to_batch_size(part, noise.shape[0]).to(device) for part in (mask.round(), kept)]
        return torch.cat(batched, dim=1)

    def blank_inpaint_image_like(self, latent_image: Tensor) -> Tensor:
        """The latent of a picture of even grey."""
        grey = torch.tensor(GREY[: latent_image.shape[1]]).to(latent_image)
        return torch.ones_like(latent_image) * grey.reshape(1, -1, 1, 1)

    def set_inpaint(self) -> None:
        """The network sees a mask and what is kept beside the latent."""
        self.concat_keys = ("mask", "masked_image")

    def extra_conds(self, **kwargs: Any) -> dict[str, Any]:
        """What the network gets for a part of the conditioning, given its options."""
        found: dict[str, Any] = {}
        if (concat := kwargs.get("noise_concat", self.concat_cond(**kwargs))) is not None:
            found["c_concat"] = CONDNoiseShape(concat)
        if (told := self.encode_adm(**kwargs)) is not None:
            found["y"] = CONDRegular(told.to(kwargs["device"]))
        if (vectors := kwargs.get("cross_attn")) is not None:
            found["c_crossattn"] = CONDCrossAttn(vectors.to(kwargs["device"]))
        if (vectors := kwargs.get("cross_attn_controlnet")) is not None:
            found["crossattn_controlnet"] = CONDCrossAttn(vectors.to(kwargs["device"]))
        return found

    def extra_conds_shapes(self, **kwargs: Any) -> dict[str, Any]:
        return {}

    def apply_model(
        self,
        x: Tensor,
        t: Tensor,
        c_concat: Tensor | None = None,
        c_crossattn: Tensor | None = None,
        control: Any = None,
        transformer_options: Any = None,
        **kwargs: Any,
    ) -> Tensor:
        """The clean latent that the network sees in x at sigma t."""
        options = {} if transformer_options is None else transformer_options
        wrappers = get_all_wrappers(WrappersMP.APPLY_MODEL, options)
        executor = WrapperExecutor.new_class_executor(self._apply_model, self, wrappers)
        denoised: Tensor = executor.execute(x, t, c_concat, c_crossattn, control, options, **kwargs)
        return denoised

    @torch.no_grad()
    def _apply_model(
        self,
        x: Tensor,
        t: Tensor,
        c_concat: Tensor | None = None,
        c_crossattn: Tensor | None = None,
        control: Any = None,
        transformer_options: Any = None,
        **kwargs: Any,
    ) -> Tensor:
        core = self.core
        with core.resident.active(core.patches if self.weights is None else self.weights) as module:
            if self.diffusion_model is module:  # of another layout than packs know: as Limner runs it
                given = {"c_concat": c_concat, "c_crossattn": c_crossattn, "control": control}
                plain = GuidedDenoiser(core, module, [], [], 1.0)
                return plain.apply(x, t, transformer_options=transformer_options, **given, **kwargs)
            sampling, device, dtype = self.model_sampling, core.device, core.dtype
            scaled = sampling.calculate_input(t, x)
            if c_concat is not None:
                scaled = torch.cat([scaled, c_concat.to(scaled)], dim=1)
            scaled = scaled.to(device, dtype, memory_format=torch.channels_last)
            context = None if c_crossattn is None else c_crossattn.to(device, dtype)
            given = {name: _cast(value, device, dtype) for name, value in kwargs.items()}
            step = self.process_timestep(sampling.timestep(t).to(device, torch.float32), x=x, **given)
            if hasattr(control, "residuals"):
                down, middle = control.residuals(scaled, t, context)
                control = {"output": list(down), "middle": [middle]}
            output = self.diffusion_model(
                scaled, step, context=context, control=control, transformer_options=transformer_options, **given
            )
            denoised: Tensor = sampling.calculate_denoised(t, output.float().to(x.device), x)
            return denoised


def _cast(value: Any, device: Any, dtype: torch.dtype) -> Any:
    """A tensor on the device, numbers with fractions in the network's dtype; lists of them likewise."""
    if isinstance(value, list):
        return [_cast(item, device, dtype) for item in value]
    if not isinstance(value, Tensor):
        return value
    return value.to(device, dtype if value.is_floating_point() else value.dtype)
