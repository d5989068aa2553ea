"""The sampling loop: from a latent and noise to a denoised latent.

The rules, once:

- **Which levels.** A scheduler gives `steps + 1` sigmas. With `denoise` below 1 it is asked for `int(steps / denoise)`
  steps and only the last `steps + 1` sigmas are used; with 0 or less nothing is done. Some samplers drop the last
  level above 0 (`Sampler.discard_penultimate`). `start_step` and `last_step` cut a stretch out, and
  `force_full_denoise` lets that stretch end at 0.
- **Where it starts.** At `Prediction.add_noise(latent, noise, sigmas[0])`. A latent of zeros is an empty one: it is
  not scaled into the model's space, because zero there is no picture.
- **Masks.** 1 is made anew, 0 is kept. Before each model call what is kept is replaced by the original, noised to the
  call's level; after it, by the original itself.
- **Nothing to do** (no sigmas, or a stretch that starts at its end): the latent is returned as it came.
- **Cancelling.** `cancelled` is called before every model call; what it raises ends sampling.

A result is a function of the arguments and of what the denoiser answered, for every solver: none keeps state
elsewhere or draws from a global generator. So a run is resumed anywhere by recording the denoiser's answers
(`AnswerTape`) and, with the same arguments, giving the recorded ones first: the solver and its noise arrive at the same
state without calling the model, and the result is the same to the bit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import torch
from torch import Tensor

from limner.diffusion.parameterization import Parameterization, Prediction, SigmaSpace
from limner.diffusion.samplers import Denoiser, Sampler, SamplerContext, sampler
from limner.diffusion.samplers.base import pair_of
from limner.diffusion.schedules import schedule

Progress = Callable[[int, Tensor, Tensor, int], None]
"""`(step from 0, denoised, x, total steps)`; the tensors are in the model's space, on its device."""


class AnswerTape(Protocol):
    """Where the denoiser's answers are recorded: tensors, or pairs of them."""

    def recorded(self) -> Sequence[object]:
        """Those of an earlier run with the same arguments, from its first call on."""
        ...

    def add(self, item: object) -> None: ...

    def finish(self) -> None:
        """The run is at its end."""
        ...


class WholeRun(ABC):
    """A denoiser that carries out the whole of sampling itself, for users of the library who do it in another way."""

    @abstractmethod
    def run(
        self,
        latent: Tensor,
        noise: Tensor,
        sigmas: Tensor,
        solver: Sampler,
        *,
        seed: int,
        noise_mask: Tensor | None,
        callback: Progress | None,
        cancelled: Callable[[], None] | None,
    ) -> Tensor:
        """What `sample_sigmas` returns, of the same arguments; `latent` and the result in the scale of nodes."""

    @abstractmethod
    def __call__(self, x: Tensor, sigma: Tensor, /) -> Tensor: ...


SEED_COUNT = 2**64
INTERPOLATION = {1: "linear", 2: "bilinear", 3: "trilinear"}


def sampling_sigmas(
    space: SigmaSpace, sampler_name: str, scheduler_name: str, steps: int, denoise: float = 1.0
) -> Tensor:
    """The sigmas of a sampler and a scheduler, by name, for `steps` (1 or more) at a strength of 0 to 1.

    Float32 [about steps + 1], descending, the last 0; empty where `denoise` is 0 or less. Raises ValueError for
    unknown names.
    """
    discard = sampler(sampler_name).discard_penultimate
    if denoise <= 0:
        return torch.empty(0)
    full = denoise > 0.9999
    sigmas = schedule(scheduler_name, space, (steps if full else int(steps / denoise)) + discard)
    if discard:
        sigmas = torch.cat([sigmas[:-2], sigmas[-1:]])
    return sigmas if full else sigmas[-(steps + 1) :]


def cut_sigmas(
    sigmas: Tensor, start_step: int | None = None, last_step: int | None = None, force_full_denoise: bool = False
) -> Tensor:
    """The stretch from `start_step` to `last_step`; empty where nothing is left to do.

    With `force_full_denoise` a stretch that ends early ends at 0.
    """
    if last_step is not None and last_step < len(sigmas) - 1:
        sigmas = sigmas[: last_step + 1].clone()
        if force_full_denoise:
            sigmas[-1] = 0
    if start_step is None:
        return sigmas
    return sigmas[start_step:] if start_step < len(sigmas) - 1 else sigmas[:0]


def sample(
    denoiser: Denoiser,
    parameterization: Parameterization,
    latent: Tensor,
    noise: Tensor | None,
    *,
    sampler_name: str,
    scheduler_name: str,
    steps: int,
    seed: int = 0,
    denoise: float = 1.0,
    start_step: int | None = None,
    last_step: int | None = None,
    force_full_denoise: bool = False,
    noise_mask: Tensor | None = None,
    callback: Progress | None = None,
    cancelled: Callable[[], None] | None = None,
    scale_in: Callable[[Tensor], Tensor] | None = None,
    scale_out: Callable[[Tensor], Tensor] | None = None,
    device: torch.device | None = None,
    tape: AnswerTape | None = None,
) -> Tensor:
    """What a KSampler node does, by names and numbers; see `sample_sigmas` for the other arguments."""
    sigmas = sampling_sigmas(parameterization.space, sampler_name, scheduler_name, steps, denoise)
    return sample_sigmas(
        denoiser,
        parameterization,
        latent,
        noise,
        cut_sigmas(sigmas, start_step, last_step, force_full_denoise),
        solver=sampler(sampler_name),
        seed=seed,
        noise_mask=noise_mask,
        callback=callback,
        cancelled=cancelled,
        scale_in=scale_in,
        scale_out=scale_out,
        device=device,
        tape=tape,
    )


def sample_sigmas(
    denoiser: Denoiser,
    parameterization: Parameterization,
    latent: Tensor,
    noise: Tensor | None,
    sigmas: Tensor,
    *,
    solver: Sampler,
    seed: int = 0,
    noise_mask: Tensor | None = None,
    callback: Progress | None = None,
    cancelled: Callable[[], None] | None = None,
    scale_in: Callable[[Tensor], Tensor] | None = None,
    scale_out: Callable[[Tensor], Tensor] | None = None,
    device: torch.device | None = None,
    tape: AnswerTape | None = None,
) -> Tensor:
    """Sample over given sigmas.

    - `denoiser(x, sigma) -> denoised` on `device` (default: the latent's), float32 tensors; CFG++ samplers also need
      its `pair(x, sigma)`;
    - `latent` [batch, channels, ...] as nodes pass it; `scale_in` and `scale_out` take it into the model's space and
      back (default: the same space);
    - `noise`: unit variance, shape of `latent`; None adds none;
    - `seed` (0 .. 2^64 - 1): for solvers that draw noise of their own;
    - `noise_mask`: [masks, height, width] or broadcastable forms of it, 0 to 1, resized to the latent;
    - `callback`: told of every step; `cancelled`: see the module's docstring;
    - `tape`: answers that it holds are taken in place of the denoiser's, and the denoiser's are added to it.

    Returns the latent, float32, in the shape and on the device of `latent`. Raises ValueError if the noise is of
    another shape.
    """
    if len(sigmas) == 0:
        return latent
    if noise is not None and noise.shape != latent.shape:
        raise ValueError(f"noise of shape {list(noise.shape)} does not fit a latent of shape {list(latent.shape)}")
    if isinstance(denoiser, WholeRun):
        given = torch.zeros_like(latent) if noise is None else noise
        return denoiser.run(
            latent, given, sigmas, solver, seed=seed, noise_mask=noise_mask, callback=callback, cancelled=cancelled
        )
    home = device or latent.device
    sigmas = sigmas.float().cpu()
    with torch.no_grad():
        original = scale_in(latent) if scale_in is not None and bool(latent.any()) else latent
        original = original.to(home, torch.float32)
        start = torch.zeros_like(original) if noise is None else noise.to(home, torch.float32)
        model = denoiser if tape is None else _Recorded(denoiser, tape, iter(tape.recorded()))
        model = _Interruptible(model, cancelled) if cancelled is not None else model
        if noise_mask is not None:
            keeping = _inpaint_noise(start, seed) if solver.fresh_inpaint_noise else start
            mask = fit_mask(noise_mask, latent.shape).to(home, torch.float32)
            model = _Inpainting(model, parameterization.prediction, original, keeping, mask)
        x = parameterization.prediction.add_noise(
            original, start, sigmas[0], max_denoise=parameterization.is_max_denoise(float(sigmas[0]))
        )
        x = solver(model, x, sigmas, _context(parameterization, seed, callback, len(sigmas) - 1))
        last = sigmas[-1] if sigmas[-1] > 0 else torch.tensor(solver.final_sigma)
        x = parameterization.prediction.finish(x, last).float()
        if tape is not None:
            tape.finish()
        return (scale_out(x) if scale_out is not None else x).to(latent.device)


def fit_mask(mask: Tensor, shape: torch.Size) -> Tensor:
    """A mask as [batch, channels, ...] of a latent's `shape`: resized linearly, repeated, or cut to the batch.

    For images any number of leading dimensions counts as masks; for video one mask [frames, height, width] is
    stretched over the frames. Raises ValueError for latents of other than one to three dimensions.
    """
    dimensions = len(shape) - 2
    if dimensions not in INTERPOLATION:
        raise ValueError(f"a latent of shape {list(shape)} cannot be masked")
    if dimensions == 2:
        mask = mask.reshape(-1, 1, *mask.shape[-2:])
    elif dimensions == 3 and mask.ndim < 5:
        mask = mask.reshape(1, 1, -1, *mask.shape[-2:])
    elif dimensions == 1:
        mask = mask.reshape(-1, 1, mask.shape[-1])
    mask = torch.nn.functional.interpolate(mask.float(), size=shape[2:], mode=INTERPOLATION[dimensions])
    if mask.shape[1] < shape[1]:
        mask = mask.repeat(1, shape[1], *(1,) * dimensions)[:, : shape[1]]
    repeats = -(-shape[0] // mask.shape[0])
    return mask.repeat(repeats, *(1,) * (dimensions + 1))[: shape[0]]


def _inpaint_noise(noise: Tensor, seed: int) -> Tensor:
    generator = torch.Generator("cpu").manual_seed((seed + 1) % SEED_COUNT)
    return torch.randn(noise.shape, generator=generator).to(noise)


def _context(parameterization: Parameterization, seed: int, callback: Progress | None, total: int) -> SamplerContext:
    def told(step: int, denoised: Tensor, x: Tensor) -> None:
        if callback is not None:
            # An adaptive solver may take more steps than there are sigmas; progress never runs past its end.
            callback(min(step, total - 1), denoised, x, total)

    return SamplerContext(parameterization, seed=seed, on_step=told)


@dataclass(frozen=True, slots=True)
class _Recorded:
    """A denoiser that gives the answers that it gave before, as far as they go, and records the others."""

    model: Denoiser
    tape: AnswerTape
    answers: Iterator[object]

    def __call__(self, x: Tensor, sigma: Tensor, /) -> Tensor:
        known = next(self.answers, None)
        if known is not None:
            return cast("Tensor", known).to(x.device)
        answer = self.model(x, sigma)
        self.tape.add(answer)
        return answer

    def pair(self, x: Tensor, sigma: Tensor, /) -> tuple[Tensor, Tensor]:
        known = next(self.answers, None)
        if known is not None:
            guided, unconditional = cast("tuple[Tensor, Tensor]", known)
            return guided.to(x.device), unconditional.to(x.device)
        answer = pair_of(self.model)(x, sigma)
        self.tape.add(answer)
        return answer


@dataclass(frozen=True, slots=True)
class _Interruptible:
    """A denoiser that asks before each call whether to go on."""

    model: Denoiser
    cancelled: Callable[[], None]

    def __call__(self, x: Tensor, sigma: Tensor, /) -> Tensor:
        self.cancelled()
        return self.model(x, sigma)

    def pair(self, x: Tensor, sigma: Tensor, /) -> tuple[Tensor, Tensor]:
        self.cancelled()
        return pair_of(self.model)(x, sigma)


@dataclass(frozen=True, slots=True)
class _Inpainting:
    """A denoiser that sees and answers the original where the mask is 0; all tensors in x's shape."""

    model: Denoiser
    prediction: Prediction
    original: Tensor
    noise: Tensor
    mask: Tensor

    def __call__(self, x: Tensor, sigma: Tensor, /) -> Tensor:
        return self._keep(self.model(self._seen(x, sigma), sigma))

    def pair(self, x: Tensor, sigma: Tensor, /) -> tuple[Tensor, Tensor]:
        denoised, unconditional = pair_of(self.model)(self._seen(x, sigma), sigma)
        # The unconditional prediction only gives the direction to renoise in, which the next call masks anyway.
        return self._keep(denoised), unconditional

    def _seen(self, x: Tensor, sigma: Tensor) -> Tensor:
        return x * self.mask + self.prediction.add_noise(self.original, self.noise, sigma) * (1 - self.mask)

    def _keep(self, denoised: Tensor) -> Tensor:
        return denoised * self.mask + self.original * (1 - self.mask)
