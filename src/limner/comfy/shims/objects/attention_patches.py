"""Functions that packs put into attention, run by diffusers' attention processors.

ComfyUI's attention layers are counted by the blocks of the original network (`input`, `middle`, `output`), and so are
the functions here. Each is told what its layer is in a dict: `block`, `block_index`, `n_heads`, `dim_head`,
`cond_or_uncond`, `sigmas`, `original_shape`, `activations_shape`, and whatever else stands in `transformer_options`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

PATCHES = frozenset({"attn1_patch", "attn1_output_patch", "attn2_patch", "attn2_output_patch", "middle_patch"})
OVERRIDE = "optimized_attention_override"
PLACE = re.compile(
    r"(input|output|middle)_blocks?\.(\d+)\.(?:\d+\.)?transformer_blocks\.(\d+)\.(attn[12])\.to_q\.weight"
)


def wanted(options: Mapping[str, Any]) -> bool:
    """Whether these transformer options change attention."""
    return bool(
        PATCHES.intersection(options.get("patches", {}))
        or any(options.get("patches_replace", {}).values())
        or options.get(OVERRIDE) is not None
    )


@contextmanager
def patched(module: torch.nn.Module, keys: Mapping[str, str], options: Mapping[str, Any], x: Tensor) -> Iterator[None]:
    """The network with these functions in its attention. `keys` maps its names to those of the original layout."""
    if not wanted(options):
        yield
        return
    before: list[tuple[Any, Any]] = []
    watching: list[Any] = []
    try:
        for name, original in keys.items():
            place = PLACE.fullmatch(original)
            if place is None:
                continue
            layer: Any = module.get_submodule(name.removesuffix(".to_q.weight"))
            before.append((layer, layer.processor))
            block = (place[1], 0 if place[1] == "middle" else int(place[2]))
            layer.processor = made = _Processor(place[4], block, int(place[3]), options, list(x.shape))
            if place[4] == "attn1" and options.get("patches", {}).get("middle_patch"):
                whole = module.get_submodule(name.removesuffix(".attn1.to_q.weight"))
                watching.append(whole.register_forward_pre_hook(made.remember))
        yield
    finally:
        for layer, processor in before:
            layer.processor = processor
        for handle in watching:
            handle.remove()


@dataclass
class _Processor:
    """Attention of one layer, with the functions."""

    kind: str
    block: tuple[str, int]
    index: int
    options: Mapping[str, Any]
    shape: list[int]
    _entered: list[Tensor] = field(default_factory=list)

    def remember(self, _block: Any, given: tuple[Any, ...]) -> None:
        """What the transformer block around this layer was given: its attention is added to it."""
        self._entered = [given[0]]

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
        **kwargs: Any,
    ) -> Tensor:
        extra = {
            "original_shape": self.shape,
            **{name: value for name, value in self.options.items() if name not in ("patches", "patches_replace")},
            "block": self.block,
            "block_index": self.index,
            "n_heads": attn.heads,
            "dim_head": attn.to_q.weight.shape[0] // attn.heads,
            "attn_precision": None,
        }
        n = hidden_states
        context = n if encoder_hidden_states is None else encoder_hidden_states
        value = context
        patches = self.options.get("patches", {})
        for patch in patches.get(f"{self.kind}_patch", []):
            n, context, value = patch(n, context, value, extra)
            value = context if value is None else value
        q, k, v = attn.to_q(n), attn.to_k(context), attn.to_v(value)
        replaced = self.options.get("patches_replace", {}).get(self.kind, {})
        replace = replaced.get((*self.block, self.index), replaced.get(self.block))
        out = self._attention(q, k, v, attn.heads, extra) if replace is None else replace(q, k, v, extra)
        out = attn.to_out[1](attn.to_out[0](out))
        for patch in patches.get(f"{self.kind}_output_patch", []):
            out = patch(out, extra)
        result: Tensor = self._after(out, patches.get("middle_patch", []), extra)
        return result

    def _attention(self, q: Tensor, k: Tensor, v: Tensor, heads: int, extra: Mapping[str, Any]) -> Tensor:
        override = self.options.get(OVERRIDE)
        if override is None:
            return _attention(q, k, v, heads)
        own: Callable[..., Tensor] = import_module("comfy.ldm.modules.attention").attention_pytorch
        attended: Tensor = override(own, q, k, v, heads, attn_precision=None, transformer_options=extra)
        return attended

    def _after(self, out: Tensor, functions: list[Any], extra: Mapping[str, Any]) -> Tensor:
        """What the block adds to what it was given, so that the sum is what these functions make of it."""
        if not functions or self.kind != "attn1" or not self._entered:
            return out
        entered = self._entered.pop()
        x = out + entered
        for function in functions:
            x = function(x, extra)
        return x - entered


def _attention(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    q, k, v = (part.reshape(*part.shape[:2], heads, -1).transpose(1, 2) for part in (q, k, v))
    return torch.nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
