import pytest
import torch

from limner.diffusion.noise import initial_noise

LATENT = torch.zeros(3, 4, 8, 8)


def test_a_seed_is_the_cpu_generators() -> None:
    torch.manual_seed(99)
    expected = torch.randn(LATENT.shape)
    torch.manual_seed(0)
    assert torch.equal(initial_noise(LATENT, 99), expected)


def test_the_global_generator_is_left_alone() -> None:
    before = torch.get_rng_state()
    initial_noise(LATENT, 5)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("seed", [0, 2**63, 2**64 - 1])
def test_all_seeds_of_64_bits_work(seed: int) -> None:
    assert bool(initial_noise(LATENT, seed).isfinite().all())


def test_a_latent_taken_from_a_batch_gets_the_noise_it_had_there() -> None:
    drawn_singly = initial_noise(LATENT, 7, range(3))
    assert torch.equal(initial_noise(LATENT[:1], 7, [2]), drawn_singly[2:])
    repeated = initial_noise(LATENT, 7, [1, 0, 1])
    assert torch.equal(repeated, drawn_singly[[1, 0, 1]])


def test_noise_has_the_latents_dtype() -> None:
    assert initial_noise(LATENT.half(), 1).dtype == torch.float16


@pytest.mark.parametrize("indices", [[0], [0, 1, 2, 3], [0, -1, 2]])
def test_indices_that_do_not_fit_are_an_error(indices: list[int]) -> None:
    with pytest.raises(ValueError, match="batch_index"):
        initial_noise(LATENT, 1, indices)
