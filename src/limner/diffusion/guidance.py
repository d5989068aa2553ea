"""Classifier-free guidance: one denoiser out of a network and two lists of conditioning.

`denoised = negative + (positive - negative) * cfg` (Ho & Salimans 2022, arXiv:2207.12598, in terms of the denoised
latent), where each side is the mean of its entries' predictions, weighted by area, mask and strength. Entries of equal
size go through the network in one batch; prompts of different lengths are repeated to a common length, which leaves
attention to them as it is. At a cfg of 1 the negative side is not computed.

The hooks in `Model.options` get and give what ComfyUI's do.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, cast

import torch

from limner.diffusion import areas, devices
from limner.diffusion.areas import Entry
from limner.diffusion.conditioning import Conditioning
from limner.diffusion.errors import ConditioningError
from limner.diffusion.model import Denoising, Model

_LONGEST = 4
"""How often a short prompt is repeated at most to share a batch with a longer one."""


class Control(Protocol):
    """A network that steers another, in an entry's options as `control`."""

    def residuals(
        self, x: torch.Tensor, sigma: torch.Tensor, vectors: torch.Tensor
    ) -> tuple[Sequence[torch.Tensor], torch.Tensor]:
        """What is added to the down blocks' outputs and to the middle block's, for scaled-in x [batch, ...]."""
        ...


@dataclass(frozen=True, slots=True)
class Guide:
    """A model with what to draw (`positive`), what to avoid (`negative`) and how strongly to tell them apart."""

    model: Model
    positive: Conditioning
    negative: Conditioning
    cfg: float = 1.0

    @contextmanager
    def prepare(
        self, noise: torch.Tensor, latent_image: torch.Tensor | None = None, noise_mask: torch.Tensor | None = None
    ) -> Iterator["GuidedDenoiser"]:
        """The denoiser for latents of the shape of `noise`; its network stays on the device inside the `with`.

        It raises `ConditioningError` when it gets to conditioning that the network cannot read.

        `latent_image` (scaled in) and `noise_mask` reach the network of an inpainting model only.
        """
        model = self.model
        denoising = model.denoising or _brought(self.positive, self.negative)
        if denoising is not None:
            with denoising(self, noise, latent_image, noise_mask) as denoiser:
                yield denoiser
            return
        size = (noise.shape[-2], noise.shape[-1])
        space = model.parameterization.space
        positive, negative = areas.prepare(self.positive, self.negative, size, space, model.device)
        concat = _inpaint_channels(noise, latent_image, noise_mask).to(model.device) if model.inpaint else None
        with model.resident.active(model.patches, _work(noise, model.dtype)) as module:
            yield GuidedDenoiser(model, module, positive, negative, self.cfg, concat=concat)


class GuidedDenoiser:
    """The denoiser that a solver calls. Made by `Guide.prepare`."""

    def __init__(
        self,
        model: Model,
        module: torch.nn.Module,
        positive: list[Entry],
        negative: list[Entry],
        cfg: float,
        *,
        concat: torch.Tensor | None = None,
    ) -> None:
        self.model = model
        self.cfg = cfg
        self._module = module
        self._lists = (positive, negative)
        self._concat = concat
        self._weights: dict[tuple[int, torch.Size], torch.Tensor] = {}

    def __call__(self, x: torch.Tensor, sigma: torch.Tensor, /) -> torch.Tensor:
        """x [batch, channels, h, w] at sigma [batch] -> denoised float32, shape of x."""
        alone = math.isclose(self.cfg, 1.0) and not self.model.options.get("disable_cfg1_optimization", False)
        return self._guided(x, sigma, with_negative=not alone)[0]

    def pair(self, x: torch.Tensor, sigma: torch.Tensor, /) -> tuple[torch.Tensor, torch.Tensor]:
        """(guided, negative alone): as `__call__`, and the negative side is computed whatever cfg is."""
        return self._guided(x, sigma, with_negative=True)

    @torch.no_grad()
    def predict(self, x: torch.Tensor, sigma: torch.Tensor, sides: Sequence[Sequence[Entry]]) -> list[torch.Tensor]:
        """The weighted mean prediction of each list of entries, float32, shape of x; zeros where none is active."""
        level = float(sigma.flatten()[0])
        pieces = [(side, entry) for side, entries in enumerate(sides) for entry in entries if entry.active(level)]
        totals = [torch.zeros_like(x) for _ in sides]
        weights = [torch.full_like(x, 1e-37) for _ in sides]
        while pieces:
            batch = [piece for piece in pieces if _fits(piece[1], pieces[0][1], x)]
            pieces = [piece for piece in pieces if not any(piece is taken for taken in batch)]
            for (side, entry), denoised in zip(batch, self._run(x, sigma, batch), strict=True):
                weight = self._weight(entry, x)
                entry.crop(totals[side]).add_(denoised * weight)
                entry.crop(weights[side]).add_(weight)
        return [total.div_(weight) for total, weight in zip(totals, weights, strict=True)]

    def apply(self, x: torch.Tensor, sigma: torch.Tensor, **inputs: Any) -> torch.Tensor:
        """The network on x [n, ...] at sigma [n]: denoised, float32. `c_crossattn` holds vectors [n, tokens, width]."""
        model = self.model
        prediction = model.parameterization.prediction
        scaled = prediction.scale_input(x, sigma)
        if inputs.get("c_concat") is not None:
            scaled = torch.cat([scaled, inputs["c_concat"]], dim=1)
        scaled = scaled.to(model.device, model.dtype, memory_format=torch.channels_last)
        step = model.parameterization.space.timestep(sigma).to(model.device, torch.float32)
        vectors = inputs["c_crossattn"].to(model.device, model.dtype)
        residuals: dict[str, Any] = {}
        if inputs.get("control") is not None:
            down, middle = inputs["control"].residuals(scaled, sigma, vectors)
            residuals = {"down_block_additional_residuals": tuple(down), "mid_block_additional_residual": middle}
        network = cast(Callable[..., tuple[torch.Tensor]], self._module)
        output = network(scaled, step, encoder_hidden_states=vectors, return_dict=False, **residuals)[0]
        return prediction.denoised(output.float().to(x.device), x, sigma)

    def _guided(self, x: torch.Tensor, sigma: torch.Tensor, with_negative: bool) -> tuple[torch.Tensor, torch.Tensor]:
        options = self.model.options
        sides = [self._lists[0], self._lists[1] if with_negative else None]
        shared = {"input": x, "sigma": sigma, "model": self, "model_options": options}
        if compute := options.get("sampler_calc_cond_batch_function"):
            out = compute({"conds": sides, **shared})
        else:
            out = self.predict(x, sigma, [side for side in sides if side is not None])
            out = out if with_negative else [out[0], torch.zeros_like(x)]
        shared |= {"timestep": sigma, "cond_scale": self.cfg}
        for hook in options.get("sampler_pre_cfg_function", []):
            out = hook({"conds": sides, "conds_out": out, **shared})
        positive, negative = out[0], out[1]
        shared |= {"cond_denoised": positive, "uncond_denoised": negative}
        if combine := options.get("sampler_cfg_function"):
            # This hook works with the noise, x - denoised, on both ends.
            noise = {"cond": x - positive, "uncond": x - negative, "input_cond": sides[0], "input_uncond": sides[1]}
            guided = x - combine({**shared, **noise})
        elif with_negative:
            guided = negative + (positive - negative) * self.cfg
        else:
            guided = positive
        for hook in options.get("sampler_post_cfg_function", []):
            guided = hook({**shared, "denoised": guided, "cond": sides[0], "uncond": sides[1]})
        return guided, negative

    def _run(self, x: torch.Tensor, sigma: torch.Tensor, batch: list[tuple[int, Entry]]) -> list[torch.Tensor]:
        """The predictions of a batch of entries, each [batch, ...]; in halves where memory runs out."""
        try:
            return list(self._network(x, sigma, batch).chunk(len(batch)))
        except RuntimeError as error:
            if len(batch) == 1 or not devices.out_of_memory(error):
                raise
        devices.release_cached(self.model.device)
        middle = len(batch) // 2
        return self._run(x, sigma, batch[:middle]) + self._run(x, sigma, batch[middle:])

    def _network(self, x: torch.Tensor, sigma: torch.Tensor, batch: list[tuple[int, Entry]]) -> torch.Tensor:
        entries = [entry for _side, entry in batch]
        options = self.model.options
        if "model_function_wrapper" not in options:  # which may put other vectors in their place
            for entry in entries:
                self._check_width(entry)
        inputs: dict[str, Any] = {
            "c_crossattn": _context([entry.vectors for entry in entries], x.shape[0]),
            "control": entries[0].options.get("control"),
            "transformer_options": {
                **options.get("transformer_options", {}),
                "cond_or_uncond": [side for side, _entry in batch],
                "sigmas": sigma,
            },
        }
        if self._concat is not None:
            inputs["c_concat"] = torch.cat([entry.crop(self._concat) for entry in entries])
        crops = torch.cat([entry.crop(x) for entry in entries])
        levels = sigma.repeat(len(entries))
        if wrapper := options.get("model_function_wrapper"):
            sides = inputs["transformer_options"]["cond_or_uncond"]
            given = {"input": crops, "timestep": levels, "c": inputs, "cond_or_uncond": sides}
            return cast(torch.Tensor, wrapper(self.apply, given))
        return self.apply(crops, levels, **inputs)

    def _check_width(self, entry: Entry) -> None:
        given, wanted = entry.vectors.shape[-1], self.model.context_width
        if wanted is None or given == wanted:
            return
        side = "negative" if any(entry is other for other in self._lists[1]) else "positive"
        raise ConditioningError(
            f"the {side} conditioning has vectors of {given} numbers, the model reads {wanted}",
            "Encode the prompt with the CLIP that belongs to the model",
        )

    def _weight(self, entry: Entry, x: torch.Tensor) -> torch.Tensor:
        key = (id(entry), x.shape)
        if key not in self._weights:
            self._weights[key] = entry.weight(x)
        return self._weights[key]


def _brought(*sides: Conditioning) -> Denoising | None:
    """The way of sampling that a control among the prompts brings, where it is one that needs its own."""
    controls = (options.get("control") for side in sides for _vectors, options in side)
    return next((control.denoising for control in controls if hasattr(control, "denoising")), None)


def _fits(entry: Entry, other: Entry, x: torch.Tensor) -> bool:
    """Whether two entries can share a batch."""
    if entry.crop(x).shape != other.crop(x).shape:
        return False
    if entry.options.get("control") is not other.options.get("control"):
        return False
    (_, length, width), (_, other_length, other_width) = entry.vectors.shape, other.vectors.shape
    if width != other_width:
        return False
    return math.lcm(length, other_length) // min(length, other_length) <= _LONGEST


def _context(vectors: Sequence[torch.Tensor], batch: int) -> torch.Tensor:
    """All vectors, each repeated to the batch's size and to a common number of tokens."""
    length = math.lcm(*(each.shape[1] for each in vectors))
    repeated = [each.repeat(math.ceil(batch / each.shape[0]), length // each.shape[1], 1)[:batch] for each in vectors]
    return torch.cat(repeated)


def _inpaint_channels(
    noise: torch.Tensor, latent_image: torch.Tensor | None, mask: torch.Tensor | None
) -> torch.Tensor:
    """The five channels that an SD 1.x inpainting network sees besides x: where to paint, and what is kept."""
    if mask is None or latent_image is None:
        return torch.cat([torch.ones_like(noise[:, :1]), torch.zeros_like(noise)], dim=1)
    size = (noise.shape[-2], noise.shape[-1])
    flat = mask.reshape(-1, 1, mask.shape[-2], mask.shape[-1]).to(noise)
    where = torch.nn.functional.interpolate(flat, size=size, mode="bilinear").round().expand_as(noise[:, :1])
    return torch.cat([where, latent_image.to(noise) * (1 - where)], dim=1)


def _work(noise: torch.Tensor, dtype: torch.dtype) -> int:
    """Bytes that one guided step needs beside the weights, roughly: some 25,000 values for each latent cell."""
    return noise.shape[0] * noise.shape[-2] * noise.shape[-1] * 25_000 * dtype.itemsize
