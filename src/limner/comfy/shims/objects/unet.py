"""ComfyUI's `UNetModel` over one of diffusers': the same layers, in the blocks that packs count.

`input_blocks`, `middle_block` and `output_blocks` hold diffusers' own layers in the order of the original layout
(Rombach et al. 2022), so that what a pack hangs on a block by its number acts there. `forward` takes the latent
through them as `transformer_options` says: functions around whole blocks, in attention (`attention_patches`), and what
controls add. Without any it gives what diffusers' own forward gives.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.models.upsampling import Upsample2D
from torch import Tensor, nn

from limner.comfy.shims.absent import NotAvailable, calling_pack
from limner.comfy.shims.objects.attention_patches import patched
from limner.comfy.shims.objects.wrappers import WrapperExecutor, WrappersMP, get_all_wrappers

Options = dict[str, Any]
NAME = "comfy.ldm.modules.diffusionmodules.openaimodel.UNetModel"


class TimestepEmbedSequential(nn.Sequential):
    """One block: layers that take the latent, the time and the text, as each needs."""

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        return forward_timestep_embed(list(self), *args, **kwargs)


def forward_timestep_embed(
    ts: Sequence[nn.Module],
    x: Tensor,
    emb: Tensor,
    context: Tensor | None = None,
    transformer_options: Options | None = None,
    output_shape: Sequence[int] | None = None,
    time_context: Any = None,
    num_video_frames: Any = None,
    image_only_indicator: Any = None,
) -> Tensor:
    """The latent x [batch, channels, h, w] through a block's layers."""
    options = {} if transformer_options is None else transformer_options
    handlers = options.get("patches", {}).get("forward_timestep_embed_patch", [])
    for layer in ts:
        if isinstance(layer, ResnetBlock2D):
            x = layer(x, emb)
        elif isinstance(layer, Transformer2DModel):
            options["activations_shape"] = list(x.shape)
            x = layer(x, encoder_hidden_states=context, return_dict=False)[0]
            if "transformer_index" in options:
                options["transformer_index"] += 1
        elif isinstance(layer, Upsample2D):
            doubled = [2 * size for size in x.shape[2:]]
            size = doubled if output_shape is None else list(output_shape[2:])
            x = layer(x, None if size == doubled else size)
        elif handler := next((made for kind, made in handlers if isinstance(layer, kind)), None):
            more = (output_shape, time_context, num_video_frames, image_only_indicator)
            x = handler(layer, x, emb, context, options, *more)
        else:
            x = layer(x)
    return x


def apply_control(h: Tensor, control: Mapping[str, list[Any]] | None, name: str) -> Tensor:
    """The latent with what a control adds at a place; each is taken from the end of its list."""
    if control and control.get(name):
        added = control[name].pop()
        if added is not None:
            h = h + added.to(h)
    return h


class UNetModel(nn.Module):
    """A U-Net under the names of the original layout."""

    network: Any
    time_embed: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Raises NotAvailable: a network is loaded, and its face made by `of`."""
        raise NotAvailable(NAME, calling_pack())

    @classmethod
    def of(cls, module: UNet2DConditionModel, keys: Mapping[str, str]) -> UNetModel:
        """The face of diffusers' network; `keys` maps its parameters to their original names."""
        made = cls.__new__(cls)
        nn.Module.__init__(made)
        made._begin(module, keys)
        return made

    def _begin(self, module: Any, keys: Mapping[str, str]) -> None:
        self.__dict__["network"] = module  # not a part of its own, as its layers are those of the blocks
        self.keys = keys
        config = module.config
        self.model_channels: int = config.block_out_channels[0]
        self.in_channels: int = config.in_channels
        self.out_channels: int = config.out_channels
        self.default_num_video_frames = None
        self.time_embed = module.time_embedding
        self.label_emb = module.add_embedding if config.addition_embed_type == "text_time" else None
        self.num_classes = None if self.label_emb is None else "sequential"
        self.input_blocks = nn.ModuleList(_input_blocks(module))
        self.middle_block = TimestepEmbedSequential(*_between(module.mid_block))
        self.output_blocks = nn.ModuleList(_output_blocks(module))
        self.out = nn.Sequential(module.conv_norm_out, module.conv_act, module.conv_out)

    @property
    def dtype(self) -> torch.dtype:
        found: torch.dtype = self.network.dtype
        return found

    def named_originals(self) -> Iterator[tuple[str, Tensor]]:
        """Weights by their original names."""
        found = dict(self.network.named_parameters()) | dict(self.network.named_buffers())
        return ((self.keys.get(name, name), tensor.data) for name, tensor in found.items())

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Weights by their original names."""
        return dict(self.named_originals())

    def forward(
        self,
        x: Tensor,
        timesteps: Tensor | None = None,
        context: Tensor | None = None,
        y: Tensor | None = None,
        control: Any = None,
        transformer_options: Options | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """What the network predicts of x [batch, channels, h, w] at timesteps [batch], told context [batch, n, w]."""
        options = {} if transformer_options is None else transformer_options
        wrappers = get_all_wrappers(WrappersMP.DIFFUSION_MODEL, options)
        executor = WrapperExecutor.new_class_executor(self._forward, self, wrappers)
        predicted: Tensor = executor.execute(x, timesteps, context, y, control, options, **kwargs)
        return predicted

    def _forward(
        self,
        x: Tensor,
        timesteps: Tensor | None = None,
        context: Tensor | None = None,
        y: Tensor | None = None,
        control: Any = None,
        transformer_options: Options | None = None,
        **kwargs: Any,
    ) -> Tensor:
        options = {} if transformer_options is None else transformer_options
        options |= {"original_shape": list(x.shape), "transformer_index": 0}
        with patched(self.network, self.keys, options, x):
            emb = self._embedded(x, timesteps, y, options)
            h, skips = self._down(x, emb, context, control, options)
            h = self._up(h, skips, emb, context, control, options)
            predicted: Tensor = self.out(h.type(x.dtype))
            return predicted

    def _embedded(self, x: Tensor, timesteps: Tensor | None, y: Tensor | None, options: Options) -> Tensor:
        emb = self.time_embed(self.network.get_time_embed(sample=x, timestep=timesteps))
        for patch in options.get("patches", {}).get("emb_patch", []):
            emb = patch(emb, self.model_channels, options)
        if self.label_emb is not None and y is not None:
            emb = emb + self.label_emb(y)
        act = self.network.time_embed_act
        embedded: Tensor = emb if act is None else act(emb)
        return embedded

    def _down(
        self, x: Tensor, emb: Tensor, context: Tensor | None, control: Any, options: Options
    ) -> tuple[Tensor, list[Tensor]]:
        """The latent after the middle block, and what the input blocks gave."""
        patches = options.get("patches", {})
        h, skips = x, []
        for number, block in enumerate(self.input_blocks):
            options["block"] = ("input", number)
            h = apply_control(block(h, emb, context, options), control, "input")
            for patch in patches.get("input_block_patch", []):
                h = patch(h, options)
            skips.append(h)
            for patch in patches.get("input_block_patch_after_skip", []):
                h = patch(h, options)
        options["block"] = ("middle", 0)
        h = self.middle_block(h, emb, context, options)
        return apply_control(h, control, "middle"), skips

    def _up(
        self, h: Tensor, skips: list[Tensor], emb: Tensor, context: Tensor | None, control: Any, options: Options
    ) -> Tensor:
        for number, block in enumerate(self.output_blocks):
            options["block"] = ("output", number)
            skip = apply_control(skips.pop(), control, "output")
            for patch in options.get("patches", {}).get("output_block_patch", []):
                h, skip = patch(h, skip, options)
            shape = skips[-1].shape if skips else None
            h = block(torch.cat([h, skip], dim=1), emb, context, options, shape)
        return h


def _input_blocks(module: Any) -> Iterator[TimestepEmbedSequential]:
    yield TimestepEmbedSequential(module.conv_in)
    for down in module.down_blocks:
        for layers in _pairs(down):
            yield TimestepEmbedSequential(*layers)
        for layer in down.downsamplers or ():
            yield TimestepEmbedSequential(layer)


def _output_blocks(module: Any) -> Iterator[TimestepEmbedSequential]:
    for up in module.up_blocks:
        pairs = list(_pairs(up))
        for number, layers in enumerate(pairs, start=1):
            last = list(up.upsamplers or ()) if number == len(pairs) else []
            yield TimestepEmbedSequential(*layers, *last)


def _pairs(block: Any) -> Iterator[list[nn.Module]]:
    """Each residual layer with the attention that follows it, where there is one."""
    attentions = getattr(block, "attentions", None) or [None] * len(block.resnets)
    for residual, attention in zip(block.resnets, attentions, strict=True):
        yield [residual] if attention is None else [residual, attention]


def _between(middle: Any) -> list[nn.Module]:
    layers = [middle.resnets[0]]
    for attention, residual in zip(middle.attentions, middle.resnets[1:], strict=True):
        layers += [residual] if attention is None else [attention, residual]
    return layers
