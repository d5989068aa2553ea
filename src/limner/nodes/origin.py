"""Parts of a model that a node needs and did not get: which file lacks them, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from limner.sdk import NodeContext

from .errors import UnusableInput

_FILE_INPUTS = ("ckpt_name", "unet_name", "vae_name", "clip_name", "model_name")
_REMEDIES = {
    "VAE": "Add a 'Load VAE' node and connect its output, or choose a checkpoint that holds a VAE",
    "CLIP": "Add a 'Load CLIP' node and connect its output, or choose a checkpoint that holds a text encoder",
    "MODEL": "Choose a checkpoint that holds a diffusion model",
}
_PARTS = {"VAE": "no VAE", "CLIP": "no text encoder (CLIP)", "MODEL": "no diffusion model"}


def required(value: Any, name: str, kind: str, context: NodeContext) -> Any:
    """The value of input `name`, of socket type `kind`. Raises `UnusableInput` where it is None."""
    if value is not None:
        return value
    source = _file_behind(context, name)
    holder = f"the checkpoint {source!r}" if source else "the loader behind it"
    raise UnusableInput(f"input '{name}' is empty: {holder} holds {_PARTS[kind]}", _REMEDIES[kind])


def _file_behind(context: NodeContext, name: str) -> str | None:
    """The file that the loader upstream of an input was given, as the run's workflow tells."""
    prompt = context.hidden.get("prompt")
    node: object = context.node
    seen: set[str] = set()
    while isinstance(prompt, Mapping) and isinstance(node, str) and node not in seen:
        seen.add(node)
        entry = prompt.get(node)
        inputs = entry.get("inputs") if isinstance(entry, Mapping) else None
        if not isinstance(inputs, Mapping):
            return None
        for key in _FILE_INPUTS:
            if isinstance(inputs.get(key), str):
                return str(inputs[key])
        link = inputs.get(name)
        node = link[0] if isinstance(link, list) and len(link) == 2 else None
    return None
