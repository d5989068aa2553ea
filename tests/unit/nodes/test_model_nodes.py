"""The nodes around a diffusion model, on a tiny checkpoint with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from limner.diffusion.errors import CheckpointError
from limner.diffusion.runtime import Runtime
from limner.files import Folders, MissingFile
from limner.nodes.errors import UnusableInput
from limner.nodes.library import built_in
from limner.nodes.options import NodeOptions
from limner.nodes.sampling.denoising import Reporter
from limner.sdk import Cancelled
from limner.sdk.testing import RecordingContext, run_node
from tests.unit.diffusion.conftest import Writer, original_tensors

NODES = {implementation.schema.type: implementation for implementation in built_in()}
TENSORS = original_tensors()


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    folders = Folders.under(tmp_path_factory.mktemp("base"))
    folders.prepare()
    write = Writer(folders.model_folder("checkpoints").paths[0], TENSORS)
    write("tiny.safetensors")
    write("bare.safetensors", lambda tensors: _drop(tensors, "first_stage_model.", "cond_stage_model."))
    return folders


def _drop(tensors: dict[str, torch.Tensor], *prefixes: str) -> None:
    for name in [name for name in tensors if name.startswith(prefixes)]:
        del tensors[name]


@pytest.fixture
def model_context(installation: Folders) -> RecordingContext:
    return RecordingContext(services=(installation, Runtime("cpu", "fp32")))


def loaded(context: RecordingContext, name: str = "tiny.safetensors") -> tuple[Any, ...]:
    return tuple(run_node(NODES["CheckpointLoaderSimple"], context, ckpt_name=name).values)


def prompts(context: RecordingContext, clip: Any) -> dict[str, Any]:
    positive = run_node(NODES["CLIPTextEncode"], context, clip=clip, text="a cat").values[0]
    negative = run_node(NODES["CLIPTextEncode"], context, clip=clip, text="").values[0]
    return {"positive": positive, "negative": negative, "sampler_name": "euler", "scheduler": "normal"}


def sampled(context: RecordingContext, node: str, **inputs: Any) -> Any:
    return run_node(NODES[node], context, **inputs).values[0]


def test_from_a_prompt_to_a_picture(model_context: RecordingContext) -> None:
    model, clip, vae = loaded(model_context)
    latent = {"samples": torch.zeros(2, 4, 8, 8)}
    result = sampled(
        model_context, "KSampler", model=model, latent_image=latent, steps=3, seed=5, **prompts(model_context, clip)
    )

    assert result["samples"].shape == (2, 4, 8, 8)
    assert [report[:2] for report in model_context.reports] == [(1, 3), (2, 3), (3, 3)]
    assert model_context.previews[0][1] == "image/jpeg"
    (image,) = run_node(NODES["VAEDecode"], model_context, samples=result, vae=vae).values
    assert image.shape == (2, 64, 64, 3)
    assert 0 <= float(image.min()) <= float(image.max()) <= 1


def test_two_stretches_make_the_whole(model_context: RecordingContext) -> None:
    model, clip, _ = loaded(model_context)
    common = {"model": model, "steps": 4, "noise_seed": 3, **prompts(model_context, clip)}
    empty = {"samples": torch.zeros(1, 4, 8, 8)}

    whole = sampled(
        model_context,
        "KSamplerAdvanced",
        latent_image=empty,
        add_noise="enable",
        return_with_leftover_noise="disable",
        **common,
    )
    first = sampled(
        model_context,
        "KSamplerAdvanced",
        latent_image=empty,
        add_noise="enable",
        return_with_leftover_noise="enable",
        end_at_step=2,
        **common,
    )
    second = sampled(
        model_context,
        "KSamplerAdvanced",
        latent_image=first,
        add_noise="disable",
        return_with_leftover_noise="disable",
        start_at_step=2,
        **common,
    )

    assert torch.allclose(second["samples"], whole["samples"], atol=1e-4)


def test_what_is_not_masked_stays(model_context: RecordingContext) -> None:
    model, clip, _ = loaded(model_context)
    original = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    mask = torch.zeros(1, 64, 64)
    mask[:, :, 32:] = 1
    latent = run_node(NODES["SetLatentNoiseMask"], model_context, samples={"samples": original}, mask=mask).values[0]

    result = sampled(
        model_context, "KSampler", model=model, latent_image=latent, steps=2, **prompts(model_context, clip)
    )["samples"]

    assert torch.allclose(result[..., :4], original[..., :4], atol=1e-4)
    assert not torch.allclose(result[..., 4:], original[..., 4:], atol=0.1)


def test_one_latent_of_a_batch_can_be_made_again(model_context: RecordingContext) -> None:
    model, clip, _ = loaded(model_context)
    common = {"model": model, "steps": 2, "seed": 9, **prompts(model_context, clip)}
    batch = {"samples": torch.zeros(3, 4, 8, 8)}
    every = sampled(model_context, "KSampler", latent_image=batch, **common)["samples"]
    single = run_node(NODES["LatentFromBatch"], samples=batch, batch_index=2, length=1).values[0]

    again = sampled(model_context, "KSampler", latent_image=single, **common)["samples"]

    assert torch.allclose(again[0], every[2], rtol=1e-3, atol=1e-3)


def test_interrupting_stops_within_a_step(model_context: RecordingContext) -> None:
    model, clip, _ = loaded(model_context)
    model_context.cancel_after = 2
    latent = {"samples": torch.zeros(1, 4, 8, 8)}

    with pytest.raises(Cancelled):
        sampled(model_context, "KSampler", model=model, latent_image=latent, steps=9, **prompts(model_context, clip))
    assert len(model_context.reports) == 2


def test_latents_of_another_family_are_refused_unless_empty(model_context: RecordingContext) -> None:
    model, clip, _ = loaded(model_context)
    common = {"model": model, "steps": 1, **prompts(model_context, clip)}

    empty = sampled(model_context, "KSampler", latent_image={"samples": torch.zeros(1, 16, 8, 8)}, **common)
    assert empty["samples"].shape == (1, 4, 8, 8)
    with pytest.raises(UnusableInput, match="16 channels"):
        sampled(model_context, "KSampler", latent_image={"samples": torch.ones(1, 16, 8, 8)}, **common)


def test_latents_of_video_are_refused(model_context: RecordingContext) -> None:
    model, clip, _ = loaded(model_context)
    latent = {"samples": torch.zeros(1, 4, 2, 8, 8)}

    with pytest.raises(UnusableInput, match="dimensions"):
        sampled(model_context, "KSampler", model=model, latent_image=latent, steps=1, **prompts(model_context, clip))


def test_what_a_vae_cannot_take_is_named(model_context: RecordingContext) -> None:
    vae = loaded(model_context)[2]

    with pytest.raises(UnusableInput, match="16 channels, the VAE decodes 4"):
        run_node(NODES["VAEDecode"], model_context, samples={"samples": torch.zeros(1, 16, 8, 8)}, vae=vae)
    with pytest.raises(UnusableInput, match="5x40 pixels, too small"):
        run_node(NODES["VAEEncode"], model_context, pixels=torch.zeros(1, 40, 5, 3), vae=vae)


def test_grey_pictures_are_encoded_as_colours(model_context: RecordingContext) -> None:
    vae = loaded(model_context)[2]
    grey = torch.rand(1, 16, 16, 1)

    of_grey = run_node(NODES["VAEEncode"], model_context, pixels=grey, vae=vae).values[0]
    of_colours = run_node(NODES["VAEEncode"], model_context, pixels=grey.expand(-1, -1, -1, 3), vae=vae).values[0]

    assert torch.equal(of_grey["samples"], of_colours["samples"])


def test_a_missing_part_names_the_checkpoint(installation: Folders) -> None:
    prompt = {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "bare.safetensors"}},
        "2": {"class_type": "CLIPSetLastLayer", "inputs": {"clip": ["1", 1], "stop_at_clip_layer": -1}},
        "3": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["2", 0], "text": ""}},
        "4": {"class_type": "VAEDecode", "inputs": {"samples": ["9", 0], "vae": ["1", 2]}},
    }
    context = RecordingContext(services=(installation, Runtime("cpu", "fp32")), hidden={"prompt": prompt})
    _, clip, vae = loaded(context, "bare.safetensors")
    assert clip is None
    assert vae is None

    context.node = "3"
    with pytest.raises(UnusableInput, match=r"'clip'.*bare\.safetensors.*text encoder.*Load CLIP"):
        run_node(NODES["CLIPTextEncode"], context, clip=clip, text="")
    context.node = "4"
    with pytest.raises(UnusableInput, match=r"'vae'.*bare\.safetensors.*no VAE.*Load VAE"):
        run_node(NODES["VAEDecode"], context, samples={"samples": torch.zeros(1, 4, 8, 8)}, vae=vae)


def test_files_that_are_no_models_are_named(installation: Folders, model_context: RecordingContext) -> None:
    folder = installation.model_folder("checkpoints").paths[0]
    (folder / "cut.safetensors").write_bytes((folder / "tiny.safetensors").read_bytes()[:5000])

    with pytest.raises(CheckpointError, match=r"cut\.safetensors"):
        loaded(model_context, "cut.safetensors")
    with pytest.raises(MissingFile, match=r"gone\.safetensors"):
        loaded(model_context, "gone.safetensors")


def test_change_token_follows_the_file(installation: Folders, model_context: RecordingContext) -> None:
    node = NODES["CheckpointLoaderSimple"]
    path = installation.model_folder("checkpoints").paths[0] / "changing.safetensors"
    path.write_bytes(b"one")
    first = node.change_token({"ckpt_name": path.name}, model_context)
    path.write_bytes(b"three")

    assert first
    assert node.change_token({"ckpt_name": path.name}, model_context) != first
    assert node.change_token({"ckpt_name": "gone.safetensors"}, model_context) == ""


def test_inpaint_encoding_greys_out_and_grows(model_context: RecordingContext) -> None:
    vae = loaded(model_context)[2]
    pixels = torch.rand(1, 70, 64, 3, generator=torch.Generator().manual_seed(1))
    mask = torch.zeros(1, 70, 64)
    mask[:, 20:40, 20:40] = 1

    latent = run_node(NODES["VAEEncodeForInpaint"], model_context, pixels=pixels, vae=vae, mask=mask).values[0]

    grey = pixels[:, 3:67].clone()
    grey[:, 17:37, 20:40] = 0.5
    expected = run_node(NODES["VAEEncode"], model_context, pixels=grey, vae=vae).values[0]
    assert torch.allclose(latent["samples"], expected["samples"], atol=1e-5)
    grown = latent["noise_mask"]
    assert grown.shape == (1, 1, 64, 64)
    assert grown[0, 0, 15:40, 18:43].all()
    assert grown.sum() == 25 * 25
    assert torch.equal(pixels, torch.rand(1, 70, 64, 3, generator=torch.Generator().manual_seed(1)))


def test_pixel_space_is_a_vae_that_changes_nothing(model_context: RecordingContext) -> None:
    (vae,) = run_node(NODES["VAELoader"], model_context, vae_name="pixel_space").values
    pixels = torch.rand(1, 5, 6, 3)
    latent = run_node(NODES["VAEEncode"], model_context, pixels=pixels, vae=vae).values[0]

    assert latent["samples"].shape == (1, 3, 5, 6)
    (decoded,) = run_node(NODES["VAEDecode"], model_context, samples=latent, vae=vae).values
    assert torch.allclose(decoded, pixels, atol=1e-6)


def test_lora_of_no_strength_is_left_out(model_context: RecordingContext) -> None:
    model, clip, _ = loaded(model_context)

    both = run_node(
        NODES["LoraLoader"], model_context, model=model, clip=clip, lora_name="x", strength_model=0, strength_clip=0
    )
    alone = run_node(NODES["LoraLoaderModelOnly"], model_context, model=model, lora_name="x", strength_model=0)

    assert both.values == (model, clip)
    assert alone.values == (model,)


def test_previews_are_thinned_out_and_can_be_switched_off(tmp_path: Path, model_context: RecordingContext) -> None:
    model = loaded(model_context)[0]
    latent = torch.zeros(1, 4, 8, 8)
    times = iter([0.0, 0.01, 0.2])
    report = Reporter(model, model_context, clock=lambda: next(times))
    for step in range(3):
        report(step, latent, latent, 3)
    assert len(model_context.previews) == 2

    quiet = RecordingContext(services=(NodeOptions(previews=False),))
    Reporter(model, quiet)(0, latent, latent, 1)
    assert quiet.previews == []
    assert quiet.reports == [(1, 1, "")]
