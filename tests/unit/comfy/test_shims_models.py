"""MODEL, CLIP and VAE as packs use them: ComfyUI's objects over Limner's, there and back."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from limner.comfy.boundary import from_pack, to_pack
from limner.comfy.shims import Bridge, install, uninstall
from limner.comfy.shims.objects.patcher import ModelPatcher
from limner.diffusion.guidance import Guide
from limner.diffusion.model import Model
from limner.diffusion.runtime import Checkpoint, Runtime
from limner.files import Folders
from limner.plugins.services import Services
from tests.unit.diffusion.conftest import Writer, original_tensors


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[Bridge]:
    services = Services()
    services.add(Runtime, Runtime("cpu", "fp32"))
    made = Bridge(Folders.under(tmp_path), services)
    finder = install(made)
    yield made
    uninstall(finder)


@pytest.fixture
def checkpoint(bridge: Bridge, tmp_path: Path) -> Checkpoint:
    path = Writer(tmp_path, original_tensors())()
    return bridge.services.get(Runtime).load_checkpoint(path)


def denoised(model: Model, x: torch.Tensor, sigma: float, prompt: Any, cfg: float = 1.0) -> torch.Tensor:
    with Guide(model, prompt, prompt, cfg).prepare(x) as denoiser:
        return denoiser(x, torch.full((x.shape[0],), sigma))


def test_what_a_pack_gets_comes_back_with_what_it_put_on_it(checkpoint: Checkpoint) -> None:
    patcher = to_pack({"model": checkpoint.model})["model"]
    assert isinstance(patcher, ModelPatcher)
    patcher.attachments["noted"] = "mine"
    core = from_pack(patcher)
    assert isinstance(core, Model)
    assert to_pack({"model": core})["model"] is patcher
    later = to_pack({"model": core.clone()})["model"]
    assert later is not patcher and later.attachments["noted"] == "mine"


def test_text_encoders_and_vaes_go_there_and_back(checkpoint: Checkpoint) -> None:
    given = to_pack({"clip": checkpoint.text, "vae": checkpoint.vae, "text": "plain", "many": [checkpoint.vae]})
    clip, vae = given["clip"], given["vae"]
    assert given["text"] == "plain" and type(given["many"][0]).__name__ == "VAE"
    vectors, pooled = clip.encode_from_tokens(clip.tokenize("a cat"), return_pooled=True)
    expected = checkpoint.text.encode("a cat")[0]  # type: ignore[union-attr]
    assert torch.equal(vectors, expected[0]) and torch.equal(pooled, expected[1]["pooled_output"])
    assert clip.encode_from_tokens_scheduled(clip.tokenize("a cat"))[0][1].keys() == {"pooled_output"}
    latent = torch.rand(1, 4, 4, 4)
    assert torch.equal(vae.decode(latent), checkpoint.vae.decode(latent))  # type: ignore[union-attr]
    assert torch.equal(from_pack(vae).decode(latent), vae.decode(latent))
    stopped = clip.clone()
    stopped.clip_layer(-2)
    assert from_pack(stopped).layer == -2 and from_pack(clip).layer is None
    assert to_pack({"clip": from_pack(stopped)})["clip"] is stopped


def test_options_of_a_clone_act_on_the_clone_alone(checkpoint: Checkpoint) -> None:
    model, prompt = ModelPatcher.of(checkpoint.model), checkpoint.text.encode("x")  # type: ignore[union-attr]
    changed = model.clone()
    changed.set_model_sampler_post_cfg_function(lambda args: args["denoised"] * 0)
    x = torch.randn(1, 4, 8, 8)
    assert denoised(from_pack(changed), x, 2.0, prompt).abs().max() == 0
    assert denoised(from_pack(model), x, 2.0, prompt).abs().max() > 0


def test_weight_patches_change_the_network_and_leave_the_original(checkpoint: Checkpoint) -> None:
    model, prompt = ModelPatcher.of(checkpoint.model), checkpoint.text.encode("x")  # type: ignore[union-attr]
    key = "diffusion_model.out.2.bias"
    bias = model.model_state_dict()[key]
    changed = model.clone()
    assert changed.add_patches({key: (torch.ones_like(bias),), "no.such.weight": (bias,)}, 0.5) == [key]
    x = torch.randn(1, 4, 8, 8)
    before = denoised(from_pack(model), x, 2.0, prompt)
    # The network predicts noise: 0.5 more of it is 0.5 * sigma less picture.
    assert torch.allclose(denoised(from_pack(changed), x, 2.0, prompt), before - 1.0, atol=1e-4)
    assert torch.equal(denoised(from_pack(model), x, 2.0, prompt), before)


def test_a_lora_by_comfyui_functions_does_what_limner_does(checkpoint: Checkpoint, tmp_path: Path) -> None:
    from limner.diffusion.adapters import apply_lora, read_lora

    sd = importlib.import_module("comfy.sd")
    name = next(name for name in checkpoint.model.keys if name.endswith("attn1.to_q.weight"))
    weight = checkpoint.model.resident.module.get_parameter(name)
    base = "lora_unet_" + name.removesuffix(".weight").replace(".", "_")
    tensors = {
        f"{base}.lora_up.weight": torch.randn(weight.shape[0], 2),
        f"{base}.lora_down.weight": torch.randn(2, weight.shape[1]),
        f"{base}.alpha": torch.tensor(1.0),
    }
    importlib.import_module("comfy.utils").save_torch_file(tensors, str(tmp_path / "lora.safetensors"))
    ours = apply_lora(read_lora(tmp_path / "lora.safetensors"), checkpoint.model, None, 0.7, 0.0).model
    theirs, _ = sd.load_lora_for_models(ModelPatcher.of(checkpoint.model), None, tensors, 0.7, 0.0)
    x, prompt = torch.randn(1, 4, 8, 8), checkpoint.text.encode("x")  # type: ignore[union-attr]
    expected = denoised(ours, x, 3.0, prompt)
    assert torch.allclose(denoised(from_pack(theirs), x, 3.0, prompt), expected, atol=1e-5)
    assert not torch.allclose(denoised(checkpoint.model, x, 3.0, prompt), expected, atol=1e-5)


def test_other_noise_levels_by_an_object_patch(checkpoint: Checkpoint) -> None:
    levels = importlib.import_module("comfy.model_sampling")
    model = ModelPatcher.of(checkpoint.model)
    sampling = model.get_model_object("model_sampling")
    space = checkpoint.model.parameterization.space
    assert torch.allclose(sampling.sigmas, space.sigmas)
    assert sampling.percent_to_sigma(0.5) == pytest.approx(space.percent_to_sigma(0.5))

    class Mine(levels.ModelSamplingDiscrete, levels.V_PREDICTION):  # type: ignore[misc, name-defined]
        pass

    changed = model.clone()
    changed.add_object_patch("model_sampling", Mine(model.model.model_config))
    x, prompt = torch.randn(1, 4, 8, 8), checkpoint.text.encode("x")  # type: ignore[union-attr]
    output = denoised(from_pack(changed), x, 2.0, prompt)
    plain = denoised(from_pack(model), x, 2.0, prompt)
    predicted = (x - plain) / 2.0
    assert torch.allclose(output, x / 5.0 - predicted * 2.0 / 5.0**0.5, atol=1e-4)


def test_sampling_by_comfyui_functions_is_limners_sampling(checkpoint: Checkpoint) -> None:
    from limner.diffusion.noise import initial_noise
    from limner.diffusion.sampling import sample

    nodes_sample = importlib.import_module("comfy.sample")
    model, text = checkpoint.model, checkpoint.text
    positive, negative = text.encode("a"), text.encode("b")  # type: ignore[union-attr]
    latent = torch.zeros(1, 4, 8, 8)
    noise = nodes_sample.prepare_noise(latent, 5)
    got = nodes_sample.sample(
        ModelPatcher.of(model), noise, 4, 3.0, "dpmpp_2m", "karras", positive, negative, latent, seed=5
    )
    with Guide(model, positive, negative, 3.0).prepare(noise) as denoiser:
        expected = sample(
            denoiser,
            model.parameterization,
            latent,
            initial_noise(latent, 5),
            sampler_name="dpmpp_2m",
            scheduler_name="karras",
            steps=4,
            seed=5,
            scale_in=model.scale_in,
            scale_out=model.scale_out,
        )
    assert torch.allclose(got, expected, atol=1e-5)


def test_solvers_of_packs_and_guiders_of_packs(checkpoint: Checkpoint) -> None:
    samplers = importlib.import_module("comfy.samplers")
    seen: list[float] = []

    def halving(
        model: Any, x: Any, sigmas: Any, extra_args: Any = None, callback: Any = None, disable: Any = None
    ) -> Any:
        for step, sigma in enumerate(sigmas[:-1]):
            denoised = model(x, sigma * x.new_ones(x.shape[0]), **extra_args)
            seen.append(float(sigma))
            callback({"x": x, "i": step, "sigma": sigma, "sigma_hat": sigma, "denoised": denoised})
        return denoised

    class Doubled(samplers.CFGGuider):  # type: ignore[misc, name-defined]
        def predict_noise(self, x: Any, timestep: Any, model_options: Any = None, seed: Any = None) -> Any:
            return 2 * super().predict_noise(x, timestep, model_options, seed)

    told: list[int] = []
    prompt = checkpoint.text.encode("a")  # type: ignore[union-attr]
    results = []
    for kind in (samplers.CFGGuider, Doubled):
        guider = kind(ModelPatcher.of(checkpoint.model))
        guider.set_conds(prompt, prompt)
        guider.set_cfg(1.5)
        noise = torch.ones(1, 4, 8, 8)
        sigmas = torch.tensor([4.0, 2.0, 0.0])
        results.append(
            guider.sample(
                noise,
                torch.zeros_like(noise),
                samplers.KSAMPLER(halving),
                sigmas,
                callback=lambda step, x0, x, total: told.append(step),
                seed=1,
            )
        )
    assert seen == [4.0, 2.0] * 2 and told == [0, 1] * 2
    assert torch.allclose(results[1], 2 * results[0], atol=1e-5)


def test_functions_of_packs_act_in_attention(checkpoint: Checkpoint) -> None:
    attention = importlib.import_module("comfy.ldm.modules.attention")
    blocks: list[Any] = []

    def same(q: Any, k: Any, v: Any, extra: Any) -> Any:
        blocks.append((extra["block"], extra["block_index"], extra["cond_or_uncond"]))
        return attention.optimized_attention(q, k, v, extra["n_heads"])

    x, prompt = torch.randn(1, 4, 8, 8), checkpoint.text.encode("x")  # type: ignore[union-attr]
    plain = denoised(checkpoint.model, x, 2.0, prompt)
    name = next(original for original in checkpoint.model.keys.values() if "transformer_blocks" in original)
    number = int(name.split(".")[1])
    replaced = ModelPatcher.of(checkpoint.model)
    replaced.set_model_attn2_replace(same, "input", number)
    assert torch.allclose(denoised(from_pack(replaced), x, 2.0, prompt), plain, atol=1e-4)
    assert blocks and blocks[0] == (("input", number), 0, [0])
    silent = ModelPatcher.of(checkpoint.model)
    silent.set_model_attn1_output_patch(lambda n, extra: n * 0)
    assert not torch.allclose(denoised(from_pack(silent), x, 2.0, prompt), plain, atol=1e-4)
    doubled = silent.clone()
    doubled.model_options["transformer_options"]["patches"].clear()
    doubled.set_model_attn2_patch(lambda n, context, value, extra: (n, context, value))
    doubled.set_model_unet_function_wrapper(lambda apply, args: 2 * apply(args["input"], args["timestep"], **args["c"]))
    assert torch.allclose(denoised(from_pack(doubled), x, 2.0, prompt), 2 * plain, atol=1e-4)
    assert torch.equal(denoised(checkpoint.model, x, 2.0, prompt), plain)
