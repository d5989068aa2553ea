"""Stable Diffusion 1.5 in float32 against recorded figures: text to 1e-3, everything else to 1 % of its deviation.

Each record holds a result's shape, mean, standard deviation and every k-th value; `about` in the file says how each
was made.
"""

import json
from typing import Any

import pytest
import torch

from limner.diffusion import conditioning
from limner.diffusion.conditioning import Conditioning
from limner.diffusion.guidance import Guide
from limner.diffusion.noise import initial_noise
from limner.diffusion.runtime import Runtime
from limner.diffusion.sampling import sample
from tests.parity.checkpoint import FIXTURES, checkpoint

pytestmark = pytest.mark.parity

CASES: dict[str, Any] = json.loads((FIXTURES / "parity.json").read_text())["cases"]
TEXTS = [name for name in CASES if name.startswith("text/")]
EMPTY = (1, 4, 16, 16)


@pytest.fixture(scope="module")
def sd15() -> Any:
    return Runtime("cpu", "fp32").load_checkpoint(checkpoint())


def compare(result: torch.Tensor, record: dict[str, Any], tolerance: float) -> None:
    every = next(key for key in record if key.startswith("every"))
    values = torch.tensor(record[every])
    assert list(result.shape) == record["shape"]
    assert float((result.flatten()[:: int(every[5:])][: len(values)] - values).abs().max()) < tolerance
    assert float(result.mean()) == pytest.approx(record["mean"], abs=tolerance)
    assert float(result.std()) == pytest.approx(record["std"], abs=tolerance)


def one_percent(result: torch.Tensor, name: str) -> None:
    compare(result, CASES[name], 0.01 * CASES[name]["std"])


@pytest.mark.parametrize("name", TEXTS)
def test_text(sd15: Any, name: str) -> None:
    case = CASES[name]
    chunks = sd15.text.tokenize(case["prompt"])
    assert [[token for token, _ in chunk] for chunk in chunks] == case["tokens"]
    ((vectors, options),) = sd15.text.encode(case["prompt"])
    compare(vectors, case["cond"], 1e-3)
    compare(options["pooled_output"], case["pooled"], 1e-3)


@pytest.fixture(scope="module")
def prompts(sd15: Any) -> dict[str, Conditioning]:
    texts = {"positive": "a red apple on a wooden table", "second": "a green pear", "negative": "blurry, text"}
    return {name: sd15.text.encode(text) for name, text in texts.items()}


def draw(
    sd15: Any, positive: Conditioning, negative: Conditioning, seed: int, steps: int, **options: Any
) -> torch.Tensor:
    latent = options.pop("latent", torch.zeros(EMPTY))
    mask = options.pop("noise_mask", None)
    model = sd15.model
    noise = initial_noise(latent, seed)
    with Guide(model, positive, negative, options.pop("cfg", 7.0)).prepare(noise, latent, mask) as denoiser:
        return sample(
            denoiser,
            model.parameterization,
            latent,
            noise,
            steps=steps,
            seed=seed,
            noise_mask=mask,
            scale_in=model.scale_in,
            scale_out=model.scale_out,
            **{"sampler_name": "euler", "scheduler_name": "normal", **options},
        )


@pytest.fixture(scope="module")
def euler(sd15: Any, prompts: dict[str, Conditioning]) -> torch.Tensor:
    return draw(sd15, prompts["positive"], prompts["negative"], seed=1, steps=4)


def test_euler(euler: torch.Tensor) -> None:
    one_percent(euler, "ksampler/euler_normal_4")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("dpmpp_2m_karras_6", {"seed": 2, "steps": 6, "sampler_name": "dpmpp_2m", "scheduler_name": "karras"}),
        ("euler_ancestral_normal_4", {"seed": 3, "steps": 4, "sampler_name": "euler_ancestral"}),
        ("cfg1_euler_4", {"seed": 7, "steps": 4, "cfg": 1.0}),
    ],
)
def test_samplers(sd15: Any, prompts: dict[str, Conditioning], name: str, arguments: dict[str, Any]) -> None:
    one_percent(draw(sd15, prompts["positive"], prompts["negative"], **arguments), f"ksampler/{name}")


def test_image_to_image(sd15: Any, prompts: dict[str, Conditioning], euler: torch.Tensor) -> None:
    made = draw(sd15, prompts["positive"], prompts["negative"], seed=9, steps=6, denoise=0.5, latent=euler)
    one_percent(made, "ksampler/img2img_denoise_0.5")


def test_inpainting(sd15: Any, prompts: dict[str, Conditioning], euler: torch.Tensor) -> None:
    mask = torch.zeros(1, 1, 128, 128)
    mask[..., 32:96, 32:96] = 1
    made = draw(sd15, prompts["positive"], prompts["negative"], seed=11, steps=4, latent=euler, noise_mask=mask)
    one_percent(made, "ksampler/inpaint_noise_mask")


def test_areas(sd15: Any, prompts: dict[str, Conditioning]) -> None:
    area = conditioning.set_area(prompts["second"], 64, 128, 64, 0)
    both = conditioning.combine(prompts["positive"], area)
    one_percent(draw(sd15, both, prompts["negative"], seed=12, steps=3), "ksampler/combine_area")


def test_decode(sd15: Any, euler: torch.Tensor) -> None:
    one_percent(sd15.vae.decode(euler), "vae/decode_euler_normal_4")


def test_encode(sd15: Any) -> None:
    pictures = torch.rand(1, 128, 96, 3, generator=torch.Generator().manual_seed(5))
    one_percent(sd15.vae.encode(pictures), "vae/encode_rand_gen5_128x96")
