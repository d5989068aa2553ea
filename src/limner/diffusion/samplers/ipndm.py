"""Improved pseudo linear multistep (iPNDM), with coefficients for even steps and for uneven ones.

Zhang & Chen 2022, "Fast Sampling of Diffusion Models with Exponential Integrator", arXiv:2204.13902,
after Liu et al. 2022, arXiv:2202.09778. `ipndm_v` is the variable-step form of the diff-sampler toolbox (Zhou et al.
2023, arXiv:2312.00094).
"""

from torch import Tensor

from limner.diffusion.samplers.base import Denoiser, SamplerContext, denoise, slope

ADAMS_BASHFORTH = ((1.0,), (3 / 2, -1 / 2), (23 / 12, -16 / 12, 5 / 12), (55 / 24, -59 / 24, 37 / 24, -9 / 24))
"""Weights of the newest slope, the one before, ..., by order, for even steps."""


def ipndm(model: Denoiser, x: Tensor, sigmas: Tensor, context: SamplerContext, *, max_order: int = 4) -> Tensor:
    """Up to fourth order (`max_order` 1 to 4), multistep, one model call a step, as if steps in sigma were even."""
    _check_order(max_order)
    slopes: list[Tensor] = []
    for step in range(len(sigmas) - 1):
        denoised = denoise(model, x, sigmas[step])
        context.report(step, denoised, x)
        slopes = [slope(x, sigmas[step], denoised), *slopes][:max_order]
        if sigmas[step + 1] == 0:
            x = denoised
            continue
        h = sigmas[step + 1] - sigmas[step]
        for weight, past in zip(ADAMS_BASHFORTH[len(slopes) - 1], slopes, strict=True):
            x = x + past * (h * weight)
    return x


def ipndm_v(model: Denoiser, x: Tensor, sigmas: Tensor, context: SamplerContext, *, max_order: int = 4) -> Tensor:
    """The same with weights for uneven steps."""
    _check_order(max_order)
    slopes: list[Tensor] = []
    for step in range(len(sigmas) - 1):
        denoised = denoise(model, x, sigmas[step])
        context.report(step, denoised, x)
        slopes = [slope(x, sigmas[step], denoised), *slopes][:max_order]
        if sigmas[step + 1] == 0:
            x = denoised
            continue
        lengths = [sigmas[index + 1] - sigmas[index] for index in range(step, step - len(slopes), -1)]
        x = x + lengths[0] * _mean_slope(slopes, lengths)
    return x


def _mean_slope(slopes: list[Tensor], lengths: list[Tensor]) -> Tensor:
    """The slope over the step ahead; slopes and step lengths newest first, the first length being the step ahead's.

    The correction of each order is the next divided difference times a weight. Two weights (marked) are those of the
    published toolbox, which pictures were made with, and not those of the exact variable-step method; they agree
    with it on even steps.
    """
    mean = slopes[0]
    if len(slopes) == 1:
        return mean
    h, h1 = lengths[0], lengths[1]
    first = slopes[0] - slopes[1]
    mean = mean + first * (h / h1 / 2)
    if len(slopes) == 2:
        return mean
    h2 = lengths[2]
    second = first - (slopes[1] - slopes[2]) * (h1 / h2)
    mean = mean + second * ((1 - h**2 / (3 * h1 * (h1 + h2))) / 2)  # exact: (1 - h / (3 (h + h1))) h (h + h1) / ...
    if len(slopes) == 3:
        return mean
    h3 = lengths[3]
    q = h1 * (h1 + h2) / (h2 * (h2 + h3))
    third = second - q * (slopes[1] - slopes[2] - slopes[2] * (h2 / h3) + slopes[3] * (h1 / h2))  # exact: h2 / h3
    reach = h * (h + h1) * (h + h1 + h2) / (h1 * (h1 + h2) * (h1 + h2 + h3))
    near = 1 - h / (3 * (h + h1))
    far = (1 - h / (2 * (h + h1))) * h / (6 * (h + h1 + h2))
    return mean + third * ((near / 2 + far) * reach)


def _check_order(max_order: int) -> None:
    if not 1 <= max_order <= 4:
        raise ValueError(f"iPNDM has orders 1 to 4, not {max_order}")
