"""ComfyUI's `comfy.model_sampling`: noise levels and the meaning of a network's output."""

from limner.comfy.shims.objects.model_sampling import (
    CONST,
    EDM,
    EPS,
    IMG_TO_IMG,
    V_PREDICTION,
    X0,
    ModelSamplingContinuousEDM,
    ModelSamplingContinuousV,
    ModelSamplingDiscrete,
    ModelSamplingDiscreteEDM,
    ModelSamplingDiscreteFlow,
    ModelSamplingFlux,
    flux_time_shift,
    rescale_zero_terminal_snr_sigmas,
    time_snr_shift,
)

__all__ = [
    "CONST",
    "EDM",
    "EPS",
    "IMG_TO_IMG",
    "V_PREDICTION",
    "X0",
    "ModelSamplingContinuousEDM",
    "ModelSamplingContinuousV",
    "ModelSamplingDiscrete",
    "ModelSamplingDiscreteEDM",
    "ModelSamplingDiscreteFlow",
    "ModelSamplingFlux",
    "flux_time_shift",
    "rescale_zero_terminal_snr_sigmas",
    "time_snr_shift",
]
