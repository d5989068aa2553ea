"""Videos as packs make them."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Any

from limner.nodes.image import video_values

VideoFromComponents = video_values.VideoFromComponents


def VideoFromFile(file: str | Path | io.BytesIO) -> Any:
    """A video of a path, or of bytes, which are put into a file of their own."""
    if isinstance(file, io.BytesIO):
        with tempfile.NamedTemporaryFile(suffix=".mp4", delete=False) as place:
            place.write(file.getbuffer())
        return video_values.VideoFromFile(Path(place.name))
    return video_values.VideoFromFile(Path(file))
