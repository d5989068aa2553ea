"""LoRA: every naming, the sums, exact removal, and models that share a network."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from limner.diffusion.adapters import apply_lora, read_lora
from limner.diffusion.errors import AdapterError
from limner.diffusion.patching import NO_PATCHES
from limner.diffusion.weight_changes import Difference

UNET = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"
ORIGINAL = "input_blocks.3.1.transformer_blocks.0.attn1.to_q"
TEXT = "encoder.layers.1.self_attn.q_proj"
CONV = "mid_block.resnets.0.conv1"


def flat(name: str) -> str:
    return name.replace(".", "_")


def matrices(out: int, size: int, rank: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(out * size)
    return torch.randn(out, rank, generator=generator), torch.randn(rank, size, generator=generator)


@pytest.fixture
def save(tmp_path: Path) -> Any:
    def save(**tensors: torch.Tensor) -> Path:
        save_file(tensors, tmp_path / "style.safetensors")
        return tmp_path / "style.safetensors"

    return save


def weight(model: Any, name: str) -> torch.Tensor:
    with model.resident.active(model.patches) as module:
        return module.get_parameter(f"{name}.weight").detach().clone()  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("base", "up", "down"),
    [
        (f"lora_unet_{flat(UNET)}", ".lora_up.weight", ".lora_down.weight"),
        (f"lora_unet_{flat(ORIGINAL)}", ".lora_up.weight", ".lora_down.weight"),
        (f"unet.{UNET}", ".lora_B.weight", ".lora_A.weight"),
        (f"unet.{UNET}", ".lora.up.weight", ".lora.down.weight"),
        (f"unet.{UNET.replace('.to_q', '.processor.to_q')}", "_lora.up.weight", "_lora.down.weight"),
        (f"base_model.model.{UNET}", ".lora_B.weight", ".lora_A.weight"),
        (f"diffusion_model.{ORIGINAL}", ".lora_B.weight", ".lora_A.weight"),
        (f"lycoris_{flat(UNET)}", ".lora_up.weight", ".lora_down.weight"),
    ],
)
def test_every_naming_of_a_network_s_module(tiny: Any, save: Any, base: str, up: str, down: str) -> None:
    a, b = matrices(32, 32)
    made = apply_lora(read_lora(save(**{base + up: a, base + down: b})), tiny.model, None, 0.5)
    assert made.unmatched == ()
    expected = weight(tiny.model, UNET) + 0.5 * a @ b
    assert torch.allclose(weight(made.model, UNET), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("base", "up", "down"),
    [
        (f"lora_te_text_model_{flat(TEXT)}", ".lora_up.weight", ".lora_down.weight"),
        (f"lora_te1_text_model_{flat(TEXT)}", ".lora_up.weight", ".lora_down.weight"),
        (f"text_encoder.text_model.{TEXT}", ".lora_linear_layer.up.weight", ".lora_linear_layer.down.weight"),
    ],
)
def test_every_naming_of_a_text_encoder_s_module(tiny: Any, save: Any, base: str, up: str, down: str) -> None:
    a, b = matrices(24, 24)
    made = apply_lora(read_lora(save(**{base + up: a, base + down: b})), tiny.model, tiny.text, 1.0, 2.0)
    assert made.unmatched == ()
    assert torch.allclose(weight(made.text, TEXT), weight(tiny.text, TEXT) + 2 * a @ b, atol=1e-5)
    assert not torch.equal(made.text.encode("a")[0][0], tiny.text.encode("a")[0][0])


def test_alpha_scales_by_the_rank(tiny: Any, save: Any) -> None:
    a, b = matrices(32, 32, rank=4)
    name = f"lora_unet_{flat(UNET)}"
    path = save(**{f"{name}.lora_up.weight": a, f"{name}.lora_down.weight": b, f"{name}.alpha": torch.tensor(1.0)})
    made = apply_lora(read_lora(path), tiny.model, None)
    assert torch.allclose(weight(made.model, UNET), weight(tiny.model, UNET) + a @ b / 4, atol=1e-6)


def test_convolutions_with_and_without_a_core(tiny: Any, save: Any) -> None:
    name = f"lora_unet_{flat(CONV)}"
    up, down = torch.randn(32, 2, 1, 1), torch.randn(2, 32, 3, 3)
    made = apply_lora(
        read_lora(save(**{f"{name}.lora_up.weight": up, f"{name}.lora_down.weight": down})), tiny.model, None
    )
    delta = (up.flatten(1) @ down.flatten(1)).view(32, 32, 3, 3)
    assert torch.allclose(weight(made.model, CONV), weight(tiny.model, CONV) + delta, atol=1e-5)

    down, core = torch.randn(2, 32, 1, 1), torch.randn(2, 2, 3, 3)
    tensors = {f"{name}.lora_up.weight": up, f"{name}.lora_down.weight": down, f"{name}.lora_mid.weight": core}
    made = apply_lora(read_lora(save(**tensors)), tiny.model, None)
    x = torch.randn(1, 32, 5, 5)
    convolve = torch.nn.functional.conv2d
    one_by_one = convolve(convolve(convolve(x, down), core, padding=1), up)
    delta = weight(made.model, CONV) - weight(tiny.model, CONV)
    assert torch.allclose(convolve(x, delta, padding=1), one_by_one, atol=1e-3)


def test_whole_differences_and_biases(tiny: Any, save: Any) -> None:
    name = f"diffusion_model.{ORIGINAL.replace('to_q', 'to_out.0')}"
    path = save(**{f"{name}.diff": torch.ones(32, 32), f"{name}.diff_b": torch.ones(32)})
    made = apply_lora(read_lora(path), tiny.model, None, 0.25)
    target = UNET.replace("to_q", "to_out.0")
    assert torch.allclose(weight(made.model, target), weight(tiny.model, target) + 0.25)
    with tiny.model.resident.active() as module:
        plain = module.get_parameter(f"{target}.bias").clone()
    with made.model.resident.active(made.model.patches) as module:
        assert torch.allclose(module.get_parameter(f"{target}.bias"), plain + 0.25)


def test_a_magnitude_of_columns_sets_their_length(tiny: Any, save: Any) -> None:
    a, b = matrices(32, 32)
    name = f"unet.{UNET}"
    scale = torch.rand(1, 32) + 0.5
    path = save(**{f"{name}.lora_B.weight": a, f"{name}.lora_A.weight": b, f"{name}.dora_scale": scale})
    made = apply_lora(read_lora(path), tiny.model, None)
    moved = weight(made.model, UNET)
    assert torch.allclose(moved.norm(dim=0, keepdim=True), scale, atol=1e-4)
    direction = torch.nn.functional.normalize(weight(tiny.model, UNET) + a @ b, dim=0)
    assert torch.allclose(moved / scale, direction, atol=1e-4)


@pytest.mark.parametrize(("target", "shape"), [(UNET, (32, 32)), (CONV, (32, 32, 3, 3))])
def test_a_magnitude_of_rows_scales_them_by_their_length_before(
    tiny: Any, save: Any, target: str, shape: tuple[int, ...]
) -> None:
    up, down = torch.randn(32, 2, *[1] * (len(shape) - 2)), torch.randn(2, *shape[1:])
    name = f"unet.{target}"
    scale = torch.rand(32, *[1] * (len(shape) - 1)) + 0.5
    path = save(**{f"{name}.lora_B.weight": up, f"{name}.lora_A.weight": down, f"{name}.dora_scale": scale})
    made = apply_lora(read_lora(path), tiny.model, None)
    before = weight(tiny.model, target)
    changed = before + (up.flatten(1) @ down.flatten(1)).view(shape)
    expected = changed * scale / before.flatten(1).norm(dim=1).reshape(scale.shape)
    assert torch.allclose(weight(made.model, target), expected, atol=1e-4)


@pytest.mark.parametrize(("target", "shape"), [(UNET, (32, 32)), (CONV, (32, 32, 3, 3))])
def test_two_products_multiplied_element_by_element(tiny: Any, save: Any, target: str, shape: tuple[int, ...]) -> None:
    columns = math.prod(shape[1:])
    parts = {
        f"hada_w{side}_{part}": torch.randn(*size)
        for side in (1, 2)
        for part, size in (("a", (32, 4)), ("b", (4, columns)))
    }
    name = f"lora_unet_{flat(target)}"
    path = save(**{f"{name}.{part}": tensor for part, tensor in parts.items()}, **{f"{name}.alpha": torch.tensor(2.0)})
    made = apply_lora(read_lora(path), tiny.model, None, 0.5)
    product = (parts["hada_w1_a"] @ parts["hada_w1_b"]) * (parts["hada_w2_a"] @ parts["hada_w2_b"])
    delta = weight(made.model, target) - weight(tiny.model, target)
    assert torch.allclose(delta, 0.5 * 0.5 * product.view(shape), atol=1e-4)


def test_products_of_convolutions_have_a_core(tiny: Any, save: Any) -> None:
    name = f"lora_unet_{flat(CONV)}"
    parts = {f"hada_w{side}_{part}": torch.randn(2, 32) for side in (1, 2) for part in "ab"}
    cores = {f"hada_t{side}": torch.randn(2, 2, 3, 3) for side in (1, 2)}
    path = save(**{f"{name}.{part}": tensor for part, tensor in (parts | cores).items()})
    made = apply_lora(read_lora(path), tiny.model, None)
    first, second = (
        torch.einsum("ijxy,io,jc->ocxy", cores[f"hada_t{side}"], parts[f"hada_w{side}_a"], parts[f"hada_w{side}_b"])
        for side in (1, 2)
    )
    assert torch.allclose(weight(made.model, CONV) - weight(tiny.model, CONV), first * second, atol=1e-3)


@pytest.mark.parametrize("form", ["whole", "left in parts", "right in parts"])
def test_a_kronecker_product_of_matrices(tiny: Any, save: Any, form: str) -> None:
    name = f"lora_unet_{flat(UNET)}"
    left, right = torch.randn(4, 4), torch.randn(8, 8)
    a, b = torch.randn(4, 2), torch.randn(2, 4)
    c, d = torch.randn(8, 2), torch.randn(2, 8)
    parts = {"lokr_w1": left, "lokr_w2": right}
    if form == "left in parts":
        parts, left = {"lokr_w1_a": a, "lokr_w1_b": b, "lokr_w2": right}, a @ b
    elif form == "right in parts":
        parts, right = {"lokr_w1": left, "lokr_w2_a": c, "lokr_w2_b": d}, c @ d
    path = save(**{f"{name}.{part}": tensor for part, tensor in parts.items()}, **{f"{name}.alpha": torch.tensor(1.0)})
    made = apply_lora(read_lora(path), tiny.model, None)
    delta = weight(made.model, UNET) - weight(tiny.model, UNET)
    scale = 1.0 if form == "whole" else 0.5
    assert torch.allclose(delta, scale * torch.kron(left, right), atol=1e-5)


def test_a_kronecker_product_of_convolutions(tiny: Any, save: Any) -> None:
    name = f"lora_unet_{flat(CONV)}"
    left, right = torch.randn(4, 4), torch.randn(8, 8, 3, 3)
    made = apply_lora(read_lora(save(**{f"{name}.lokr_w1": left, f"{name}.lokr_w2": right})), tiny.model, None)
    delta = weight(made.model, CONV) - weight(tiny.model, CONV)
    assert torch.allclose(delta[8:16, 24:32], left[1, 3] * right, atol=1e-5)

    core, a, b = torch.randn(2, 2, 3, 3), torch.randn(2, 8), torch.randn(2, 8)
    tensors = {f"{name}.lokr_w1": left, f"{name}.lokr_w2_a": a, f"{name}.lokr_w2_b": b, f"{name}.lokr_t2": core}
    made = apply_lora(read_lora(save(**tensors)), tiny.model, None)
    right = torch.einsum("ijxy,io,jc->ocxy", core, a, b)
    delta = weight(made.model, CONV) - weight(tiny.model, CONV)
    assert torch.allclose(delta[8:16, 24:32], left[1, 3] * right, atol=1e-4)


@pytest.mark.parametrize(
    ("parts", "problem"),
    [
        ({"hada_w1_a": (32, 2), "hada_w1_b": (2, 32), "hada_w2_a": (32, 2)}, "lacks the hada_w2_b matrix"),
        ({"lokr_w1": (4, 4), "lokr_w2_a": (8, 2)}, "lacks the lokr_w2_b matrix"),
        ({"lokr_w1": (4, 4), "lokr_w2": (4, 4)}, r"does not fit a weight of \[32, 32\]"),
        ({f"hada_w{side}_{part}": (24, 24) for side in (1, 2) for part in "ab"}, "does not fit"),
    ],
)
def test_products_that_are_incomplete_or_of_another_model(
    tiny: Any, save: Any, parts: dict[str, tuple[int, ...]], problem: str
) -> None:
    path = save(**{f"unet.{UNET}.{part}": torch.randn(*size) for part, size in parts.items()})
    with pytest.raises(AdapterError, match=problem):
        apply_lora(read_lora(path), tiny.model, None)


def test_models_with_different_adapters_share_a_network(tiny: Any, save: Any) -> None:
    a, b = matrices(32, 32)
    name = f"unet.{UNET}"
    path = save(**{f"{name}.lora_B.weight": a, f"{name}.lora_A.weight": b})
    lora = read_lora(path)
    plain = weight(tiny.model, UNET)
    once = apply_lora(lora, tiny.model, None, 1.0).model
    twice = apply_lora(lora, once, None, 1.0).model
    for _ in range(2):
        assert torch.allclose(weight(once, UNET), plain + a @ b, atol=1e-5)
        assert torch.allclose(weight(twice, UNET), plain + 2 * a @ b, atol=1e-5)
        assert torch.equal(weight(tiny.model, UNET), plain)
    assert once.resident is tiny.model.resident


def test_taking_an_adapter_out_leaves_no_trace(tiny: Any, save: Any) -> None:
    a, b = matrices(32, 32)
    name = f"unet.{UNET}"
    made = apply_lora(read_lora(save(**{f"{name}.lora_B.weight": a, f"{name}.lora_A.weight": b})), tiny.model, None)
    module = tiny.model.resident.module
    before = {key: (value.data_ptr(), value.clone()) for key, value in module.state_dict().items()}
    weight(made.model, UNET)
    weight(tiny.model, UNET)
    for key, value in module.state_dict().items():
        assert value.data_ptr() == before[key][0]
        assert torch.equal(value, before[key][1])


def test_a_strength_of_zero_changes_nothing(tiny: Any, save: Any) -> None:
    a, b = matrices(32, 32)
    name = f"unet.{UNET}"
    lora = read_lora(save(**{f"{name}.lora_B.weight": a, f"{name}.lora_A.weight": b}))
    assert apply_lora(lora, tiny.model, tiny.text, 0.0, 0.0).model.patches is NO_PATCHES


def test_what_fits_nothing_is_told(tiny: Any, save: Any) -> None:
    a, b = matrices(32, 32)
    names = (f"unet.{UNET}", "unet.down_blocks.9.somewhere")
    tensors = {f"{n}.lora_{s}.weight": t.clone() for n in names for s, t in (("B", a), ("A", b))}
    made = apply_lora(read_lora(save(**tensors, odd=torch.ones(1))), tiny.model, None)
    assert made.unmatched == ("unet.down_blocks.9.somewhere", "odd")


def test_files_that_are_no_lora_for_this_model(tiny: Any, tiny_path: Path, save: Any) -> None:
    with pytest.raises(AdapterError, match="no LoRA weights"):
        read_lora(tiny_path)
    a, b = matrices(32, 32)
    other = save(**{"unet.else.lora_B.weight": a, "unet.else.lora_A.weight": b})
    with pytest.raises(AdapterError, match="fits nothing"):
        apply_lora(read_lora(other), tiny.model, tiny.text)
    a, b = matrices(64, 64)
    large = save(**{f"unet.{UNET}.lora_B.weight": a, f"unet.{UNET}.lora_A.weight": b})
    with pytest.raises(AdapterError, match=r"does not fit a weight of \[32, 32\]"):
        apply_lora(read_lora(large), tiny.model, tiny.text)
    half = save(**{f"unet.{UNET}.lora_B.weight": a})
    with pytest.raises(AdapterError, match="lacks the down matrix"):
        read_lora(half)
    (half.parent / "page.safetensors").write_text("<html>not found</html>")
    with pytest.raises(AdapterError, match=r"page\.safetensors: is not a safetensors file"):
        read_lora(half.parent / "page.safetensors")


def test_a_lora_of_the_text_encoder_alone_leaves_the_model(tiny: Any, save: Any) -> None:
    a, b = matrices(24, 24)
    name = f"lora_te_text_model_{flat(TEXT)}"
    lora = read_lora(save(**{f"{name}.lora_up.weight": a, f"{name}.lora_down.weight": b}))
    assert apply_lora(lora, tiny.model, None).text is None


class Failing:
    """A patch that cannot be computed."""

    def delta(self, weight: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("out of memory")


def test_a_patch_that_fails_leaves_no_trace(tiny: Any) -> None:
    good = Difference(torch.ones(32, 32))
    patches = NO_PATCHES.plus(
        {f"{UNET}.weight": (good, 1.0), f"{UNET.replace('to_q', 'to_k')}.weight": (Failing(), 1.0)}
    )
    before = weight(tiny.model, UNET)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="out of memory"):
            weight(tiny.model.with_patches(patches), UNET)
    assert torch.equal(weight(tiny.model, UNET), before)
