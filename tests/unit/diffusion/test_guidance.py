"""Guidance: which entries act where and when, and how their predictions are put together.

A network that answers with the first number of its text makes each prediction readable: with epsilon prediction
`denoised = x - sigma * output`, so at sigma 1 the denoised latent of an entry of value v is `x - v`.
"""

from typing import Any

import pytest
import torch

from limner.diffusion import conditioning
from limner.diffusion.areas import prepare
from limner.diffusion.conditioning import Conditioning
from limner.diffusion.errors import ConditioningError
from limner.diffusion.families.base import LatentFormat
from limner.diffusion.guidance import Guide, GuidedDenoiser
from limner.diffusion.model import Model
from limner.diffusion.parameterization import DiscreteSigmas, Epsilon, Parameterization
from limner.diffusion.residency import Residency

ONE = torch.ones(1)


class Echo(torch.nn.Module):
    """Answers with the first number of each text, and remembers its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.calls: list[tuple[int, ...]] = []
        self.seen: list[dict[str, Any]] = []

    def forward(self, x: torch.Tensor, step: torch.Tensor, encoder_hidden_states: torch.Tensor, **other: Any) -> Any:
        self.calls.append(tuple(x.shape))
        self.seen.append({"x": x, "step": step, "vectors": encoder_hidden_states, **other})
        return (encoder_hidden_states[:, 0, :1, None, None].expand(-1, 4, *x.shape[2:]),)


@pytest.fixture
def network() -> Echo:
    return Echo()


@pytest.fixture
def model(network: Echo) -> Model:
    resident = Residency(torch.device("cpu")).add("echo", network)
    latent = LatentFormat(4, 8, 0.5, ((0.0,) * 3,) * 4)
    return Model(resident, Parameterization(DiscreteSigmas.stable_diffusion(), Epsilon()), latent, torch.float32, "sd1")


def entry(value: float, tokens: int = 77, **options: object) -> Conditioning:
    return [[torch.full((1, tokens, 8), float(value)), dict(options)]]


def denoise(
    model: Model, positive: Conditioning, negative: Conditioning, cfg: float = 1.0, batch: int = 1, side: int = 16
) -> torch.Tensor:
    """Minus the guided prediction of zeros at sigma 1: the weighted, guided values."""
    x = torch.zeros(batch, 4, side, side)
    with Guide(model, positive, negative, cfg).prepare(x) as denoiser:
        return -denoiser(x, ONE.expand(batch))


def test_guidance_extrapolates_from_the_negative(model: Model, network: Echo) -> None:
    out = denoise(model, entry(3), entry(1), 7.5, batch=2)
    assert out.shape == (2, 4, 16, 16)
    assert torch.allclose(out, torch.full_like(out, 1 + (3 - 1) * 7.5))
    assert network.calls == [(4, 4, 16, 16)]


def test_at_a_cfg_of_one_the_negative_is_not_computed(model: Model, network: Echo) -> None:
    assert torch.allclose(denoise(model, entry(3), entry(1)), torch.tensor(3.0))
    assert network.calls == [(1, 4, 16, 16)]
    model.options["disable_cfg1_optimization"] = True
    assert torch.allclose(denoise(model, entry(3), entry(1)), torch.tensor(3.0))
    assert network.calls[1:] == [(2, 4, 16, 16)]


def test_a_pair_always_holds_the_negative(model: Model) -> None:
    x = torch.zeros(1, 4, 8, 8)
    with Guide(model, entry(3), entry(1), 1.0).prepare(x) as denoiser:
        guided, negative = denoiser.pair(x, ONE)
    assert torch.allclose(-guided, torch.tensor(3.0))
    assert torch.allclose(-negative, torch.tensor(1.0))


def test_the_network_gets_scaled_input_and_time_steps(model: Model, network: Echo) -> None:
    x = torch.ones(2, 4, 8, 8)
    sigma = model.parameterization.space.sigmas[[500, 20]]
    with Guide(model, entry(0), entry(0)).prepare(x) as denoiser:
        assert torch.equal(denoiser(x, sigma), x)
    assert network.seen[0]["step"].tolist() == [500, 20]
    assert torch.allclose(network.seen[0]["x"][:, 0, 0, 0], 1 / (1 + sigma**2).sqrt())


def test_prompts_of_different_length_share_a_batch(model: Model, network: Echo) -> None:
    denoise(model, entry(1, tokens=77 * 3), entry(2, tokens=77 * 2), 2.0)
    assert network.calls == [(2, 4, 16, 16)]
    assert network.seen[0]["vectors"].shape == (2, 77 * 6, 8)


def test_prompts_of_very_different_length_do_not(model: Model, network: Echo) -> None:
    out = denoise(model, entry(1, tokens=77 * 5), entry(2, tokens=77), 2.0)
    assert len(network.calls) == 2
    assert torch.allclose(out, torch.tensor(0.0))


def test_entries_are_averaged_by_strength(model: Model) -> None:
    both = conditioning.combine(entry(1), entry(4, strength=2.0))
    assert torch.allclose(denoise(model, both, []), torch.tensor(3.0))


def test_an_area_acts_on_its_crop_with_feathered_edges(model: Model, network: Echo) -> None:
    area = conditioning.set_area(entry(9), 64, 128, 64, 0)
    out = denoise(model, conditioning.combine(entry(1), area), entry(0), 1.0)
    assert (1, 4, 16, 8) in network.calls
    assert torch.allclose(out[..., :8], torch.tensor(1.0))
    rising = out[0, 0, 5, 8:]
    assert rising.tolist() == pytest.approx([(1 + 9 * w) / (1 + w) for w in (0.5, 1, 1, 1, 1, 1, 1, 1)])


def test_an_area_has_a_counterpart_in_the_other_list() -> None:
    space = DiscreteSigmas.stable_diffusion()
    area = conditioning.set_area(entry(9), 64, 64, 0, 0)
    positive, negative = prepare(entry(1) + area, entry(2), (16, 16), space, torch.device("cpu"))
    assert [e.area for e in positive] == [None, (8, 8, 0, 0)]
    assert [e.area for e in negative] == [None, (8, 8, 0, 0)]
    assert float(negative[1].vectors[0, 0, 0]) == 2


def test_areas_are_cut_to_the_picture_and_left_out_beside_it(model: Model, network: Echo) -> None:
    over = conditioning.set_area(entry(9), 640, 640, 64, 0)
    beside = conditioning.set_area(entry(9), 64, 64, 6400, 0)
    share = conditioning.set_area_percentage(entry(9), 0.25, 1.0, 0.75, 0.0)
    denoise(model, entry(1) + over + beside + share, [])
    assert sorted(network.calls) == [(1, 4, 16, 4), (1, 4, 16, 8), (1, 4, 16, 16)]


def test_a_mask_weighs_every_cell(model: Model, network: Echo) -> None:
    mask = torch.zeros(128, 128)
    mask[:, 64:] = 1
    out = denoise(model, entry(1) + conditioning.set_mask(entry(9), mask, 3.0), [])
    assert torch.allclose(out[..., :7], torch.tensor(1.0))
    assert torch.allclose(out[..., 9:], torch.tensor((1 + 3 * 9) / 4))
    assert network.calls == [(2, 4, 16, 16)]


def test_a_mask_can_restrict_what_is_computed(model: Model, network: Echo) -> None:
    mask = torch.zeros(1, 16, 16)
    mask[:, 4:14, 2:5] = 1
    denoise(model, entry(1) + conditioning.set_mask(entry(9), mask, to_bounds=True), [])
    assert (1, 4, 10, 8) in network.calls
    denoise(model, entry(1) + conditioning.set_mask(entry(9), mask * 0, to_bounds=True), [])
    assert (1, 4, 8, 8) in network.calls


def test_one_mask_for_each_latent(model: Model) -> None:
    masks = torch.stack([torch.zeros(16, 16), torch.ones(16, 16)])
    out = denoise(model, entry(1) + conditioning.set_mask(entry(3), masks), [], batch=2)
    assert out[:, 0, 0, 0].tolist() == pytest.approx([1, 2])


def test_entries_act_in_their_time_only(model: Model) -> None:
    early = conditioning.set_timestep_range(entry(1), 0.0, 0.5)
    late = conditioning.set_timestep_range(entry(2), 0.5, 1.0)
    x = torch.zeros(1, 4, 8, 8)
    space = model.parameterization.space
    with Guide(model, early + late, []).prepare(x) as denoiser:
        for sigma, value in ((space.sigma_max, 1), (space.percent_to_sigma(0.3), 1), (space.percent_to_sigma(0.7), 2)):
            assert torch.allclose(-denoiser(x, ONE * sigma) / sigma, torch.tensor(float(value)))


class Steering:
    """A control that remembers what it was given."""

    def __init__(self) -> None:
        self.given: list[tuple[int, ...]] = []

    def residuals(self, x: torch.Tensor, sigma: torch.Tensor, vectors: torch.Tensor) -> Any:
        self.given.append(tuple(x.shape))
        return [torch.zeros(1)], torch.zeros(1)


def test_a_control_steers_its_entries(model: Model, network: Echo) -> None:
    control = Steering()
    denoise(model, entry(1, control=control), entry(2), 2.0)
    assert control.given == [(1, 4, 16, 16)]
    assert ["mid_block_additional_residual" in seen for seen in network.seen] == [True, False]


def test_a_control_can_steer_the_negative_too(model: Model, network: Echo) -> None:
    control = Steering()
    denoise(model, entry(1, control=control, control_apply_to_uncond=True), entry(2), 2.0)
    assert control.given == [(2, 4, 16, 16)]


def test_the_hooks_of_a_model(model: Model) -> None:
    model.options["sampler_pre_cfg_function"] = [lambda args: [args["conds_out"][0] - 1, args["conds_out"][1]]]
    model.options["sampler_cfg_function"] = lambda args: args["uncond"] + (args["cond"] - args["uncond"]) * 2
    model.options["sampler_post_cfg_function"] = [lambda args: args["denoised"] - 10]
    # values are minus the denoised latent: positive 3 + 1, negative 1, guided 1 + (4 - 1) * 2, then + 10
    assert torch.allclose(denoise(model, entry(3), entry(1), 5.0), torch.tensor(17.0))


def test_a_wrapper_stands_around_the_network(model: Model, network: Echo) -> None:
    given: list[dict[str, Any]] = []

    def wrapper(apply: Any, args: dict[str, Any]) -> torch.Tensor:
        given.append(args)
        return apply(args["input"], args["timestep"], **args["c"]) * 2  # type: ignore[no-any-return]

    model.options["model_function_wrapper"] = wrapper
    assert torch.allclose(denoise(model, entry(3), entry(1), 2.0), torch.tensor(10.0))
    assert given[0]["cond_or_uncond"] == [0, 1]


def test_a_batch_that_does_not_fit_is_run_in_halves(
    model: Model, network: Echo, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = Echo.forward

    def short(self: Echo, x: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        if x.shape[0] > 1:
            raise torch.OutOfMemoryError("out of memory")
        return forward(self, x, *args, **kwargs)

    monkeypatch.setattr(Echo, "forward", short)
    assert torch.allclose(denoise(model, entry(3), entry(1), 2.0), torch.tensor(5.0))


def test_conditioning_of_another_text_encoder_is_named(model: Model, network: Echo) -> None:
    network.config = {"cross_attention_dim": 6}  # type: ignore[assignment]
    fitting: Conditioning = [[torch.zeros(1, 77, 6), {}]]
    with pytest.raises(ConditioningError, match="the positive conditioning has vectors of 8 numbers"):
        denoise(model, entry(3), fitting, 2.0)
    with pytest.raises(ConditioningError, match=r"negative conditioning .* of 8 numbers, the model reads 6"):
        denoise(model, fitting, entry(3), 2.0)
    denoise(model, fitting, entry(3), 1.0)  # where the negative is not read


def test_a_wrapper_may_put_other_conditioning_in_its_place(model: Model, network: Echo) -> None:
    network.config = {"cross_attention_dim": 6}  # type: ignore[assignment]

    def wrapper(apply: Any, given: dict[str, Any]) -> torch.Tensor:
        inputs = {**given["c"], "c_crossattn": given["c"]["c_crossattn"][..., :6]}
        replaced: torch.Tensor = apply(given["input"], given["timestep"], **inputs)
        return replaced

    model.options["model_function_wrapper"] = wrapper
    assert torch.allclose(denoise(model, entry(3), entry(1), 2.0), torch.tensor(5.0))


def test_other_failures_are_not_hidden(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("broken")

    monkeypatch.setattr(Echo, "forward", broken)
    with pytest.raises(RuntimeError, match="broken"):
        denoise(model, entry(3), entry(1), 2.0)


def test_an_inpainting_network_sees_the_mask_and_what_is_kept(model: Model, network: Echo) -> None:
    model.inpaint = True
    x = torch.zeros(1, 4, 16, 16)
    mask = torch.zeros(1, 1, 128, 128)
    mask[..., 64:] = 1
    with Guide(model, entry(1), entry(1)).prepare(x, torch.full_like(x, 5.0), mask) as denoiser:
        denoiser(x, ONE)
    seen = network.seen[0]["x"]
    assert seen.shape == (1, 9, 16, 16)
    assert seen[0, 4, 0].tolist() == [0] * 8 + [1] * 8
    assert seen[0, 5, 0].tolist() == [5] * 8 + [0] * 8


def test_nothing_active_gives_zeros(model: Model) -> None:
    with Guide(model, [], []).prepare(torch.zeros(1, 4, 8, 8)) as denoiser:
        assert isinstance(denoiser, GuidedDenoiser)
        assert not denoiser(torch.ones(1, 4, 8, 8), ONE).any()
