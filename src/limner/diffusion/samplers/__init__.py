"""Samplers: solvers of the diffusion ODE and SDE, one file each, readable beside its paper.

`base` says what a solver is given and returns; `registry` names them as workflows do.
"""

from limner.diffusion.samplers.base import (
    Churn,
    Denoiser,
    NoiseSampler,
    PairDenoiser,
    SamplerContext,
    Solver,
    StepCallback,
)
from limner.diffusion.samplers.registry import SAMPLERS, Sampler, sampler

__all__ = [
    "SAMPLERS",
    "Churn",
    "Denoiser",
    "NoiseSampler",
    "PairDenoiser",
    "Sampler",
    "SamplerContext",
    "Solver",
    "StepCallback",
    "sampler",
]
