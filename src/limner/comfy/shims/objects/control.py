"""ComfyUI's `ControlBase` and what inherits it: pictures that steer the denoising, each with the one before it.

`get_control` gives lists by place, `input`, `middle` and `output`: what is added to the latent at the blocks of the
original layout (`unet.apply_control`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from enum import Enum
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from limner.comfy.shims.objects.guiders import CFGGuider
from limner.comfy.shims.objects.patcher import ModelPatcher
from limner.diffusion.controlnet import ControlNetwork
from limner.diffusion.guidance import Guide
from limner.diffusion.sampling import WholeRun

Control = dict[str, list[Any]]
PLACES = ("input", "middle", "output")


class StrengthType(Enum):
    """Whether a strength is the same at all blocks, or falls towards the first."""

    CONSTANT = 1
    LINEAR_UP = 2


def broadcast_image_to(tensor: Tensor, target_batch_size: int, batched_number: int) -> Tensor:
    """Pictures repeated to the latents of each of the prompts that share a batch; one picture stays one."""
    if len(tensor) == 1:
        return tensor
    each = target_batch_size // batched_number
    tensor = tensor[:each]
    places = torch.arange(each) % len(tensor)
    whole = tensor[places.to(tensor.device)]
    return whole if len(whole) == target_batch_size else torch.cat([whole] * batched_number)


def same_image(image: Any) -> Any:
    """The picture as it is."""
    return image


class ControlBase:
    """What every control has. Packs inherit it and override `get_control` and `copy`."""

    def __init__(self) -> None:
        self.cond_hint_original: Any = None
        self.cond_hint: Any = None
        self.strength = 1.0
        self.timestep_percent_range = (0.0, 1.0)
        self.timestep_range: tuple[float, float] | None = None
        self.latent_format: Any = None
        self.vae: Any = None
        self.global_average_pooling = False
        self.compression_ratio = 8
        self.upscale_algorithm = "nearest-exact"
        self.extra_args: dict[str, Any] = {}
        self.previous_controlnet: Any = None
        self.extra_conds: list[str] = []
        self.strength_type = StrengthType.CONSTANT
        self.concat_mask = False
        self.extra_concat_orig: list[Tensor] = []
        self.extra_concat: Any = None
        self.extra_hooks: Any = None
        self.preprocess_image: Callable[[Tensor], Tensor] = same_image

    def set_cond_hint(
        self,
        cond_hint: Any,
        strength: float = 1.0,
        timestep_percent_range: tuple[float, float] = (0.0, 1.0),
        vae: Any = None,
        extra_concat: Sequence[Tensor] = (),
    ) -> Any:
        """The picture [batch, channels, height, width] in 0..1, how strongly and when it acts; returns itself."""
        self.cond_hint_original, self.strength = cond_hint, strength
        self.timestep_percent_range = timestep_percent_range
        if self.latent_format is not None:
            self.vae = vae
        self.extra_concat_orig = list(extra_concat)
        if self.concat_mask and not self.extra_concat_orig:
            self.extra_concat_orig.append(torch.ones(1, 1, 1, 1))
        return self

    def set_previous_controlnet(self, controlnet: Any) -> Any:
        """The control that acts beside this one; returns itself."""
        self.previous_controlnet = controlnet
        return self

    def set_extra_arg(self, argument: str, value: Any = None) -> None:
        self.extra_args[argument] = value

    def pre_run(self, model: Any, percent_to_timestep_function: Callable[[float], float]) -> None:
        """A run with this model begins."""
        start, end = self.timestep_percent_range
        self.timestep_range = (percent_to_timestep_function(start), percent_to_timestep_function(end))
        if self.previous_controlnet is not None:
            self.previous_controlnet.pre_run(model, percent_to_timestep_function)

    def cleanup(self) -> None:
        """The run is over."""
        if self.previous_controlnet is not None:
            self.previous_controlnet.cleanup()
        self.cond_hint = self.extra_concat = self.timestep_range = None

    def get_models(self) -> list[Any]:
        """The networks that it needs on the device."""
        return [] if self.previous_controlnet is None else list(self.previous_controlnet.get_models())

    def get_extra_hooks(self) -> list[Any]:
        own = [] if self.extra_hooks is None else [self.extra_hooks]
        before = [] if self.previous_controlnet is None else self.previous_controlnet.get_extra_hooks()
        return [*own, *before]

    def inference_memory_requirements(self, dtype: Any) -> float:
        before = self.previous_controlnet
        return 0.0 if before is None else float(before.inference_memory_requirements(dtype))

    def copy_to(self, c: Any) -> None:
        """Give another control these settings."""
        for name in ("cond_hint_original", "strength", "timestep_percent_range", "global_average_pooling"):
            setattr(c, name, getattr(self, name))
        for name in ("compression_ratio", "upscale_algorithm", "latent_format", "vae", "strength_type", "concat_mask"):
            setattr(c, name, getattr(self, name))
        c.preprocess_image = self.preprocess_image
        c.extra_args, c.extra_conds = dict(self.extra_args), list(self.extra_conds)
        c.extra_concat_orig = list(self.extra_concat_orig)
        c.extra_hooks = None if self.extra_hooks is None else self.extra_hooks.clone()

    def rests(self, sigma: Tensor) -> bool:
        """Whether it does not act at this level."""
        span = self.timestep_range
        return span is not None and not span[1] <= float(sigma[0]) <= span[0]

    def before(self, *args: Any) -> Control | None:
        """What the control before this one gives."""
        if self.previous_controlnet is None:
            return None
        found: Control | None = self.previous_controlnet.get_control(*args)
        return found

    def control_merge(self, control: Mapping[str, Sequence[Any]], control_prev: Any, output_dtype: Any) -> Control:
        """What a network gave at this control's strength, added to what the one before gave."""
        merged: Control = {place: [] for place in PLACES}
        for place, found in control.items():
            scaled: dict[int, Tensor] = {}
            for number, value in enumerate(found):
                if value is not None and id(value) not in scaled:
                    scaled[id(value)] = self._scaled(value, len(found) - number)
                made = None if value is None else scaled[id(value)]
                merged[place].append(made if made is None or output_dtype is None else made.to(output_dtype))
        for place in PLACES if control_prev is not None else ():
            for number, value in enumerate(control_prev[place]):
                if number >= len(merged[place]):
                    merged[place].append(value)
                elif value is not None:
                    own = merged[place][number]
                    merged[place][number] = value if own is None else value + own
        return merged

    def _scaled(self, value: Tensor, from_end: int) -> Tensor:
        if self.global_average_pooling:
            value = value.mean(dim=(2, 3), keepdim=True).expand_as(value)
        power = 1.0 if self.strength_type is StrengthType.CONSTANT else float(from_end)
        scaled: Tensor = value * self.strength**power
        return scaled

    def denoising(
        self, guide: Guide, noise: Tensor, latent_image: Tensor | None, noise_mask: Tensor | None
    ) -> AbstractContextManager[WholeRun]:
        """Sampling with a prompt that this stands in: ComfyUI's way, which asks it for its control at each step."""
        guider = CFGGuider(ModelPatcher.of(guide.model))
        guider.set_conds(guide.positive, guide.negative)
        guider.set_cfg(guide.cfg)
        return guider.prepare(noise, latent_image, noise_mask)


class ControlModel:
    """A ControlNet as packs call it, over one of diffusers'."""

    def __init__(self, core: ControlNetwork) -> None:
        self.network = core
        self.dtype = core.dtype

    def __call__(self, x: Tensor, hint: Tensor, timesteps: Tensor, context: Tensor, **kwargs: Any) -> Control:
        """For latents scaled in as the network sees them."""
        down, middle = self.network.residuals(x, hint, timesteps, context)
        return {"middle": [middle], "output": down}

    def state_dict(self) -> dict[str, Tensor]:
        return dict(self.network.resident.module.state_dict())

    def get_dtype(self) -> torch.dtype:
        return self.dtype

    def memory_required(self, input_shape: Sequence[int]) -> float:
        return float(math.prod(input_shape) * self.dtype.itemsize)


class ControlNet(ControlBase):
    """A ControlNet with a picture."""

    def __init__(
        self,
        control_model: Any = None,
        global_average_pooling: bool = False,
        compression_ratio: int = 8,
        latent_format: Any = None,
        load_device: Any = None,
        manual_cast_dtype: Any = None,
        extra_conds: Sequence[str] = ("y",),
        strength_type: StrengthType = StrengthType.CONSTANT,
        concat_mask: bool = False,
        preprocess_image: Callable[[Tensor], Tensor] = same_image,
    ) -> None:
        super().__init__()
        self.control_model = control_model
        self.load_device = load_device
        if control_model is not None:
            self.control_model_wrapped = ModelPatcher(control_model, load_device, torch.device("cpu"))
        self.global_average_pooling, self.compression_ratio = global_average_pooling, compression_ratio
        self.latent_format, self.manual_cast_dtype = latent_format, manual_cast_dtype
        self.model_sampling_current: Any = None
        self.extra_conds += extra_conds
        self.strength_type, self.concat_mask = strength_type, concat_mask
        self.preprocess_image = preprocess_image

    def get_control(
        self, x_noisy: Tensor, t: Tensor, cond: Mapping[str, Any], batched_number: int, transformer_options: Any
    ) -> Control | None:
        """What is added at each block for latents x at sigma t; None where nothing is."""
        before = self.before(x_noisy, t, cond, batched_number, transformer_options)
        if self.rests(t):
            return before
        dtype = self.control_model.dtype if self.manual_cast_dtype is None else self.manual_cast_dtype
        hint = self._hint(x_noisy, batched_number, dtype)
        context = cond.get("crossattn_controlnet", cond.get("c_crossattn"))
        extra = {**self.extra_args, **{name: cond[name] for name in self.extra_conds if cond.get(name) is not None}}
        sampling = self.model_sampling_current
        x = sampling.calculate_input(t, x_noisy).to(dtype)
        step = sampling.timestep(t).float()
        found = self.control_model(x=x, hint=hint, timesteps=step, context=context, **extra)
        return self.control_merge(found, before, None)

    def _hint(self, x: Tensor, batched_number: int, dtype: torch.dtype) -> Tensor:
        """The picture in the size that belongs to the latents, made once for a size."""
        height, width = (size * self.compression_ratio for size in x.shape[-2:])
        known = self.cond_hint
        if known is None or tuple(known.shape[-2:]) != (height, width):
            self.cond_hint = self._fitted(x).to(x.device, dtype)
        if len(self.cond_hint) != len(x):
            self.cond_hint = broadcast_image_to(self.cond_hint, len(x), batched_number)
        hint: Tensor = self.cond_hint
        return hint

    def _fitted(self, x: Tensor) -> Tensor:
        ratio = self.compression_ratio
        if self.vae is not None:
            ratio *= self.vae.spacial_compression_encode()
        elif self.latent_format is not None:
            raise ValueError("this ControlNet works on latents: give the node that applies it a VAE")
        utils = import_module("comfy.utils")
        height, width = x.shape[-2] * ratio, x.shape[-1] * ratio
        hint = utils.common_upscale(self.cond_hint_original, width, height, self.upscale_algorithm, "center")
        hint = self.preprocess_image(hint)
        if self.vae is not None:
            hint = self.vae.encode(hint.movedim(1, -1))
        if self.latent_format is not None:
            hint = self.latent_format.process_in(hint)
        parts = [hint]
        for extra in self.extra_concat_orig:
            fitted = utils.common_upscale(extra, hint.shape[-1], hint.shape[-2], self.upscale_algorithm, "center")
            parts.append(utils.repeat_to_batch_size(fitted.to(hint.device), len(hint)))
        return torch.cat(parts, dim=1)

    def copy(self) -> Any:
        """The same with the same network."""
        copied = self.__class__.__new__(self.__class__)
        ControlNet.__init__(copied, None, load_device=self.load_device, manual_cast_dtype=self.manual_cast_dtype)
        copied.control_model, copied.control_model_wrapped = self.control_model, self.control_model_wrapped
        self.copy_to(copied)
        return copied

    def get_models(self) -> list[Any]:
        return [*super().get_models(), self.control_model_wrapped]

    def pre_run(self, model: Any, percent_to_timestep_function: Callable[[float], float]) -> None:
        super().pre_run(model, percent_to_timestep_function)
        self.model_sampling_current = model.model_sampling

    def cleanup(self) -> None:
        self.model_sampling_current = None
        super().cleanup()


class T2IAdapter(ControlBase):
    """A T2I-Adapter (Mou et al. 2023, arXiv:2302.08453): what it adds does not change over the run."""

    def __init__(
        self, t2i_model: Any, channels_in: int, compression_ratio: int, upscale_algorithm: str, device: Any = None
    ) -> None:
        super().__init__()
        self.t2i_model, self.channels_in = t2i_model, channels_in
        self.compression_ratio, self.upscale_algorithm = compression_ratio, upscale_algorithm
        self.control_input: Any = None
        self.device = import_module("comfy.model_management").get_torch_device() if device is None else device

    def scale_image_to(self, width: int, height: int) -> tuple[int, int]:
        """The next size that the network can take."""
        unit = self.t2i_model.unshuffle_amount
        return math.ceil(width / unit) * unit, math.ceil(height / unit) * unit

    def get_control(
        self, x_noisy: Tensor, t: Tensor, cond: Mapping[str, Any], batched_number: int, transformer_options: Any
    ) -> Control | None:
        """As a ControlNet's."""
        before = self.before(x_noisy, t, cond, batched_number, transformer_options)
        if self.rests(t):
            return before
        ratio = self.compression_ratio
        width, height = self.scale_image_to(x_noisy.shape[-1] * ratio, x_noisy.shape[-2] * ratio)
        if self.cond_hint is None or tuple(self.cond_hint.shape[-2:]) != (height, width):
            utils = import_module("comfy.utils")
            hint = utils.common_upscale(self.cond_hint_original, width, height, self.upscale_algorithm, "center")
            grey = self.channels_in == 1 and hint.shape[1] > 1
            self.cond_hint = (hint.mean(1, keepdim=True) if grey else hint).float().to(self.device)
            self.control_input = None
        if len(self.cond_hint) != len(x_noisy):
            self.cond_hint = broadcast_image_to(self.cond_hint, len(x_noisy), batched_number)
        if self.control_input is None:
            self.t2i_model.to(x_noisy.dtype).to(self.device)
            self.control_input = self.t2i_model(self.cond_hint.to(x_noisy.dtype))
        return self.control_merge(self.control_input, before, x_noisy.dtype)

    def copy(self) -> Any:
        copied = T2IAdapter(
            self.t2i_model, self.channels_in, self.compression_ratio, self.upscale_algorithm, self.device
        )
        self.copy_to(copied)
        return copied
