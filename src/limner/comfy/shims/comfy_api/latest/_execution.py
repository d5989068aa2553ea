"""What a node reports while it runs: `ComfyAPI` and `ComfyAPISync`."""

from __future__ import annotations

from typing import Any

from limner.comfy.shims.bridge import bridge_of

bridge = bridge_of(__name__)


class _Execution:
    def set_progress(
        self,
        value: float,
        max_value: float,
        node_id: str | None = None,
        preview_image: Any = None,
        ignore_size_limit: bool = False,
    ) -> None:
        """Progress of the call that this is said in; raises there when the run is interrupted."""
        call = bridge.call()
        if call is None:
            return
        if preview_image is not None:
            call.preview(*_encoded(preview_image, None if ignore_size_limit else 512))
        call.progress(value, max_value)


class _AsyncExecution:
    async def set_progress(self, *args: Any, **kwargs: Any) -> None:
        _Execution().set_progress(*args, **kwargs)


class ComfyAPI:
    """For coroutine nodes."""

    def __init__(self) -> None:
        self.execution = _AsyncExecution()


class ComfyAPISync:
    """For ordinary nodes."""

    def __init__(self) -> None:
        self.execution = _Execution()


def _encoded(picture: Any, side: int | None) -> tuple[bytes, str]:
    """A Pillow image, or a tensor [H, W, C] or [1, H, W, C] in 0..1, as JPEG."""
    import numpy

    from limner.media.encode import to_bytes
    from limner.media.preview import encode_preview

    if hasattr(picture, "detach"):
        array = to_bytes(picture.detach().cpu().float().numpy())
        array = array[0] if array.ndim == 4 else array
    else:
        array = numpy.asarray(picture.convert("RGB"))
    return encode_preview(array, side or max(array.shape[:2]))
