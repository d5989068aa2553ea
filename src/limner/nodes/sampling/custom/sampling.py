"""Menu `sampling/custom_sampling`: sampling with parts put together by links."""

from __future__ import annotations

from typing import Annotated, Any

from torch import Tensor

from limner.diffusion.guidance import Guide
from limner.diffusion.model import Model as DiffusionModel
from limner.diffusion.samplers import Sampler as Solver
from limner.diffusion.sampling import sample_sigmas
from limner.sdk import (
    Bool,
    Conditioning,
    Float,
    Guider,
    Int,
    Latent,
    Model,
    Named,
    NodeContext,
    Noise,
    Sampler,
    Sigmas,
    node,
)

from ...origin import required
from ...ranges import MAX_SEED
from ..denoising import Reporter, fitting
from .noise import Noise_EmptyNoise, Noise_RandomNoise

MODULE = "comfy_extras.nodes_custom_sampler"
CATEGORY = "sampling/custom_sampling"
Outputs = tuple[Annotated[Latent, Named("output")], Annotated[Latent, Named("denoised_output")]]


@node(type="SamplerCustom", title="SamplerCustom", category=CATEGORY, module=MODULE)
def sampler_custom(
    model: Model,
    add_noise: Annotated[bool, Bool(default=True)],
    noise_seed: Annotated[int, Int(default=0, min=0, max=MAX_SEED, control_after_generate=True)],
    cfg: Annotated[float, Float(default=8.0, min=0.0, max=100.0, step=0.1, round=0.01)],
    positive: Conditioning,
    negative: Conditioning,
    sampler: Sampler,
    sigmas: Sigmas,
    latent_image: Latent,
    context: NodeContext,
) -> Outputs:
    """Denoise a latent over given levels; the second output is the last step's view of the clean latent."""
    guide = Guide(required(model, "model", "MODEL", context), positive, negative, cfg)
    latent = {**latent_image, "samples": fitting(guide.model, latent_image["samples"])}
    noise = (Noise_RandomNoise(noise_seed) if add_noise else Noise_EmptyNoise()).generate_noise(latent)
    return _denoised(guide, latent, noise, sampler, sigmas, noise_seed, context)


@node(type="SamplerCustomAdvanced", title="SamplerCustomAdvanced", category=CATEGORY, module=MODULE)
def sampler_custom_advanced(
    noise: Noise, guider: Guider, sampler: Sampler, sigmas: Sigmas, latent_image: Latent, context: NodeContext
) -> Outputs:
    """Denoise a latent, every part given by a link; the second output is the last view of the clean latent."""
    latent = {**latent_image, "samples": fitting(guider.model, latent_image["samples"])}
    return _denoised(guider, latent, noise.generate_noise(latent), sampler, sigmas, noise.seed, context)


def _denoised(
    guide: Guide,
    latent: dict[str, Any],
    noise: Tensor,
    solver: Solver,
    sigmas: Tensor,
    seed: int,
    context: NodeContext,
) -> tuple[dict[str, Any], dict[str, Any]]:
    model, samples, mask = guide.model, latent["samples"], latent.get("noise_mask")
    watched = _LastView(Reporter(model, context))
    with guide.prepare(noise, model.scale_in(samples), mask) as denoiser:
        result = sample_sigmas(
            denoiser,
            model.parameterization,
            samples,
            noise,
            sigmas,
            solver=solver,
            seed=seed,
            noise_mask=mask,
            callback=watched,
            cancelled=context.check_cancelled,
            scale_in=model.scale_in,
            scale_out=model.scale_out,
            device=model.device,
            tape=context.tape(),
        )
    output = {**latent, "samples": result}
    return output, watched.latent(model, latent) or output


class _LastView:
    """Passes progress on, and remembers what the last step took for the clean latent."""

    def __init__(self, report: Reporter) -> None:
        self._report = report
        self._view: Tensor | None = None

    def __call__(self, step: int, denoised: Tensor, x: Tensor, total: int) -> None:
        self._view = denoised
        self._report(step, denoised, x, total)

    def latent(self, model: DiffusionModel, latent: dict[str, Any]) -> dict[str, Any] | None:
        return None if self._view is None else {**latent, "samples": model.scale_out(self._view.float().cpu())}
