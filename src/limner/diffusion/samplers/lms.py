"""Linear multistep (Adams-Bashforth) over the slopes of past steps, with exact coefficients for uneven steps.

Liu et al. 2022, "Pseudo Numerical Methods for Diffusion Models", arXiv:2202.09778, gives the method for
even steps; Hairer, Norsett & Wanner, "Solving Ordinary Differential Equations I", sec. III.5, for uneven ones.
"""

import numpy as np
from numpy.polynomial import Polynomial
from numpy.typing import NDArray
from torch import Tensor

from limner.diffusion.samplers.base import Denoiser, SamplerContext, denoise, slope


def lms(model: Denoiser, x: Tensor, sigmas: Tensor, context: SamplerContext, *, order: int = 4) -> Tensor:
    """Order `order` (1 or more) once there are so many slopes; one model call a step."""
    levels = sigmas.double().numpy()
    slopes: list[Tensor] = []
    for step in range(len(sigmas) - 1):
        denoised = denoise(model, x, sigmas[step])
        context.report(step, denoised, x)
        slopes = [slope(x, sigmas[step], denoised), *slopes][:order]
        if sigmas[step + 1] == 0:
            x = denoised
            continue
        visited = levels[step::-1][: len(slopes)]
        weights = adams_bashforth_weights(visited, levels[step + 1])
        for weight, past in zip(weights, slopes, strict=True):
            x = x + past * weight
    return x


def adams_bashforth_weights(visited: NDArray[np.float64], target: float) -> list[float]:
    """The integrals from `visited[0]` to `target` of the Lagrange polynomials on `visited`, newest level first."""
    weights = []
    for index, level in enumerate(visited):
        others = np.delete(visited, index)
        basis = Polynomial.fromroots(others) / np.prod(level - others) if len(others) else Polynomial([1.0])
        primitive = basis.integ()
        weights.append(float(primitive(target) - primitive(visited[0])))
    return weights
