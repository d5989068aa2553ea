"""Samplers by the names that workflows use, in the order in which user interfaces list them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from torch import Tensor

from limner.diffusion.samplers.base import Denoiser, SamplerContext, Solver
from limner.diffusion.samplers.ddpm import ddpm
from limner.diffusion.samplers.deis import deis
from limner.diffusion.samplers.dpm_2 import dpm_2, dpm_2_ancestral
from limner.diffusion.samplers.dpm_adaptive import dpm_adaptive
from limner.diffusion.samplers.dpm_fast import dpm_fast
from limner.diffusion.samplers.dpmpp_2m import dpmpp_2m, dpmpp_2m_cfg_pp
from limner.diffusion.samplers.dpmpp_2m_sde import (
    dpmpp_2m_sde,
    dpmpp_2m_sde_gpu,
    dpmpp_2m_sde_heun,
    dpmpp_2m_sde_heun_gpu,
)
from limner.diffusion.samplers.dpmpp_2s_ancestral import dpmpp_2s_ancestral, dpmpp_2s_ancestral_cfg_pp
from limner.diffusion.samplers.dpmpp_3m_sde import dpmpp_3m_sde, dpmpp_3m_sde_gpu
from limner.diffusion.samplers.dpmpp_sde import dpmpp_sde, dpmpp_sde_gpu
from limner.diffusion.samplers.er_sde import er_sde
from limner.diffusion.samplers.euler import euler
from limner.diffusion.samplers.euler_ancestral import euler_ancestral
from limner.diffusion.samplers.euler_cfg_pp import euler_ancestral_cfg_pp, euler_cfg_pp
from limner.diffusion.samplers.gradient_estimation import gradient_estimation, gradient_estimation_cfg_pp
from limner.diffusion.samplers.heun import heun
from limner.diffusion.samplers.heunpp2 import heunpp2
from limner.diffusion.samplers.ipndm import ipndm, ipndm_v
from limner.diffusion.samplers.lcm import lcm
from limner.diffusion.samplers.lms import lms
from limner.diffusion.samplers.res_multistep import (
    res_multistep,
    res_multistep_ancestral,
    res_multistep_ancestral_cfg_pp,
    res_multistep_cfg_pp,
)
from limner.diffusion.samplers.sa_solver import sa_solver, sa_solver_pece
from limner.diffusion.samplers.seeds import seeds_2, seeds_3
from limner.diffusion.samplers.uni_pc import FINAL_SIGMA, uni_pc, uni_pc_bh2


@dataclass(frozen=True)
class Sampler:
    """A solver under its name, with what the sampling loop has to know of it.

    `discard_penultimate`: schedules are made one step longer and lose their last level above 0, which a second-order
    step to 0 makes little use of. `fresh_inpaint_noise`: what a mask keeps is noised by noise of its own instead of
    that which sampling starts from. `final_sigma`: the level that stands for 0 at the end. `options`: given to the
    solver at every call.
    """

    name: str
    solver: Solver
    discard_penultimate: bool = False
    fresh_inpaint_noise: bool = False
    final_sigma: float = 0.0
    options: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, model: Denoiser, x: Tensor, sigmas: Tensor, context: SamplerContext) -> Tensor:
        return self.solver(model, x, sigmas, context, **self.options)

    def with_options(self, **options: Any) -> Sampler:
        """The same with solver options added; an unknown one raises TypeError when sampling."""
        return replace(self, options=MappingProxyType({**self.options, **options}))


SAMPLERS: Mapping[str, Sampler] = MappingProxyType(
    {
        sampler.name: sampler
        for sampler in (
            Sampler("euler", euler),
            Sampler("euler_cfg_pp", euler_cfg_pp),
            Sampler("euler_ancestral", euler_ancestral),
            Sampler("euler_ancestral_cfg_pp", euler_ancestral_cfg_pp),
            Sampler("heun", heun),
            Sampler("heunpp2", heunpp2),
            Sampler("dpm_2", dpm_2, discard_penultimate=True),
            Sampler("dpm_2_ancestral", dpm_2_ancestral, discard_penultimate=True),
            Sampler("lms", lms),
            Sampler("dpm_fast", dpm_fast),
            Sampler("dpm_adaptive", dpm_adaptive),
            Sampler("dpmpp_2s_ancestral", dpmpp_2s_ancestral),
            Sampler("dpmpp_2s_ancestral_cfg_pp", dpmpp_2s_ancestral_cfg_pp),
            Sampler("dpmpp_sde", dpmpp_sde),
            Sampler("dpmpp_sde_gpu", dpmpp_sde_gpu),
            Sampler("dpmpp_2m", dpmpp_2m),
            Sampler("dpmpp_2m_cfg_pp", dpmpp_2m_cfg_pp),
            Sampler("dpmpp_2m_sde", dpmpp_2m_sde),
            Sampler("dpmpp_2m_sde_gpu", dpmpp_2m_sde_gpu),
            Sampler("dpmpp_2m_sde_heun", dpmpp_2m_sde_heun),
            Sampler("dpmpp_2m_sde_heun_gpu", dpmpp_2m_sde_heun_gpu),
            Sampler("dpmpp_3m_sde", dpmpp_3m_sde),
            Sampler("dpmpp_3m_sde_gpu", dpmpp_3m_sde_gpu),
            Sampler("ddpm", ddpm),
            Sampler("lcm", lcm),
            Sampler("ipndm", ipndm),
            Sampler("ipndm_v", ipndm_v),
            Sampler("deis", deis),
            Sampler("res_multistep", res_multistep),
            Sampler("res_multistep_cfg_pp", res_multistep_cfg_pp),
            Sampler("res_multistep_ancestral", res_multistep_ancestral),
            Sampler("res_multistep_ancestral_cfg_pp", res_multistep_ancestral_cfg_pp),
            Sampler("gradient_estimation", gradient_estimation),
            Sampler("gradient_estimation_cfg_pp", gradient_estimation_cfg_pp),
            Sampler("er_sde", er_sde),
            Sampler("seeds_2", seeds_2),
            Sampler("seeds_3", seeds_3),
            Sampler("sa_solver", sa_solver),
            Sampler("sa_solver_pece", sa_solver_pece),
            Sampler("ddim", euler, fresh_inpaint_noise=True),
            Sampler("uni_pc", uni_pc, discard_penultimate=True, final_sigma=FINAL_SIGMA),
            Sampler("uni_pc_bh2", uni_pc_bh2, discard_penultimate=True, final_sigma=FINAL_SIGMA),
        )
    }
)


def sampler(name: str) -> Sampler:
    """The sampler of that name. Raises ValueError for an unknown one, naming those there are."""
    if name not in SAMPLERS:
        raise ValueError(f"unknown sampler {name!r}: choose one of {', '.join(SAMPLERS)}")
    return SAMPLERS[name]
