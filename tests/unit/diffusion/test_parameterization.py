import math

import pytest
import torch

from limner.diffusion.parameterization import (
    UNREACHABLE_SIGMA,
    DiscreteSigmas,
    Epsilon,
    Flow,
    FlowSigmas,
    Parameterization,
    Prediction,
    SigmaSpace,
    Velocity,
)

SPACES = [DiscreteSigmas.stable_diffusion(), FlowSigmas(shift=3.0), FlowSigmas.flux()]


def test_stable_diffusions_range_is_the_known_one() -> None:
    space = DiscreteSigmas.stable_diffusion()
    assert space.sigmas.shape == (1000,)
    assert space.sigmas.dtype == torch.float32
    assert space.sigma_min == pytest.approx(0.029167, abs=1e-6)
    assert space.sigma_max == pytest.approx(14.614642, abs=1e-5)


def test_linear_betas_are_another_table_and_unknown_ones_an_error() -> None:
    linear = DiscreteSigmas.stable_diffusion("linear", start=1e-4, end=2e-2)
    assert linear.sigma_max == pytest.approx(157.4, abs=0.1)
    with pytest.raises(ValueError, match="cosine"):
        DiscreteSigmas.stable_diffusion("cosine")  # type: ignore[arg-type]


@pytest.mark.parametrize("betas", [torch.tensor([[0.1]]), torch.tensor([0.1, 1.0]), torch.tensor([0.0])])
def test_betas_have_to_be_probabilities(betas: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="betas"):
        DiscreteSigmas(betas)


def test_zero_terminal_snr_ends_in_pure_noise_and_keeps_the_first_level() -> None:
    plain = DiscreteSigmas.stable_diffusion()
    zero = DiscreteSigmas.stable_diffusion(zero_terminal_snr=True)
    assert zero.sigma_max == pytest.approx(4518.77, rel=1e-4)
    assert zero.sigma_min == pytest.approx(plain.sigma_min, rel=1e-4)


def test_discrete_time_steps_are_whole_and_those_of_their_sigmas() -> None:
    space = DiscreteSigmas.stable_diffusion()
    steps = torch.tensor([0, 1, 500, 998, 999])
    assert torch.equal(space.timestep(space.sigmas[steps]), steps)
    between = (space.log_sigmas[10] * 0.6 + space.log_sigmas[11] * 0.4).exp()
    assert space.timestep(between) == 10
    assert space.timestep(torch.tensor([[1e-6, 1e6]])).tolist() == [[0, 999]]


def test_discrete_sigmas_are_interpolated_in_their_logarithm_and_clamped() -> None:
    space = DiscreteSigmas.stable_diffusion()
    half = space.sigma(torch.tensor(10.5))
    assert float(half) == pytest.approx(math.sqrt(float(space.sigmas[10] * space.sigmas[11])), rel=1e-5)
    ends = space.sigma(torch.tensor([-5.0, 5000.0]))
    assert ends.tolist() == pytest.approx([space.sigma_min, space.sigma_max], rel=1e-5)


def test_flow_gives_the_network_the_level_and_shifts_times_into_levels() -> None:
    space = FlowSigmas(shift=3.0)
    assert float(space.timestep(torch.tensor(0.75))) == 750
    assert float(space.sigma(torch.tensor(500.0))) == pytest.approx(0.75)
    assert float(space.sigmas[499]) == pytest.approx(0.75)


@pytest.mark.parametrize("space", SPACES)
def test_percentages_fall_from_noise_to_clean(space: SigmaSpace) -> None:
    reached = [space.percent_to_sigma(percent) for percent in (-1.0, 0.0, 0.2, 0.5, 0.9, 1.0, 2.0)]
    assert reached == sorted(reached, reverse=True)
    assert reached[-1] == 0.0
    assert reached[0] in (UNREACHABLE_SIGMA, 1.0)


def test_fluxs_levels_are_shifted_by_an_exponent() -> None:
    space = FlowSigmas.flux(1.15)
    assert len(space.sigmas) == 10_000
    shift = math.exp(1.15)
    assert float(space.sigma(torch.tensor(0.5))) == pytest.approx(shift / (shift + 1))


@pytest.mark.parametrize("prediction", [Epsilon(), Velocity(), Flow()])
def test_the_true_output_gives_back_the_latent(prediction: Prediction) -> None:
    generator = torch.Generator().manual_seed(0)
    latent, noise = torch.randn((2, 3, 4, 4, 4), generator=generator).unbind(0)
    sigma = torch.tensor([0.3, 0.8, 0.9])
    x = prediction.add_noise(latent, noise, sigma)
    level = sigma.view(-1, 1, 1, 1)
    output = {
        Epsilon: noise,
        Velocity: (noise - level * latent) / (1 + level**2).sqrt(),
        Flow: noise - latent,
    }[type(prediction)]
    torch.testing.assert_close(prediction.denoised(output, x, sigma), latent)


def test_epsilons_input_has_unit_variance() -> None:
    x = torch.ones(2, 4, 8, 8)
    scaled = Epsilon().scale_input(x, torch.tensor([0.0, 3.0]))
    assert scaled[:, 0, 0, 0].tolist() == pytest.approx([1.0, 1 / math.sqrt(10)])


def test_max_denoise_gives_the_noise_the_deviation_of_a_noised_latent() -> None:
    latent, noise = torch.zeros(1, 1, 1, 1), torch.ones(1, 1, 1, 1)
    sigma = torch.tensor(3.0)
    assert float(Epsilon().add_noise(latent, noise, sigma)) == 3
    assert float(Epsilon().add_noise(latent, noise, sigma, max_denoise=True)) == pytest.approx(math.sqrt(10))
    assert float(Flow().add_noise(latent, noise, torch.tensor(1.0), max_denoise=True)) == 1


def test_sampling_from_the_highest_level_or_above_is_max_denoise() -> None:
    model = Parameterization(DiscreteSigmas.stable_diffusion(), Epsilon())
    highest = model.space.sigma_max
    assert model.is_max_denoise(highest * (1 - 1e-6))
    assert model.is_max_denoise(highest * 2)
    assert not model.is_max_denoise(highest * 0.999)


def test_flow_gives_a_half_noised_latent_its_scale_back() -> None:
    latent = torch.full((2, 1, 1, 1), 3.0)
    sigma = torch.tensor([0.25, 0.5])
    x = Flow().add_noise(latent, torch.zeros_like(latent), sigma)
    torch.testing.assert_close(Flow().finish(x, sigma), latent)


@pytest.mark.parametrize("prediction", [Epsilon(), Flow()])
def test_half_log_snr_and_its_inverse(prediction: Prediction) -> None:
    sigma = torch.tensor([0.05, 0.5, 0.95])
    torch.testing.assert_close(prediction.sigma_at(prediction.half_log_snr(sigma)), sigma)
