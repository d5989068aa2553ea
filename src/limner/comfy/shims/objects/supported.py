"""ComfyUI's `supported_models`: a class a family, whose object a model carries as `model_config`.

Packs ask which family a model is of by the class, and read `unet_config`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from limner.comfy.shims.objects import latent_formats
from limner.comfy.shims.objects.model_types import ModelType
from limner.diffusion.model import Model

Config = dict[str, Any]


class BASE:
    """A family. `unet_config` of the class is what tells it apart, of the object what the network is built by."""

    unet_config: Config = {}  # noqa: RUF012  # packs read and replace these on classes and objects alike
    unet_extra_config: ClassVar[Config] = {"num_heads": -1, "num_head_channels": 64}
    required_keys: ClassVar[Config] = {}
    clip_prefix: ClassVar[list[str]] = []
    clip_vision_prefix: ClassVar[str | None] = None
    noise_aug_config: ClassVar[Config | None] = None
    sampling_settings: Config = {}  # noqa: RUF012
    latent_format: Any = latent_formats.LatentFormat
    vae_key_prefix: ClassVar[list[str]] = ["first_stage_model."]
    text_encoder_key_prefix: ClassVar[list[str]] = ["cond_stage_model."]
    supported_inference_dtypes: ClassVar[list[torch.dtype]] = [torch.float16, torch.bfloat16, torch.float32]
    memory_usage_factor = 2.0
    manual_cast_dtype: torch.dtype | None = None
    custom_operations: Any = None
    scaled_fp8: torch.dtype | None = None
    optimizations: Config = {"fp8": False}  # noqa: RUF012

    def __init__(self, unet_config: Mapping[str, Any]) -> None:
        self.unet_config = {**unet_config, **self.unet_extra_config}
        self.sampling_settings = dict(self.sampling_settings)
        self.latent_format = self.latent_format()
        self.optimizations = dict(self.optimizations)

    @classmethod
    def matches(cls, unet_config: Mapping[str, Any], state_dict: Mapping[str, Tensor] | None = None) -> bool:
        """Whether a network of this configuration is of this family."""
        known = all(name in unet_config and unet_config[name] == value for name, value in cls.unet_config.items())
        return known and (state_dict is None or all(name in state_dict for name in cls.required_keys))

    def model_type(self, state_dict: Mapping[str, Tensor], prefix: str = "") -> Any:
        return ModelType.EPS

    def inpaint_model(self) -> bool:
        return bool(self.unet_config.get("in_channels", 4) > 4)

    def process_unet_state_dict(self, state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
        return state_dict

    def process_vae_state_dict(self, state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
        return state_dict

    def process_unet_state_dict_for_saving(self, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {f"model.diffusion_model.{name}": tensor for name, tensor in state_dict.items()}

    def process_clip_state_dict_for_saving(self, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {self.text_encoder_key_prefix[0] + name: tensor for name, tensor in state_dict.items()}

    def process_vae_state_dict_for_saving(self, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {self.vae_key_prefix[0] + name: tensor for name, tensor in state_dict.items()}

    def set_inference_dtype(self, dtype: torch.dtype | None, manual_cast_dtype: torch.dtype | None) -> None:
        self.unet_config["dtype"] = dtype
        self.manual_cast_dtype = manual_cast_dtype


class SD15(BASE):
    """Stable Diffusion 1.x."""

    unet_config = {  # noqa: RUF012
        "context_dim": 768,
        "model_channels": 320,
        "use_linear_in_transformer": False,
        "adm_in_channels": None,
        "use_temporal_attention": False,
    }
    unet_extra_config: ClassVar[Config] = {"num_heads": 8, "num_head_channels": -1}
    latent_format = latent_formats.SD15
    memory_usage_factor = 1.0


class SD20(BASE):
    """Stable Diffusion 2.x."""

    unet_config = {**SD15.unet_config, "context_dim": 1024, "use_linear_in_transformer": True}  # noqa: RUF012
    latent_format = latent_formats.SD15
    memory_usage_factor = 1.0


class SDXL(BASE):
    """Stable Diffusion XL."""

    unet_config = {  # noqa: RUF012
        "model_channels": 320,
        "use_linear_in_transformer": True,
        "transformer_depth": [0, 0, 2, 2, 10, 10],
        "context_dim": 2048,
        "adm_in_channels": 2816,
        "use_temporal_attention": False,
    }
    latent_format = latent_formats.SDXL
    memory_usage_factor = 0.8


class SDXLRefiner(BASE):
    """Stable Diffusion XL's refiner."""

    unet_config = {  # noqa: RUF012
        "model_channels": 384,
        "use_linear_in_transformer": True,
        "context_dim": 1280,
        "adm_in_channels": 2560,
        "transformer_depth": [0, 0, 4, 4, 4, 4, 0, 0],
        "use_temporal_attention": False,
    }
    latent_format = latent_formats.SDXL
    memory_usage_factor = 1.0


class SD15_instructpix2pix(SD15):
    """Stable Diffusion 1.x that follows instructions."""

    unet_config = {**SD15.unet_config, "in_channels": 8}  # noqa: RUF012


class SDXL_instructpix2pix(SDXL):
    """Stable Diffusion XL that follows instructions."""

    unet_config = {**SDXL.unet_config, "in_channels": 8}  # noqa: RUF012


class SD3(BASE):
    """Stable Diffusion 3."""

    unet_config = {"in_channels": 16, "pos_embed_scaling_factor": None}  # noqa: RUF012
    unet_extra_config: ClassVar[Config] = {}
    sampling_settings = {"shift": 3.0}  # noqa: RUF012
    latent_format = latent_formats.SD3


class Flux(BASE):
    """Flux."""

    unet_config = {"image_model": "flux", "guidance_embed": True}  # noqa: RUF012
    unet_extra_config: ClassVar[Config] = {}
    latent_format = latent_formats.Flux


class FluxSchnell(Flux):
    """Flux, distilled."""

    unet_config = {"image_model": "flux", "guidance_embed": False}  # noqa: RUF012
    sampling_settings = {"multiplier": 1.0, "shift": 1.0}  # noqa: RUF012


models = [SD15_instructpix2pix, SD15, SD20, SDXL_instructpix2pix, SDXLRefiner, SDXL, SD3, Flux, FluxSchnell]
FAMILIES: Mapping[str, type[BASE]] = {
    "sd1": SD15,
    "sd2": SD20,
    "sdxl": SDXL,
    "sdxl_refiner": SDXLRefiner,
    "sd3": SD3,
    "flux": Flux,
}
"""Limner's names of families, and the classes here."""


def config_of(core: Model, latent_format: Any) -> BASE:
    """The configuration of a model."""
    config = getattr(core.resident.module, "config", None) or {}
    kind = FAMILIES.get(core.family, BASE)
    said = {
        "image_model": None if issubclass(kind, SD15 | SD20 | SDXL | SDXLRefiner) else core.family,
        "context_dim": config.get("cross_attention_dim"),
        "in_channels": config.get("in_channels"),
        "out_channels": config.get("out_channels"),
        "model_channels": (config.get("block_out_channels") or [None])[0],
        "adm_in_channels": config.get("projection_class_embeddings_input_dim"),
        "use_linear_in_transformer": bool(config.get("use_linear_projection", False)),
        "dtype": core.dtype,
    }
    made = kind({**kind.unet_config, **{name: value for name, value in said.items() if value is not None}})
    made.latent_format = latent_format
    return made
