"""Stable Diffusion 1.x: a UNet that predicts noise, one CLIP text encoder, a VAE at an eighth of the picture's size.

The file is the original layout: `model.diffusion_model.*`, `cond_stage_model.*`, `first_stage_model.*`. Its
configuration is read off the shapes, or stands in the header under `limner.config`:
`{"family": "sd1", "unet": {...}, "vae": {...}, "text": {...}, "latent_rgb_factors": ..., "latent_rgb_bias": ...}` with
the arguments of UNet2DConditionModel, AutoencoderKL and CLIPTextConfig.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from limner.diffusion.errors import CheckpointError
from limner.diffusion.families import ldm_keys, sd1_config
from limner.diffusion.families.base import Family, LatentFormat, NetworkPart, Shapes, TextPart, VaePart
from limner.diffusion.families.loading import Loader

TEXT = "cond_stage_model.transformer."
CONTEXT = 768
RGB_FACTORS = (
    (0.3512, 0.2297, 0.3227),
    (0.3250, 0.4974, 0.2350),
    (-0.2829, 0.1762, 0.2721),
    (-0.2120, -0.2616, -0.7177),
)
"""Red, green, blue of each latent channel, as published in the field for SD 1.x."""

INPAINT_CHANNELS = 9


def detect(shapes: Shapes) -> bool:
    """The UNet attends to text of CLIP ViT-L's width, and to nothing else."""
    unet = {name[len(ldm_keys.UNET) :]: shape for name, shape in shapes.items() if name.startswith(ldm_keys.UNET)}
    return sd1_config.context_width(unet) == CONTEXT and "label_emb.0.0.weight" not in unet


def build(loader: Loader) -> tuple[NetworkPart | None, TextPart | None, VaePart | None]:
    """The parts that the file holds."""
    return build_network(loader), build_text(loader), build_vae(loader)


def build_network(loader: Loader) -> NetworkPart | None:
    """The UNet; None where the file has none."""
    from limner.diffusion.families import networks

    if not loader.has(ldm_keys.UNET):
        return None
    config = _config(loader, "unet", lambda: sd1_config.unet_config(_under(loader, ldm_keys.UNET)))
    layers = config.get("layers_per_block", 2)
    if not isinstance(layers, int):
        raise _bad_config(loader, "layers_per_block of the UNet is not one number")
    sources = loader.sources(ldm_keys.UNET, partial(ldm_keys.unet_key, layers=layers))
    module = loader.build(lambda: networks.unet(config), sources, loader.precision.network, "UNet")
    keys = {name: source[len(ldm_keys.UNET) :] for name, source in sources.items()}
    scale = float(_section(loader, "vae").get("scaling_factor", sd1_config.SCALE))
    channels = int(config.get("out_channels", 4))
    factors = _factors(loader, channels)
    latent = LatentFormat(channels, 8, scale, factors, tuple(loader.config.get("latent_rgb_bias", (0.0, 0.0, 0.0))))
    prediction = str(loader.config.get("prediction_type", "epsilon"))
    return NetworkPart(module, latent, prediction, keys, int(config.get("in_channels", 4)) == INPAINT_CHANNELS)


def build_text(loader: Loader) -> TextPart | None:
    """The text encoder; None where the file has none."""
    from limner.diffusion.families import networks

    if not loader.has(TEXT):
        return None
    sources = loader.sources(TEXT, lambda name: name.removeprefix("text_model."))
    shapes = _renamed(loader, sources)
    config = _config(loader, "text", lambda: sd1_config.clip_config(shapes))
    vocabulary = int(config.get("vocab_size", 49408))
    config = {"bos_token_id": vocabulary - 2, "eos_token_id": vocabulary - 1, **config}
    module = loader.build(lambda: networks.clip_text(config), sources, loader.precision.text, "text encoder")
    loader.used |= {name for name in loader.file.shapes() if name.startswith(TEXT) and name.endswith("position_ids")}
    return TextPart(module, vocabulary, {name: source[len(TEXT) :] for name, source in sources.items()})


def build_vae(loader: Loader) -> VaePart | None:
    """The autoencoder, from a whole checkpoint or from a file of its own; None where the file has none."""
    from limner.diffusion.families import networks

    prefix = vae_prefix(loader.file.shapes())
    if prefix is None:
        return None
    levels = sd1_config.vae_levels(_under(loader, prefix))
    sources = loader.sources(prefix, partial(ldm_keys.vae_key, levels=levels))
    shapes = _renamed(loader, sources)
    config = _config(loader, "vae", lambda: sd1_config.vae_config(shapes))
    module = loader.build(lambda: networks.autoencoder_kl(config), sources, loader.precision.vae, "VAE")
    channels = int(config.get("latent_channels", 4))
    return VaePart(module, channels, 2 ** (len(config.get("block_out_channels", (0,) * 4)) - 1))


def vae_prefix(shapes: Shapes) -> str | None:
    """What stands before the VAE's names in a file: the checkpoint's prefix, nothing in a VAE's own file, or None."""
    for prefix in (ldm_keys.VAE, ""):
        if f"{prefix}decoder.conv_in.weight" in shapes:
            return prefix
    return None


def _under(loader: Loader, prefix: str) -> dict[str, tuple[int, ...]]:
    return {name[len(prefix) :]: shape for name, shape in loader.file.shapes().items() if name.startswith(prefix)}


def _renamed(loader: Loader, sources: Mapping[str, str]) -> dict[str, tuple[int, ...]]:
    shapes = loader.file.shapes()
    return {name: shapes[source] for name, source in sources.items()}


def _section(loader: Loader, name: str) -> Mapping[str, Any]:
    section = loader.config.get(name, {})
    if not isinstance(section, dict):
        raise _bad_config(loader, f"its section {name!r} is no table")
    return section


def _config(loader: Loader, name: str, infer: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    section = _section(loader, name)
    if section:
        return dict(section)
    try:
        return infer()
    except (KeyError, ValueError, IndexError) as error:
        problem = f"lacks the tensors that tell the size of its {name} part ({error})"
        raise CheckpointError(loader.file.path, problem, "Download it again, or use a complete file") from error


def _factors(loader: Loader, channels: int) -> tuple[tuple[float, ...], ...]:
    given = loader.config.get("latent_rgb_factors")
    if given is None:
        return RGB_FACTORS if channels == len(RGB_FACTORS) else ((0.0, 0.0, 0.0),) * channels
    try:
        rows = tuple(tuple(float(value) for value in row) for row in given)
    except (TypeError, ValueError) as error:
        raise _bad_config(loader, "latent_rgb_factors is no table of numbers") from error
    if len(rows) != channels or any(len(row) != 3 for row in rows):
        raise _bad_config(loader, f"latent_rgb_factors must have {channels} rows of 3")
    return rows


def _bad_config(loader: Loader, problem: str) -> CheckpointError:
    return CheckpointError(loader.file.path, f"its configuration cannot be used: {problem}", "Use a correct file")


SD1 = Family("sd1", "Stable Diffusion 1.x", detect, build)
