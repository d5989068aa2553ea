"""Menu `3d`: showing models in three dimensions."""

from __future__ import annotations

from typing import Annotated, Any

from limner.sdk import Options, Result, Socket, Text, node

MODULE = "comfy_extras.nodes_load_3d"
ModelFile = Annotated[str, Text(default="", multiline=False, tooltip="The file's name in the output folder.")]
Camera = Annotated[Any, Socket("LOAD3D_CAMERA"), Options()]


@node(
    type="Preview3D",
    title="Preview 3D",
    category="3d",
    module=MODULE,
    output_node=True,
    lane="io",
    outputs=(),
    experimental=True,
)
def preview_3d(model_file: ModelFile, camera_info: Camera | None = None) -> Result:
    """Show a 3D model."""
    return Result(ui={"result": [model_file, camera_info]})


@node(
    type="Preview3DAnimation",
    title="Preview 3D - Animation",
    category="3d",
    module=MODULE,
    output_node=True,
    lane="io",
    outputs=(),
    experimental=True,
)
def preview_3d_animation(model_file: ModelFile, camera_info: Camera | None = None) -> Result:
    """Show a moving 3D model."""
    return Result(ui={"result": [model_file, camera_info]})
