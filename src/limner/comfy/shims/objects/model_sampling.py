"""ComfyUI's `model_sampling` objects and Limner's parameterizations, each as the other.

A ComfyUI object is a class of two halves, `class Mine(ModelSamplingDiscrete, EPS)`: noise levels and the meaning of
the network's output. Packs build them and hang them on a model (`add_object_patch("model_sampling", mine)`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from limner.diffusion.parameterization import (
    DiscreteSigmas,
    Epsilon,
    Flow,
    FlowSigmas,
    Parameterization,
    Prediction,
    SigmaSpace,
    Velocity,
)


def _shaped(sigma: Tensor, latent: Tensor) -> Tensor:
    """One level for each latent, to compute with them."""
    return sigma.view(sigma.shape[:1] + (1,) * (latent.ndim - 1)) if sigma.ndim else sigma


class _Meaning:
    """What the network's output means, by one of Limner's predictions."""

    PREDICTION: ClassVar[Prediction] = Epsilon()

    def calculate_input(self, sigma: Tensor, noise: Tensor) -> Tensor:
        """The noised latent as the network wants it."""
        return self.PREDICTION.scale_input(noise, sigma)

    def calculate_denoised(self, sigma: Tensor, model_output: Tensor, model_input: Tensor) -> Tensor:
        """The clean latent that the output implies."""
        return self.PREDICTION.denoised(model_output, model_input, sigma)

    def noise_scaling(self, sigma: Tensor, noise: Tensor, latent_image: Tensor, max_denoise: bool = False) -> Tensor:
        """The latent with noise at this level."""
        return self.PREDICTION.add_noise(latent_image, noise, sigma, max_denoise=max_denoise)

    def inverse_noise_scaling(self, sigma: Tensor, latent: Tensor) -> Tensor:
        """The latent in its own scale, where sampling stopped."""
        return self.PREDICTION.finish(latent, sigma)


class EPS(_Meaning):
    """The network predicts the noise."""


class V_PREDICTION(EPS):
    """The network predicts the velocity."""

    PREDICTION = Velocity()


class EDM(V_PREDICTION):
    """A preconditioned network (Karras et al. 2022, arXiv:2206.00364, eq. 7); the data's deviation is `sigma_data`."""

    sigma_data: float

    def calculate_input(self, sigma: Tensor, noise: Tensor) -> Tensor:
        return noise / (_shaped(sigma, noise) ** 2 + self.sigma_data**2) ** 0.5

    def calculate_denoised(self, sigma: Tensor, model_output: Tensor, model_input: Tensor) -> Tensor:
        level = _shaped(sigma, model_output)
        whole = level**2 + self.sigma_data**2
        return model_input * self.sigma_data**2 / whole + model_output * level * self.sigma_data / whole**0.5


class CONST(_Meaning):
    """Rectified flow."""

    PREDICTION = Flow()


class X0(EPS):
    """The network predicts the clean latent."""

    def calculate_denoised(self, sigma: Tensor, model_output: Tensor, model_input: Tensor) -> Tensor:
        return model_output


class IMG_TO_IMG(X0):
    """The network takes the latent as it is and gives the clean one."""

    def calculate_input(self, sigma: Tensor, noise: Tensor) -> Tensor:
        return noise


class _Levels(torch.nn.Module):
    """Noise levels as a module with a table `sigmas`."""

    sigmas: Tensor

    @property
    def sigma_min(self) -> Tensor:
        return self.sigmas[0]

    @property
    def sigma_max(self) -> Tensor:
        return self.sigmas[-1]


class ModelSamplingDiscrete(_Levels):
    """A table of levels, Stable Diffusion's unless the model's configuration says otherwise."""

    log_sigmas: Tensor

    def __init__(self, model_config: Any = None, zsnr: bool | None = None) -> None:
        super().__init__()
        settings = getattr(model_config, "sampling_settings", None) or {}
        self.linear_start = settings.get("linear_start", 0.00085)
        self.linear_end = settings.get("linear_end", 0.012)
        self.num_timesteps = int(settings.get("timesteps", 1000))
        self.zsnr = bool(settings.get("zsnr", False) if zsnr is None else zsnr)
        linear = settings.get("beta_schedule", "linear") == "linear"
        space = DiscreteSigmas.stable_diffusion(
            "scaled_linear" if linear else "linear",
            start=self.linear_start,
            end=self.linear_end,
            steps=self.num_timesteps,
            zero_terminal_snr=self.zsnr,
        )
        self.sigma_data = 1.0
        self.set_sigmas(space.sigmas)

    def set_sigmas(self, sigmas: Tensor) -> None:
        """Other levels, ascending."""
        self.register_buffer("sigmas", sigmas.float())
        self.register_buffer("log_sigmas", sigmas.log().float())

    def timestep(self, sigma: Tensor) -> Tensor:
        """The index of the nearest level, in the logarithm."""
        distance = sigma.log().to(self.log_sigmas.device).reshape(1, -1) - self.log_sigmas[:, None]
        return distance.abs().argmin(dim=0).view(sigma.shape).to(sigma.device)

    def sigma(self, timestep: Tensor) -> Tensor:
        """The level at an index, interpolated in the logarithm."""
        place = timestep.float().to(self.log_sigmas.device).clamp(0, len(self.sigmas) - 1)
        low, high, share = place.floor().long(), place.ceil().long(), place.frac()
        return ((1 - share) * self.log_sigmas[low] + share * self.log_sigmas[high]).exp().to(timestep.device)

    def percent_to_sigma(self, percent: float) -> float:
        if percent <= 0.0:
            return 999999999.9
        return 0.0 if percent >= 1.0 else float(self.sigma(torch.tensor((1.0 - percent) * 999.0)))


class ModelSamplingDiscreteEDM(ModelSamplingDiscrete):
    """The same table, with time steps of `log(sigma) / 4`."""

    def timestep(self, sigma: Tensor) -> Tensor:
        return 0.25 * sigma.log()

    def sigma(self, timestep: Tensor) -> Tensor:
        return (timestep / 0.25).exp()


class ModelSamplingContinuousEDM(_Levels):
    """Levels between two ends, even in the logarithm."""

    def __init__(self, model_config: Any = None) -> None:
        super().__init__()
        settings = getattr(model_config, "sampling_settings", None) or {}
        self.set_parameters(
            settings.get("sigma_min", 0.002), settings.get("sigma_max", 120.0), settings.get("sigma_data", 1.0)
        )

    def set_parameters(self, sigma_min: float, sigma_max: float, sigma_data: float) -> None:
        self.sigma_data = sigma_data
        levels = torch.linspace(math.log(sigma_min), math.log(sigma_max), 1000).exp()
        self.register_buffer("sigmas", levels)
        self.register_buffer("log_sigmas", levels.log())

    def timestep(self, sigma: Tensor) -> Tensor:
        return 0.25 * sigma.log()

    def sigma(self, timestep: Tensor) -> Tensor:
        return (timestep / 0.25).exp()

    def percent_to_sigma(self, percent: float) -> float:
        if percent <= 0.0:
            return 999999999.9
        if percent >= 1.0:
            return 0.0
        low = math.log(float(self.sigma_min))
        return math.exp((math.log(float(self.sigma_max)) - low) * (1.0 - percent) + low)


class ModelSamplingContinuousV(ModelSamplingContinuousEDM):
    """The same with time steps of `atan(sigma) * 2 / pi`."""

    def timestep(self, sigma: Tensor) -> Tensor:
        return sigma.atan() / math.pi * 2

    def sigma(self, timestep: Tensor) -> Tensor:
        return (timestep * math.pi / 2).tan()


class ModelSamplingDiscreteFlow(_Levels):
    """Rectified flow's levels with a time shift."""

    def __init__(self, model_config: Any = None) -> None:
        super().__init__()
        settings = getattr(model_config, "sampling_settings", None) or {}
        self.set_parameters(settings.get("shift", 1.0), multiplier=settings.get("multiplier", 1000))

    def set_parameters(self, shift: float = 1.0, timesteps: int = 1000, multiplier: float = 1000) -> None:
        self.shift, self.multiplier = shift, multiplier
        self.space = FlowSigmas(shift, multiplier, timesteps)
        self.register_buffer("sigmas", self.space.sigmas)

    def timestep(self, sigma: Tensor) -> Tensor:
        return self.space.timestep(sigma)

    def sigma(self, timestep: Tensor) -> Tensor:
        return self.space.sigma(timestep)

    def percent_to_sigma(self, percent: float) -> float:
        return self.space.percent_to_sigma(percent)


class ModelSamplingFlux(ModelSamplingDiscreteFlow):
    """Flux's levels: the shift given by its logarithm, time steps from 0 to 1."""

    def __init__(self, model_config: Any = None) -> None:
        torch.nn.Module.__init__(self)
        settings = getattr(model_config, "sampling_settings", None) or {}
        self.set_parameters(settings.get("shift", 1.15))

    def set_parameters(self, shift: float = 1.15, timesteps: int = 10000, multiplier: float = 1.0) -> None:
        self.shift, self.multiplier = shift, multiplier
        self.space = FlowSigmas(math.exp(shift), multiplier, timesteps)
        self.register_buffer("sigmas", self.space.sigmas)

    def timestep(self, sigma: Tensor) -> Tensor:
        return sigma

    def sigma(self, timestep: Tensor) -> Tensor:
        return self.space.sigma(timestep)


def time_snr_shift(alpha: float, t: Any) -> Any:
    """`alpha * t / (1 + (alpha - 1) * t)` (Esser et al. 2024, eq. 23)."""
    return t if alpha == 1.0 else alpha * t / (1 + (alpha - 1) * t)


def flux_time_shift(mu: float, sigma: float, t: Any) -> Any:
    return math.exp(mu) / (math.exp(mu) + (1 / t - 1) ** sigma)


def rescale_zero_terminal_snr_sigmas(sigmas: Tensor) -> Tensor:
    """Levels shifted so that the last carries no signal (Lin et al. 2023, algorithm 1)."""
    root = (1 / (sigmas.double().square() + 1)).sqrt()
    first, last = root[0].clone(), root[-1].clone()
    signal = ((root - last) * first / (first - last)).square()
    signal[-1] = 4.8973451890853435e-08
    return ((1 - signal) / signal).sqrt().float()


def as_model_sampling(parameterization: Parameterization) -> Any:
    """A `model_sampling` object with these levels and this meaning."""
    if isinstance(parameterization.space, PackSpace):
        return parameterization.space.made
    meaning = {Epsilon: EPS, Velocity: V_PREDICTION, Flow: CONST}.get(type(parameterization.prediction), EPS)
    space = parameterization.space
    if isinstance(space, FlowSigmas):
        flow = type("ModelSampling", (ModelSamplingDiscreteFlow, meaning), {})()
        flow.set_parameters(space.shift, space.levels, space.multiplier)
        return flow
    made = type("ModelSampling", (ModelSamplingDiscrete, meaning), {})()
    made.set_sigmas(space.sigmas)
    return made


@dataclass(frozen=True)
class PackSpace:
    """The levels of a pack's object; a `SigmaSpace`."""

    made: Any

    @property
    def sigmas(self) -> Tensor:
        table: Tensor = self.made.sigmas.detach().float().cpu()
        return table

    @property
    def sigma_min(self) -> float:
        return float(self.made.sigma_min)

    @property
    def sigma_max(self) -> float:
        return float(self.made.sigma_max)

    def timestep(self, sigma: Tensor) -> Tensor:
        step: Tensor = self.made.timestep(sigma)
        return step

    def sigma(self, timestep: Tensor) -> Tensor:
        level: Tensor = self.made.sigma(timestep)
        return level

    def percent_to_sigma(self, percent: float) -> float:
        return float(self.made.percent_to_sigma(percent))


@dataclass(frozen=True)
class PackPrediction:
    """The meaning of a pack's object; a `Prediction`."""

    made: Any

    @property
    def flow(self) -> bool:
        return isinstance(self.made, CONST)

    def scale_input(self, x: Tensor, sigma: Tensor) -> Tensor:
        scaled: Tensor = self.made.calculate_input(sigma, x)
        return scaled

    def denoised(self, output: Tensor, x: Tensor, sigma: Tensor) -> Tensor:
        clean: Tensor = self.made.calculate_denoised(sigma, output, x)
        return clean

    def add_noise(self, latent: Tensor, noise: Tensor, sigma: Tensor, *, max_denoise: bool = False) -> Tensor:
        noised: Tensor = self.made.noise_scaling(sigma, noise, latent, max_denoise)
        return noised

    def finish(self, x: Tensor, sigma: Tensor) -> Tensor:
        done: Tensor = self.made.inverse_noise_scaling(sigma, x)
        return done

    def half_log_snr(self, sigma: Tensor) -> Tensor:
        return (Flow() if self.flow else Epsilon()).half_log_snr(sigma)

    def sigma_at(self, half_log_snr: Tensor) -> Tensor:
        return (Flow() if self.flow else Epsilon()).sigma_at(half_log_snr)


def as_parameterization(made: Any) -> Parameterization:
    """The parameterization that a `model_sampling` object is."""
    space: SigmaSpace = PackSpace(made)
    return Parameterization(space, PackPrediction(made))
