"""Menu `sampling`: denoising latents."""

from __future__ import annotations

from typing import Annotated, Literal

from limner.diffusion.samplers import SAMPLERS
from limner.diffusion.schedules import SCHEDULERS
from limner.sdk import Choice, Conditioning, Float, Int, Latent, Model, NodeContext, Options, node

from ..origin import required
from ..ranges import MAX_SEED
from .denoising import Steps, denoise_latent

SAMPLER_NAMES = tuple(SAMPLERS)
SCHEDULER_NAMES = tuple(SCHEDULERS)


@node(type="KSampler", title="KSampler", category="sampling")
def ksampler(
    model: Annotated[Model, Options(tooltip="The model that denoises.")],
    seed: Annotated[
        int, Int(default=0, min=0, max=MAX_SEED, control_after_generate=True, tooltip="Makes the noise: one picture.")
    ],
    steps: Annotated[int, Int(default=20, min=1, max=10000, tooltip="How many steps denoising takes.")],
    cfg: Annotated[
        float,
        Float(
            default=8.0,
            min=0.0,
            max=100.0,
            step=0.1,
            round=0.01,
            tooltip="How closely the prompt is followed; too high spoils the picture.",
        ),
    ],
    sampler_name: Annotated[str, Choice(*SAMPLER_NAMES, tooltip="The solver.")],
    scheduler: Annotated[str, Choice(*SCHEDULER_NAMES, tooltip="How noise falls over the steps.")],
    positive: Annotated[Conditioning, Options(tooltip="What to draw.")],
    negative: Annotated[Conditioning, Options(tooltip="What to avoid.")],
    latent_image: Annotated[Latent, Options(tooltip="The latent to begin with.")],
    denoise: Annotated[
        float, Float(default=1.0, min=0.0, max=1.0, step=0.01, tooltip="Below 1, the latent's content is kept in part.")
    ],
    context: NodeContext,
) -> Latent:
    """Draw: take the noise away from a latent, step by step, as the prompts say."""
    how = Steps(sampler_name, scheduler, steps, seed, cfg, denoise)
    return denoise_latent(required(model, "model", "MODEL", context), positive, negative, latent_image, how, context)


@node(type="KSamplerAdvanced", title="KSampler (Advanced)", category="sampling")
def ksampler_advanced(
    model: Model,
    add_noise: Literal["enable", "disable"],
    noise_seed: Annotated[int, Int(default=0, min=0, max=MAX_SEED, control_after_generate=True)],
    steps: Annotated[int, Int(default=20, min=1, max=10000)],
    cfg: Annotated[float, Float(default=8.0, min=0.0, max=100.0, step=0.1, round=0.01)],
    sampler_name: Annotated[str, Choice(*SAMPLER_NAMES)],
    scheduler: Annotated[str, Choice(*SCHEDULER_NAMES)],
    positive: Conditioning,
    negative: Conditioning,
    latent_image: Latent,
    start_at_step: Annotated[int, Int(default=0, min=0, max=10000)],
    end_at_step: Annotated[int, Int(default=10000, min=0, max=10000)],
    return_with_leftover_noise: Literal["disable", "enable"],
    context: NodeContext,
) -> Latent:
    """As KSampler, for a stretch of the steps only."""
    how = Steps(
        sampler_name,
        scheduler,
        steps,
        noise_seed,
        cfg,
        add_noise=add_noise == "enable",
        start_step=start_at_step,
        last_step=end_at_step,
        force_full_denoise=return_with_leftover_noise == "disable",
    )
    return denoise_latent(required(model, "model", "MODEL", context), positive, negative, latent_image, how, context)
