"""The socket types of the field, as types for annotations. At run time they import nothing.

Image: float32 [B, H, W, C] in 0..1, C 1, 3 or 4. Mask: float32 [B, H, W] in 0..1, 1 is masked.
Latent: {"samples": [B, C, h, w], "noise_mask"?: [B, 1, H, W], "batch_index"?: [int]}.
Audio: {"waveform": [B, channels, samples], "sample_rate": Hz}. Sigmas: float32 [steps + 1], falling.
Conditioning: list of [Tensor [B, tokens, width], options].
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, TypeVar

from .widgets import Options, Socket

if TYPE_CHECKING:
    from torch import Tensor
else:
    Tensor = object

Image: TypeAlias = Annotated[Tensor, Socket("IMAGE")]
Mask: TypeAlias = Annotated[Tensor, Socket("MASK")]
Sigmas: TypeAlias = Annotated[Tensor, Socket("SIGMAS")]
Latent: TypeAlias = Annotated[dict[str, Any], Socket("LATENT")]
Audio: TypeAlias = Annotated[dict[str, Any], Socket("AUDIO")]
Conditioning: TypeAlias = Annotated[list[Any], Socket("CONDITIONING")]

Model: TypeAlias = Annotated[Any, Socket("MODEL")]
Clip: TypeAlias = Annotated[Any, Socket("CLIP")]
Vae: TypeAlias = Annotated[Any, Socket("VAE")]
ClipVision: TypeAlias = Annotated[Any, Socket("CLIP_VISION")]
ClipVisionOutput: TypeAlias = Annotated[Any, Socket("CLIP_VISION_OUTPUT")]
ControlNet: TypeAlias = Annotated[Any, Socket("CONTROL_NET")]
StyleModel: TypeAlias = Annotated[Any, Socket("STYLE_MODEL")]
UpscaleModel: TypeAlias = Annotated[Any, Socket("UPSCALE_MODEL")]
Sampler: TypeAlias = Annotated[Any, Socket("SAMPLER")]
Guider: TypeAlias = Annotated[Any, Socket("GUIDER")]
Noise: TypeAlias = Annotated[Any, Socket("NOISE")]
Video: TypeAlias = Annotated[Any, Socket("VIDEO")]
Anything: TypeAlias = Annotated[Any, Socket("*")]

T = TypeVar("T")
Lazy: TypeAlias = Annotated[T, Options(lazy=True)]
"""`Lazy[Image]`: made only if the node asks for it (`@node(needs=...)`); None where it was not."""
