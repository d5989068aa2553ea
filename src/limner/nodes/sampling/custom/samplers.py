"""Menu `sampling/custom_sampling/samplers`: solvers, with options that KSampler does not offer."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal

from limner.diffusion.samplers import SAMPLERS
from limner.diffusion.samplers import Sampler as Solver
from limner.diffusion.samplers import sampler as named
from limner.sdk import Choice, Float, Int, Sampler, node

MODULE = "comfy_extras.nodes_custom_sampler"
CATEGORY = "sampling/custom_sampling/samplers"
Positive = Float(default=1.0, min=0.0, max=100.0, step=0.01, round=False)
Eta = Annotated[float, Positive]
NoiseDevice = Literal["gpu", "cpu"]


@dataclass(frozen=True)
class KSAMPLER(Solver):
    """A solver with its options, as the SAMPLER socket carries it, under the name that packs know."""


def sampler_of(name: str, **options: Any) -> KSAMPLER:
    """The solver of this name with these options added to its own."""
    solver = named(name).with_options(**options)
    return KSAMPLER(**{entry.name: getattr(solver, entry.name) for entry in fields(Solver)})


def _on(device: NoiseDevice, name: str) -> str:
    return name if device == "cpu" else f"{name}_gpu"


@node(type="KSamplerSelect", title="KSamplerSelect", category=CATEGORY, module=MODULE, lane="cpu")
def select(sampler_name: Annotated[str, Choice(*SAMPLERS)]) -> Sampler:
    """A solver by name."""
    return sampler_of(sampler_name)


@node(type="SamplerEulerAncestral", title="SamplerEulerAncestral", category=CATEGORY, module=MODULE, lane="cpu")
def euler_ancestral(eta: Eta, s_noise: Eta) -> Sampler:
    """Euler with noise renewed at every step; `eta` is the share that is, `s_noise` scales it."""
    return sampler_of("euler_ancestral", eta=eta, s_noise=s_noise)


@node(
    type="SamplerEulerAncestralCFGPP",
    title="SamplerEulerAncestralCFG++",
    category=CATEGORY,
    module=MODULE,
    lane="cpu",
)
def euler_ancestral_cfg_pp(
    eta: Annotated[float, Float(default=1.0, min=0.0, max=1.0, step=0.01, round=False)],
    s_noise: Annotated[float, Float(default=1.0, min=0.0, max=10.0, step=0.01, round=False)],
) -> Sampler:
    """Ancestral Euler along CFG++ (Chung et al. 2024)."""
    return sampler_of("euler_ancestral_cfg_pp", eta=eta, s_noise=s_noise)


@node(type="SamplerLMS", title="SamplerLMS", category=CATEGORY, module=MODULE, lane="cpu")
def lms(order: Annotated[int, Int(default=4, min=1, max=100)]) -> Sampler:
    """A linear multistep solver."""
    return sampler_of("lms", order=order)


@node(type="SamplerDPMPP_3M_SDE", title="SamplerDPMPP_3M_SDE", category=CATEGORY, module=MODULE, lane="cpu")
def dpmpp_3m_sde(eta: Eta, s_noise: Eta, noise_device: NoiseDevice) -> Sampler:
    """DPM-Solver++ 3M SDE."""
    return sampler_of(_on(noise_device, "dpmpp_3m_sde"), eta=eta, s_noise=s_noise)


@node(type="SamplerDPMPP_2M_SDE", title="SamplerDPMPP_2M_SDE", category=CATEGORY, module=MODULE, lane="cpu")
def dpmpp_2m_sde(
    solver_type: Literal["midpoint", "heun"], eta: Eta, s_noise: Eta, noise_device: NoiseDevice
) -> Sampler:
    """DPM-Solver++ 2M SDE."""
    return sampler_of(_on(noise_device, "dpmpp_2m_sde"), eta=eta, s_noise=s_noise, solver_type=solver_type)


@node(type="SamplerDPMPP_SDE", title="SamplerDPMPP_SDE", category=CATEGORY, module=MODULE, lane="cpu")
def dpmpp_sde(
    eta: Eta,
    s_noise: Eta,
    r: Annotated[float, Float(default=0.5, min=0.0, max=100.0, step=0.01, round=False)],
    noise_device: NoiseDevice,
) -> Sampler:
    """DPM-Solver++ SDE; `r` is where in a step its second model call lies."""
    return sampler_of(_on(noise_device, "dpmpp_sde"), eta=eta, s_noise=s_noise, r=r)


@node(type="SamplerDPMPP_2S_Ancestral", title="SamplerDPMPP_2S_Ancestral", category=CATEGORY, module=MODULE, lane="cpu")
def dpmpp_2s_ancestral(eta: Eta, s_noise: Eta) -> Sampler:
    """DPM-Solver++ 2S with noise renewed at every step."""
    return sampler_of("dpmpp_2s_ancestral", eta=eta, s_noise=s_noise)


def _up_to_100(default: float) -> Float:
    return Float(default=default, min=0.0, max=100.0, step=0.01, round=False)


@node(type="SamplerDPMAdaptative", title="SamplerDPMAdaptative", category=CATEGORY, module=MODULE, lane="cpu")
def dpm_adaptive(
    order: Annotated[int, Int(default=3, min=2, max=3)],
    rtol: Annotated[float, _up_to_100(0.05)],
    atol: Annotated[float, _up_to_100(0.0078)],
    h_init: Annotated[float, _up_to_100(0.05)],
    pcoeff: Annotated[float, _up_to_100(0.0)],
    icoeff: Annotated[float, _up_to_100(1.0)],
    dcoeff: Annotated[float, _up_to_100(0.0)],
    accept_safety: Annotated[float, _up_to_100(0.81)],
    eta: Annotated[float, _up_to_100(0.0)],
    s_noise: Annotated[float, _up_to_100(1.0)],
) -> Sampler:
    """DPM-Solver with steps as long as a tolerance allows."""
    return sampler_of(
        "dpm_adaptive",
        order=order,
        rtol=rtol,
        atol=atol,
        h_init=h_init,
        pcoeff=pcoeff,
        icoeff=icoeff,
        dcoeff=dcoeff,
        accept_safety=accept_safety,
        eta=eta,
        s_noise=s_noise,
    )
