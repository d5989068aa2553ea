"""Menu `conditioning`: from prompts to conditioning."""

from __future__ import annotations

from typing import Annotated

from limner.sdk import Clip, Conditioning, Int, NodeContext, Options, Text, node

from ..origin import required

Prompt = Annotated[str, Text(multiline=True, dynamicPrompts=True, tooltip="What to draw, or what to avoid.")]


@node(type="CLIPTextEncode", title="CLIP Text Encode (Prompt)", category="conditioning")
def encode(
    text: Prompt, clip: Annotated[Clip, Options(tooltip="The text encoder.")], context: NodeContext
) -> Conditioning:
    """Turn a prompt into the conditioning that guides sampling."""
    conditioning: Conditioning = required(clip, "clip", "CLIP", context).encode(text)
    return conditioning


@node(type="CLIPSetLastLayer", title="CLIP Set Last Layer", category="conditioning")
def set_last_layer(
    clip: Clip, stop_at_clip_layer: Annotated[int, Int(default=-1, min=-24, max=-1, step=1)], context: NodeContext
) -> Clip:
    """Stop the text encoder before its end: -1 is its last layer, -2 the one before."""
    return required(clip, "clip", "CLIP", context).with_layer(stop_at_clip_layer)
