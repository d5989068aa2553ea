"""Menu `sampling/custom_sampling/guiders`: a model with what it is to draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from limner.diffusion.guidance import Guide
from limner.sdk import Conditioning, Float, Guider, Model, NodeContext, node

from ...origin import required

MODULE = "comfy_extras.nodes_custom_sampler"
CATEGORY = "sampling/custom_sampling/guiders"


@dataclass(frozen=True)
class CFGGuider(Guide):
    """Classifier-free guidance, under the name that packs know."""


@dataclass(frozen=True)
class Guider_Basic(Guide):
    """One prompt and no guidance, under the name that packs know."""


@node(type="BasicGuider", title="BasicGuider", category=CATEGORY, module=MODULE, lane="cpu")
def basic(model: Model, conditioning: Conditioning, context: NodeContext) -> Guider:
    """A model with one prompt, without guidance."""
    return Guider_Basic(required(model, "model", "MODEL", context), conditioning, [], 1.0)


@node(type="CFGGuider", title="CFGGuider", category=CATEGORY, module=MODULE, lane="cpu")
def cfg_guider(
    model: Model,
    positive: Conditioning,
    negative: Conditioning,
    cfg: Annotated[float, Float(default=8.0, min=0.0, max=100.0, step=0.1, round=0.01)],
    context: NodeContext,
) -> Guider:
    """A model with what to draw, what to avoid, and how strongly."""
    return CFGGuider(required(model, "model", "MODEL", context), positive, negative, cfg)
