"""From a file to a picture; devices, precisions, previews."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from limner.diffusion import devices, precision
from limner.diffusion.errors import DeviceError
from limner.diffusion.families.base import LatentFormat
from limner.diffusion.guidance import Guide
from limner.diffusion.noise import initial_noise
from limner.diffusion.previews import latent_to_rgb
from limner.diffusion.runtime import Runtime
from limner.diffusion.sampling import sample


def picture(checkpoint: Any, prompt: str, seed: int = 1) -> tuple[torch.Tensor, list[Any]]:
    model = checkpoint.model
    positive, negative = checkpoint.text.encode(prompt), checkpoint.text.encode("")
    latent = torch.zeros(1, 4, 8, 8)
    noise = initial_noise(latent, seed)
    previews: list[Any] = []
    with Guide(model, positive, negative, 3.0).prepare(noise) as denoiser:
        made = sample(
            denoiser,
            model.parameterization,
            latent,
            noise,
            sampler_name="euler",
            scheduler_name="normal",
            steps=3,
            callback=lambda step, denoised, x, total: previews.append(model.preview(denoised)),
            scale_in=model.scale_in,
            scale_out=model.scale_out,
            device=model.device,
        )
    return checkpoint.vae.decode(made), previews


def test_a_prompt_becomes_a_picture(tiny: Any) -> None:
    first, previews = picture(tiny, "red apple")
    assert first.shape == (1, 64, 64, 3)
    assert torch.isfinite(first).all()
    assert len(previews) == 3
    assert previews[0].shape == (1, 8, 8, 3)
    assert previews[0].dtype == np.uint8
    assert torch.equal(picture(tiny, "red apple")[0], first)
    assert not torch.equal(picture(tiny, "green pear")[0], first)
    assert not torch.equal(picture(tiny, "red apple", seed=2)[0], first)


def test_half_the_precision_gives_nearly_the_picture(tiny: Any, tiny_path: Path) -> None:
    exact = picture(tiny, "red apple")[0]
    half = picture(Runtime("cpu", "bf16").load_checkpoint(tiny_path), "red apple")[0]
    assert (exact - half).abs().mean() < 0.02


def test_the_next_run_works_after_a_bad_file(runtime: Any, tiny_path: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(tiny_path.read_bytes()[:5000])
    with pytest.raises(Exception, match=r"bad\.safetensors"):
        runtime.load_checkpoint(bad)
    assert picture(runtime.load_checkpoint(tiny_path), "red apple")[0].shape == (1, 64, 64, 3)


def test_loaded_models_are_listed_while_they_live(runtime: Any, tiny_path: Path) -> None:
    checkpoint = runtime.load_checkpoint(tiny_path)
    assert sorted(item.name for item in runtime.loaded()) == ["tiny (VAE)", "tiny (model)", "tiny (text encoder)"]
    assert runtime.unload_all() == 0
    del checkpoint
    assert runtime.loaded() == []


def test_clones_keep_their_options_apart(tiny: Any) -> None:
    tiny.model.options["transformer_options"] = {"patches": {"a": [1]}}
    clone = tiny.model.clone()
    clone.options["transformer_options"]["patches"]["a"].append(2)
    clone.options["sampler_cfg_function"] = len
    assert tiny.model.options == {"transformer_options": {"patches": {"a": [1]}}}


def test_scales_are_each_other_s_inverse(tiny: Any) -> None:
    latent = torch.randn(1, 4, 2, 2)
    assert torch.allclose(tiny.model.scale_out(tiny.model.scale_in(latent)), latent)
    assert torch.allclose(tiny.model.scale_in(latent), latent * 0.5)


@pytest.mark.parametrize("name", ["cuda:99", "tpu", "xpu", "meta"])
def test_devices_that_are_not_there_are_refused(name: str) -> None:
    with pytest.raises(DeviceError) as caught:
        devices.choose(name)
    assert "cpu" in caught.value.remedy


def test_the_cpu_is_always_there() -> None:
    assert devices.choose("cpu") == torch.device("cpu")
    assert devices.choose("auto").type in ("cpu", "cuda", "mps")
    assert devices.free_memory(torch.device("cpu")) is None


def test_precision_follows_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    monkeypatch.setattr(precision, "cpu_has_bf16", lambda: True)
    chosen = precision.choose(cpu)
    assert (chosen.network, chosen.vae, chosen.text) == (torch.bfloat16, torch.bfloat16, torch.float32)
    monkeypatch.setattr(precision, "cpu_has_bf16", lambda: False)
    assert precision.choose(cpu).network is torch.float32


def test_precision_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "cpu_has_bf16", lambda: True)
    cpu = torch.device("cpu")
    assert precision.choose(cpu, "fp32") == precision.Precision(*[torch.float32] * 3)
    assert precision.choose(cpu, "bf16", vae="fp32").vae is torch.float32
    with pytest.raises(DeviceError, match="fp8"):
        precision.choose(cpu, "fp8")  # type: ignore[arg-type]


def test_previews_are_the_published_map_in_bytes() -> None:
    space = LatentFormat(2, 8, 1.0, ((1.0, 0.0, 0.0), (0.0, 2.0, 0.0)), (0.0, 0.0, -1.0))
    latent = torch.tensor([0.0, 0.5])[None, :, None, None].expand(1, 2, 3, 4)
    assert latent_to_rgb(latent, space)[0, 0, 0].tolist() == [127, 255, 0]
    assert latent_to_rgb(latent * float("nan"), space).shape == (1, 3, 4, 3)
