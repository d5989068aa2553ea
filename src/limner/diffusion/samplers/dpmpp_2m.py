"""DPM-Solver++(2M), plain and with CFG++ guidance.

Lu et al. 2022, "DPM-Solver++: Fast Solver for Guided Sampling of Diffusion Probabilistic Models", arXiv:2211.01095,
algorithm 2; Chung et al. 2024, "CFG++", arXiv:2406.08070, for the guided form. Both in sigma space: time is
`-log(sigma)`, so the factor `e^-h` of a step is the ratio of its levels.
"""

from torch import Tensor

from limner.diffusion.samplers.base import Denoiser, SamplerContext, blend, denoise, denoise_pair


def dpmpp_2m(model: Denoiser, x: Tensor, sigmas: Tensor, context: SamplerContext) -> Tensor:
    """Second order, multistep, one model call a step: denoised predictions are extrapolated over log sigma."""
    previous: Tensor | None = None
    for step in range(len(sigmas) - 1):
        denoised = denoise(model, x, sigmas[step])
        context.report(step, denoised, x)
        target = denoised
        if previous is not None and sigmas[step + 1] > 0:
            target = denoised + (denoised - previous) / (2 * _step_ratio(sigmas, step))
        x = blend(x, target, sigmas[step + 1] / sigmas[step])
        previous = denoised
    return x


def dpmpp_2m_cfg_pp(model: Denoiser, x: Tensor, sigmas: Tensor, context: SamplerContext) -> Tensor:
    """The same, moving from the unconditional prediction to the guided one."""
    previous: Tensor | None = None
    for step in range(len(sigmas) - 1):
        denoised, unconditional = denoise_pair(model, x, sigmas[step])
        context.report(step, denoised, x)
        ratio = sigmas[step + 1] / sigmas[step]
        x = denoised + ratio * (x - unconditional)
        if previous is not None and sigmas[step + 1] > 0:
            x = x + (1 - ratio) * (denoised - previous) / (2 * _step_ratio(sigmas, step))
        previous = unconditional
    return x


def _step_ratio(sigmas: Tensor, step: int) -> Tensor:
    """The last step's length over this one's, in log sigma."""
    return (sigmas[step - 1] / sigmas[step]).log() / (sigmas[step] / sigmas[step + 1]).log()
