"""What node authors import.

    from limner.sdk import Image, Int, node

Start at `node`; `types` holds the socket types, `widgets` the markers for `Annotated`, `testing` runs a node in a test.
"""

from limner.graph import Input, Lane, Output, Presence

from .context import Cancelled, NodeContext
from .function import NodeFunction
from .implementation import Blocked, Implementation, Result
from .node import node, nodes_in
from .progress import Progress
from .tape import BlankTape, Tape
from .types import (
    Anything,
    Audio,
    Clip,
    ClipVision,
    ClipVisionOutput,
    Conditioning,
    ControlNet,
    Guider,
    Image,
    Latent,
    Lazy,
    Mask,
    Model,
    Noise,
    Sampler,
    Sigmas,
    StyleModel,
    UpscaleModel,
    Vae,
    Video,
)
from .widgets import Bool, Choice, Files, Float, Grow, InputFiles, Int, Named, Options, Socket, Text

__all__ = [
    "Anything",
    "Audio",
    "BlankTape",
    "Blocked",
    "Bool",
    "Cancelled",
    "Choice",
    "Clip",
    "ClipVision",
    "ClipVisionOutput",
    "Conditioning",
    "ControlNet",
    "Files",
    "Float",
    "Grow",
    "Guider",
    "Image",
    "Implementation",
    "Input",
    "InputFiles",
    "Int",
    "Lane",
    "Latent",
    "Lazy",
    "Mask",
    "Model",
    "Named",
    "NodeContext",
    "NodeFunction",
    "Noise",
    "Options",
    "Output",
    "Presence",
    "Progress",
    "Result",
    "Sampler",
    "Sigmas",
    "Socket",
    "StyleModel",
    "Tape",
    "Text",
    "UpscaleModel",
    "Vae",
    "Video",
    "node",
    "nodes_in",
]
