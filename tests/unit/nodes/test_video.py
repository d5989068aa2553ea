from __future__ import annotations

from typing import Any

import pytest
import torch

from limner.files import Folders
from limner.nodes.library import built_in
from limner.sdk.testing import RecordingContext, run_node

NODES = {implementation.schema.type: implementation for implementation in built_in()}


def result(node: str, context: RecordingContext | None = None, **inputs: Any) -> Any:
    values = run_node(NODES[node], context, **inputs).values
    return values[0] if len(values) == 1 else values


def test_there_and_back(folders: Folders, context: RecordingContext) -> None:
    images = torch.linspace(0, 1, 5).view(5, 1, 1, 1).expand(5, 32, 48, 3)
    audio = {"waveform": torch.zeros(1, 1, 44100), "sample_rate": 44100}
    video = result("CreateVideo", images=images, fps=10.0, audio=audio)

    ui = run_node(NODES["SaveVideo"], context, video=video).ui
    assert ui == {
        "images": [{"filename": "ComfyUI_00001_.mp4", "subfolder": "video", "type": "output"}],
        "animated": [True],
    }
    name = "video/ComfyUI_00001_.mp4 [output]"
    loaded = result("LoadVideo", context, file=name)
    frames, sound, fps = result("GetVideoComponents", video=loaded)

    assert frames.shape == (5, 32, 48, 3)
    assert torch.allclose(frames.mean((1, 2, 3)), torch.linspace(0, 1, 5), atol=0.04)
    assert sound["sample_rate"] == 44100
    assert fps == 10.0
    assert loaded.get_dimensions() == video.get_dimensions() == (48, 32)
    assert loaded.get_duration() == pytest.approx(video.get_duration(), abs=0.1)
    run_node(NODES["SaveVideo"], context, video=loaded)
    assert (folders.output / "video" / "ComfyUI_00002_.mp4").is_file()


def test_loading_says_what_is_missing(context: RecordingContext) -> None:
    assert "gone.mp4" in str(NODES["LoadVideo"].complaint({"file": "gone.mp4"}, {}, context))
    assert NODES["LoadVideo"].change_token({"file": "gone.mp4"}, context) == ""


def test_webm(folders: Folders, context: RecordingContext) -> None:
    ui = run_node(NODES["SaveWEBM"], context, images=torch.rand(3, 32, 32, 3), codec="vp9").ui

    assert ui is not None
    assert ui["animated"] == [True]
    assert (folders.output / "ComfyUI_00001_.webm").is_file()
