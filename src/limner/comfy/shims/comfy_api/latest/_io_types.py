"""Socket types of the V3 interface without widgets, by name, and what their values are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NotRequired, TypedDict

import torch

from ._io_base import ComfyTypeIO, comfytype, named

Tensor = torch.Tensor


@comfytype("LATENT")
class Latent(ComfyTypeIO):
    class LatentDict(TypedDict):
        samples: Tensor
        noise_mask: NotRequired[Tensor]
        batch_index: NotRequired[list[int]]
        type: NotRequired[str]

    Type = LatentDict


@comfytype("CONDITIONING")
class Conditioning(ComfyTypeIO):
    PooledDict = dict[str, Any]
    CondList = list[tuple[Tensor, dict[str, Any]]]
    Type = CondList


@comfytype("AUDIO")
class Audio(ComfyTypeIO):
    class AudioDict(TypedDict):
        """`waveform` is [batch, channels, samples]."""

        waveform: Tensor
        sample_rate: int

    Type = AudioDict


@comfytype("LOSS_MAP")
class LossMap(ComfyTypeIO):
    class LossMapDict(TypedDict):
        loss: list[Tensor]

    Type = LossMapDict


@comfytype("ACCUMULATION")
class Accumulation(ComfyTypeIO):
    class AccumulationDict(TypedDict):
        accum: list[Any]

    Type = AccumulationDict


@comfytype("LOAD3D_CAMERA")
class Load3DCamera(ComfyTypeIO):
    class CameraInfo(TypedDict):
        position: dict[str, float | int]
        target: dict[str, float | int]
        zoom: int
        cameraType: str

    Type = CameraInfo


class _Model3DDict(TypedDict):
    image: str
    mask: str
    normal: str
    camera_info: Any
    recording: NotRequired[str]


Load3D = named("LOAD_3D", "Load3D", Type=_Model3DDict, Model3DDict=_Model3DDict)
Load3DAnimation = named("LOAD_3D_ANIMATION", "Load3DAnimation", Type=_Model3DDict, Model3DDict=_Model3DDict)
Image = named("IMAGE", "Image", Type=Tensor)
Mask = named("MASK", "Mask", Type=Tensor)
WanCameraEmbedding = named("WAN_CAMERA_EMBEDDING", "WanCameraEmbedding", Type=Tensor)
Sigmas = named("SIGMAS", "Sigmas", Type=Tensor)
Noise = named("NOISE", "Noise", Type=Tensor)
LoraModel = named("LORA_MODEL", "LoraModel", Type=dict[str, Tensor])
TimestepsRange = named("TIMESTEPS_RANGE", "TimestepsRange", Type=tuple[int, int])
LatentOperation = named("LATENT_OPERATION", "LatentOperation", Type=Callable[[Tensor], Tensor])
FlowControl = named("FLOW_CONTROL", "FlowControl", Type=tuple[str, Any])
Sampler = named("SAMPLER", "Sampler")
Guider = named("GUIDER", "Guider")
Clip = named("CLIP", "Clip")
ControlNet = named("CONTROL_NET", "ControlNet")
Vae = named("VAE", "Vae")
Model = named("MODEL", "Model")
ModelPatch = named("MODEL_PATCH", "ModelPatch")
MODEL_PATCH = ModelPatch
ClipVision = named("CLIP_VISION", "ClipVision")
ClipVisionOutput = named("CLIP_VISION_OUTPUT", "ClipVisionOutput")
AudioEncoder = named("AUDIO_ENCODER", "AudioEncoder")
AudioEncoderOutput = named("AUDIO_ENCODER_OUTPUT", "AudioEncoderOutput")
StyleModel = named("STYLE_MODEL", "StyleModel")
Gligen = named("GLIGEN", "Gligen")
UpscaleModel = named("UPSCALE_MODEL", "UpscaleModel")
LatentUpscaleModel = named("LATENT_UPSCALE_MODEL", "LatentUpscaleModel")
Video = named("VIDEO", "Video")
SVG = named("SVG", "SVG")
Voxel = named("VOXEL", "Voxel")
Mesh = named("MESH", "Mesh")
Hooks = named("HOOKS", "Hooks")
HookKeyframes = named("HOOK_KEYFRAMES", "HookKeyframes")
Photomaker = named("PHOTOMAKER", "Photomaker")
Point = named("POINT", "Point")
FaceAnalysis = named("FACE_ANALYSIS", "FaceAnalysis")
BBOX = named("BBOX", "BBOX")
SEGS = named("SEGS", "SEGS")
Tracks = named("TRACKS", "Tracks")
AnyType = named("*", "AnyType")
