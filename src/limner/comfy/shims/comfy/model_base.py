"""ComfyUI's `comfy.model_base`."""

from __future__ import annotations

from typing import Any

import torch

from limner.comfy.shims.objects import model_sampling as levels
from limner.comfy.shims.objects.base_model import BaseModel
from limner.comfy.shims.objects.model_types import ModelType

__all__ = ["BaseModel", "ModelType", "model_sampling", "torch"]

_HALVES: dict[ModelType, tuple[type, type]] = {
    ModelType.EPS: (levels.ModelSamplingDiscrete, levels.EPS),
    ModelType.V_PREDICTION: (levels.ModelSamplingDiscrete, levels.V_PREDICTION),
    ModelType.V_PREDICTION_EDM: (levels.ModelSamplingContinuousEDM, levels.V_PREDICTION),
    ModelType.V_PREDICTION_CONTINUOUS: (levels.ModelSamplingContinuousV, levels.V_PREDICTION),
    ModelType.FLOW: (levels.ModelSamplingDiscreteFlow, levels.CONST),
    ModelType.FLUX: (levels.ModelSamplingFlux, levels.CONST),
    ModelType.IMG_TO_IMG: (levels.ModelSamplingDiscrete, levels.IMG_TO_IMG),
}


def model_sampling(model_config: Any, model_type: ModelType) -> Any:
    """The noise levels and the meaning of the output that models of a type have."""
    if model_type not in _HALVES:
        raise ValueError(f"models of type {model_type.name} are not known here")
    return type("ModelSampling", _HALVES[model_type], {})(model_config)


class SDXL(BaseModel):
    """Stable Diffusion XL; no model is one here yet, so that tests for it are false."""


class SDXLRefiner(BaseModel):
    """Stable Diffusion XL's refiner."""


class SDXL_instructpix2pix(SDXL):
    """Stable Diffusion XL that follows instructions."""
