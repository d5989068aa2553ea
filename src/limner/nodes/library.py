"""All families of nodes, in the order of the menus."""

from __future__ import annotations

from limner.sdk import Implementation, nodes_in

from . import preview_3d, testing
from .audio import basics as audio_basics
from .audio import files as audio_files
from .conditioning import combining, text
from .conditioning import inpaint as conditioning_inpaint
from .image import animation, color, compositing, loading, postprocessing, saving, transform, upscaling, video
from .image import basics as image_basics
from .image import batch as image_batch
from .latent import advanced, empty, inpaint, operations, rebatch, vae
from .latent import basics as latent_basics
from .latent import batch as latent_batch
from .latent import transform as latent_transform
from .loaders import checkpoints, loras
from .mask import basics as mask_basics
from .sampling import ksampler
from .sampling.custom import guiders, noise, samplers, sampling, schedulers, sigmas
from .utils import preview_any, primitive, string
from .versions import versioned

FAMILIES = (
    ksampler,
    checkpoints,
    loras,
    text,
    combining,
    conditioning_inpaint,
    vae,
    inpaint,
    latent_basics,
    latent_batch,
    rebatch,
    latent_transform,
    advanced,
    operations,
    empty,
    sampling,
    samplers,
    schedulers,
    sigmas,
    guiders,
    noise,
    loading,
    saving,
    animation,
    video,
    image_basics,
    upscaling,
    image_batch,
    transform,
    postprocessing,
    color,
    compositing,
    mask_basics,
    audio_basics,
    audio_files,
    primitive,
    string,
    preview_any,
    testing,
    preview_3d,
)


def built_in() -> tuple[Implementation, ...]:
    return tuple(versioned(nodes_in(FAMILIES)))
