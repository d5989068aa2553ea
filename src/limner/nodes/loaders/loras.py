"""Menu `loaders`: LoRAs, small changes to a model."""

from __future__ import annotations

from typing import Annotated

from limner.diffusion.adapters import Patched, apply_lora, read_lora
from limner.diffusion.text import TextEncoder
from limner.files import Folders
from limner.sdk import Clip, Files, Float, Model, Named, NodeContext, Options, node

from ..located import model_token
from ..origin import required


def _lora_token(lora_name: str, context: NodeContext) -> str:
    return model_token("loras", lora_name, context)


@node(type="LoraLoader", title="Load LoRA", category="loaders", change_token=_lora_token)
def load_lora(
    model: Annotated[Model, Options(tooltip="The diffusion model to change.")],
    clip: Annotated[Clip, Options(tooltip="The text encoder to change.")],
    lora_name: Annotated[str, Files("loras", tooltip="The LoRA to apply.")],
    strength_model: Annotated[
        float,
        Float(default=1.0, min=-100.0, max=100.0, step=0.01, tooltip="How strongly the model is changed; may be < 0."),
    ],
    strength_clip: Annotated[
        float,
        Float(default=1.0, min=-100.0, max=100.0, step=0.01, tooltip="How strongly the text encoder is changed."),
    ],
    context: NodeContext,
) -> tuple[
    Annotated[Model, Named("MODEL", "The changed model.")], Annotated[Clip, Named("CLIP", "The changed text encoder.")]
]:
    """Change a model and its text encoder by a LoRA; several can be chained."""
    if strength_model == 0 and strength_clip == 0:
        return model, clip
    patched = _applied(model, clip, lora_name, (strength_model, strength_clip), context)
    return patched.model, patched.text


@node(type="LoraLoaderModelOnly", title="LoraLoaderModelOnly", category="loaders", change_token=_lora_token)
def load_lora_model_only(
    model: Model,
    lora_name: Annotated[str, Files("loras")],
    strength_model: Annotated[float, Float(default=1.0, min=-100.0, max=100.0, step=0.01)],
    context: NodeContext,
) -> Model:
    """Change a model by a LoRA, and leave its text encoder."""
    if strength_model == 0:
        return model
    return _applied(model, None, lora_name, (strength_model, 0.0), context).model


def _applied(
    model: Model, text: TextEncoder | None, name: str, strengths: tuple[float, float], context: NodeContext
) -> Patched:
    path = context.service(Folders).resolve("loras", name)
    return apply_lora(read_lora(path), required(model, "model", "MODEL", context), text, *strengths)
