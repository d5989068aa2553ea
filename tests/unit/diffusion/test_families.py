"""Stable Diffusion 1.5's own layout: its configuration is found, and every tensor its place."""

from functools import partial
from pathlib import Path

import pytest
import torch

from limner.diffusion import families
from limner.diffusion.families import ldm_keys, sd1, sd1_config
from limner.diffusion.families.base import Shapes

LAYOUT = Path(__file__).parents[2] / "fixtures" / "sd15" / "layout.tsv"


@pytest.fixture(scope="module")
def shapes() -> Shapes:
    lines = (line.split("\t") for line in LAYOUT.read_text().splitlines())
    return {name: tuple(int(size) for size in text.split("x")) for name, text in lines}


def under(shapes: Shapes, prefix: str) -> Shapes:
    return {name.removeprefix(prefix): shape for name, shape in shapes.items() if name.startswith(prefix)}


def built(make: object) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        module = make()  # type: ignore[operator]
    return {name: tuple(parameter.shape) for name, parameter in module.named_parameters()}


def test_the_family_is_recognised(shapes: Shapes) -> None:
    found = families.detect(shapes, {})
    assert found is sd1.SD1


def test_the_unet_is_the_published_one(shapes: Shapes) -> None:
    from limner.diffusion.families import networks

    unet = under(shapes, ldm_keys.UNET)
    config = sd1_config.unet_config(unet)
    assert config["block_out_channels"] == [320, 640, 1280, 1280]
    assert config["down_block_types"] == ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"]
    assert config["up_block_types"] == ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3
    assert (config["layers_per_block"], config["cross_attention_dim"]) == (2, 768)
    rename = partial(ldm_keys.unet_key, layers=2)
    assert {rename(name): shape for name, shape in unet.items()} == built(lambda: networks.unet(config))


def test_the_vae_is_the_published_one(shapes: Shapes) -> None:
    from limner.diffusion.families import networks

    vae = under(shapes, ldm_keys.VAE)
    renamed = {ldm_keys.vae_key(name, sd1_config.vae_levels(vae)): shape for name, shape in vae.items()}
    config = sd1_config.vae_config(renamed)
    assert config["block_out_channels"] == [128, 256, 512, 512]
    assert (config["layers_per_block"], config["latent_channels"]) == (2, 4)
    squeezed = {name: shape[:2] if ".to_" in name else shape for name, shape in renamed.items()}
    assert squeezed == built(lambda: networks.autoencoder_kl(config))


def test_the_text_encoder_is_the_published_one(shapes: Shapes) -> None:
    from limner.diffusion.families import networks

    text = {name.removeprefix("text_model."): shape for name, shape in under(shapes, sd1.TEXT).items()}
    config = sd1_config.clip_config(text)
    assert (config["vocab_size"], config["num_hidden_layers"], config["num_attention_heads"]) == (49408, 12, 12)
    expected = {
        name.removeprefix("text_model."): shape for name, shape in built(lambda: networks.clip_text(config)).items()
    }
    assert text == expected


def test_a_configuration_that_names_a_family_decides() -> None:
    assert families.detect({"anything": (1,)}, {"family": "sd1"}) is sd1.SD1
    assert families.detect({"anything": (1,)}, {"family": "else"}) is None


def test_families_have_names_of_their_own() -> None:
    names = [family.name for family in families.families()]
    assert len(names) == len(set(names))
