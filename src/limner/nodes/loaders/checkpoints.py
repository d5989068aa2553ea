"""Menu `loaders`: checkpoints and VAEs."""

from __future__ import annotations

from typing import Annotated

from limner.diffusion.runtime import Runtime
from limner.files import Folders
from limner.sdk import Clip, Files, Model, Named, NodeContext, Vae, node

from ..located import model_token
from ..tensors.pixel_space import PixelSpace

PIXEL_SPACE = "pixel_space"


def _checkpoint_token(ckpt_name: str, context: NodeContext) -> str:
    return model_token("checkpoints", ckpt_name, context)


def _vae_token(vae_name: str, context: NodeContext) -> str:
    return "" if vae_name == PIXEL_SPACE else model_token("vae", vae_name, context)


@node(type="CheckpointLoaderSimple", title="Load Checkpoint", category="loaders", change_token=_checkpoint_token)
def load_checkpoint(
    ckpt_name: Annotated[str, Files("checkpoints", tooltip="The checkpoint to load.")], context: NodeContext
) -> tuple[
    Annotated[Model, Named("MODEL", "The network that takes noise away from latents.")],
    Annotated[Clip, Named("CLIP", "The text encoder.")],
    Annotated[Vae, Named("VAE", "Turns pictures into latents and back.")],
]:
    """Load a diffusion model with its text encoder and its VAE; a part that the file lacks comes out empty."""
    checkpoint = context.service(Runtime).load_checkpoint(context.service(Folders).resolve("checkpoints", ckpt_name))
    return checkpoint.model, checkpoint.text, checkpoint.vae


@node(type="VAELoader", title="Load VAE", category="loaders", change_token=_vae_token)
def load_vae(vae_name: Annotated[str, Files("vae", after=(PIXEL_SPACE,))], context: NodeContext) -> Vae:
    """Load a VAE; `pixel_space` stands for latents that are the pictures themselves."""
    if vae_name == PIXEL_SPACE:
        return PixelSpace()
    return context.service(Runtime).load_vae(context.service(Folders).resolve("vae", vae_name))
