"""ComfyUI's `BaseModel`: what packs find at `model.model`, over one of Limner's models."""

from __future__ import annotations

from enum import Enum
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from limner.comfy.shims.objects.latent_formats import latent_format_of
from limner.comfy.shims.objects.model_sampling import as_model_sampling
from limner.diffusion.model import Model
from limner.diffusion.parameterization import Velocity

DIFFUSION = "diffusion_model."


class ModelType(Enum):
    """What a network predicts."""

    EPS = 1
    V_PREDICTION = 2
    V_PREDICTION_EDM = 3
    STABLE_CASCADE = 4
    EDM = 5
    FLOW = 6
    V_PREDICTION_CONTINUOUS = 7
    FLUX = 8
    IMG_TO_IMG = 9
    FLOW_COSMOS = 10


def _type_of(model: Model) -> ModelType:
    prediction = model.parameterization.prediction
    if prediction.flow:
        return ModelType.FLOW
    return ModelType.V_PREDICTION if isinstance(prediction, Velocity) else ModelType.EPS


class BaseModel:
    """A network with its noise levels and its latent space. `core` is the model of Limner."""

    def __init__(self, core: Model) -> None:
        self.core = core
        self.diffusion_model = core.resident.module
        self.model_sampling = self.sampling_at_start = as_model_sampling(core.parameterization)
        self.latent_format = latent_format_of(core.latent)
        self.model_type = _type_of(core)
        config = getattr(core.resident.module, "config", {})
        self.model_config = SimpleNamespace(
            unet_config={
                "image_model": core.family,
                "context_dim": config.get("cross_attention_dim"),
                "in_channels": config.get("in_channels"),
                "out_channels": config.get("out_channels"),
                "model_channels": (config.get("block_out_channels") or [None])[0],
                "adm_in_channels": None,
            },
            latent_format=self.latent_format,
            sampling_settings={},
            scaled_fp8=None,
            manual_cast_dtype=None,
            custom_operations=None,
        )
        self.device = core.device
        self.manual_cast_dtype: torch.dtype | None = None
        self.adm_channels = 0
        self.inpaint_model = core.inpaint
        self.concat_keys: tuple[str, ...] = ("mask", "masked_image") if core.inpaint else ()
        self.memory_usage_factor = 1.0
        self.current_patcher: Any = None

    def get_dtype(self) -> torch.dtype:
        return self.core.dtype

    def is_adm(self) -> bool:
        return self.adm_channels > 0

    def process_latent_in(self, latent: Tensor) -> Tensor:
        return self.latent_format.process_in(latent)

    def process_latent_out(self, latent: Tensor) -> Tensor:
        return self.latent_format.process_out(latent)

    def scale_latent_inpaint(self, sigma: Tensor, noise: Tensor, latent_image: Tensor, **kwargs: Any) -> Tensor:
        """What a mask keeps, noised to a level."""
        shaped = sigma.reshape([sigma.shape[0], *[1] * (noise.ndim - 1)])
        scaled: Tensor = self.model_sampling.noise_scaling(shaped, noise, latent_image)
        return scaled

    def memory_required(self, input_shape: Any, cond_shapes: Any = None) -> float:
        area = input_shape[0] * input_shape[-2] * input_shape[-1]
        return float(area * self.core.dtype.itemsize * 25_000)

    def state_dict(self) -> dict[str, Tensor]:
        """The weights by ComfyUI's names."""
        named = dict(self.diffusion_model.named_parameters()) | dict(self.diffusion_model.named_buffers())
        keys = self.core.keys
        return {DIFFUSION + keys.get(name, name): tensor.data for name, tensor in named.items()}

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
        from limner.diffusion.guidance import GuidedDenoiser

        core = self.core
        with core.resident.active(core.patches) as module:
            denoiser = GuidedDenoiser(core, module, [], [], 1.0)
            return denoiser.apply(
                x,
                t,
                c_concat=c_concat,
                c_crossattn=c_crossattn,
                control=control,
                transformer_options=transformer_options or {},
            )
