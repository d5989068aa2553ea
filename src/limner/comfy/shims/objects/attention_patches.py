"""Functions that packs put into attention, run by diffusers' attention processors while the network is called.

In `transformer_options`: `patches` holds `attn1_patch`, `attn2_patch` (n, context, value, options) -> the same three
before projection, and `attn1_output_patch`, `attn2_output_patch` (n, options) -> n; `patches_replace` holds for `attn1`
and `attn2` what computes attention (q, k, v, options) -> n in a block, by (`input`, number) or with the transformer's
index behind. Blocks have the numbers of the original layout.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

KINDS = ("attn1", "attn2")
PATCHES = frozenset(f"{kind}_{suffix}" for kind in KINDS for suffix in ("patch", "output_patch"))
PLACE = re.compile(
    r"(input|output|middle)_blocks?\.(\d+)\.(?:\d+\.)?transformer_blocks\.(\d+)\.(attn[12])\.to_q\.weight"
)


def wanted(options: Mapping[str, Any]) -> bool:
    """Whether these transformer options change attention."""
    return bool(PATCHES.intersection(options.get("patches", {})) or any(options.get("patches_replace", {}).values()))


@contextmanager
def patched(module: torch.nn.Module, keys: Mapping[str, str], options: Mapping[str, Any], x: Tensor) -> Iterator[None]:
    """The network with these functions in its attention. `keys` maps its names to those of the original layout."""
    before: list[tuple[Any, Any]] = []
    try:
        for name, original in keys.items():
            place = PLACE.fullmatch(original)
            if place is not None:
                layer: Any = module.get_submodule(name.removesuffix(".to_q.weight"))
                before.append((layer, layer.processor))
                block = (place[1], 0 if place[1] == "middle" else int(place[2]))
                layer.processor = _Processor(place[4], block, int(place[3]), options, list(x.shape))
        yield
    finally:
        for layer, processor in before:
            layer.processor = processor


@dataclass
class _Processor:
    """Attention of one layer, with the functions."""

    kind: str
    block: tuple[str, int]
    index: int
    options: Mapping[str, Any]
    shape: list[int]

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
            **self.options,
            "block": self.block,
            "block_index": self.index,
            "n_heads": attn.heads,
            "dim_head": attn.to_q.weight.shape[0] // attn.heads,
            "original_shape": self.shape,
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
        out = _attention(q, k, v, attn.heads) if replace is None else replace(q, k, v, extra)
        out = attn.to_out[1](attn.to_out[0](out))
        for patch in patches.get(f"{self.kind}_output_patch", []):
            out = patch(out, extra)
        result: Tensor = out
        return result


def _attention(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    q, k, v = (part.reshape(*part.shape[:2], heads, -1).transpose(1, 2) for part in (q, k, v))
    return torch.nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


def with_attention(module: torch.nn.Module, keys: Mapping[str, str], options: dict[str, Any]) -> dict[str, Any]:
    """Model options whose function around the network puts those into attention, beside the one that is there."""
    if not wanted(options.get("transformer_options", {})):
        return options
    inner = options.get("model_function_wrapper")

    def around(apply: Any, args: dict[str, Any]) -> Any:
        def run(x: Tensor, t: Tensor, **inputs: Any) -> Any:
            with patched(module, keys, inputs.get("transformer_options", {}), x):
                return apply(x, t, **inputs)

        return run(args["input"], args["timestep"], **args["c"]) if inner is None else inner(run, args)

    return {**options, "model_function_wrapper": around}
