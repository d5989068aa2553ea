"""The V3 interface's `ui`: files that a node saved or shows, and texts. Written as the built-in nodes write theirs."""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from limner.files import save_path
from limner.media.audio import OPUS_RATES, Sound, encode_sound
from limner.media.encode import encode_animated_png, encode_png, encode_webp, to_bytes
from limner.nodes.tensors.audio import resample
from limner.nodes.writing import temporary_prefix, write_numbered

from ._io_node import UIOutput as _UIOutput
from ._io_widgets import FolderType


class SavedResult(dict[str, str]):
    """A file below one of the folders."""

    def __init__(self, filename: str, subfolder: str, type: FolderType | str) -> None:
        super().__init__(filename=filename, subfolder=subfolder, type=FolderType(type).value)

    @property
    def filename(self) -> str:
        return self["filename"]

    @property
    def subfolder(self) -> str:
        return self["subfolder"]

    @property
    def type(self) -> FolderType:
        return FolderType(self["type"])


class SavedImages(_UIOutput):
    def __init__(self, results: Sequence[SavedResult], is_animated: bool = False) -> None:
        self.results, self.is_animated = list(results), is_animated

    def as_dict(self) -> dict[str, Any]:
        return {"images": self.results} | ({"animated": (True,)} if self.is_animated else {})


class SavedAudios(_UIOutput):
    def __init__(self, results: Sequence[SavedResult]) -> None:
        self.results = list(results)

    def as_dict(self) -> dict[str, Any]:
        return {"audio": self.results}


def _folder(kind: FolderType) -> Path:
    return Path(importlib.import_module("folder_paths").get_directory_by_type(FolderType(kind).value))


def _texts(cls: Any) -> dict[str, str]:
    """The workflow that the node `cls` runs in, where its schema asked for it."""
    hidden = getattr(cls, "hidden", None)
    if hidden is None or importlib.import_module("comfy.cli_args").args.disable_metadata:
        return {}
    texts = {"prompt": json.dumps(hidden.prompt)} if hidden.prompt else {}
    return texts | {str(key): json.dumps(value) for key, value in (hidden.extra_pnginfo or {}).items()}


def _pixels(images: Any) -> list[Any]:
    return [to_bytes(image.float().cpu().numpy()) for image in images]


class ImageSaveHelper:
    """Pictures to files. `cls` is the node that saves: its workflow goes into the files; None for none."""

    @staticmethod
    def save_images(
        images: Any, filename_prefix: str, folder_type: FolderType, cls: Any, compress_level: int = 4
    ) -> list[SavedResult]:
        """One PNG a picture."""
        height, width = images[0].shape[:2]
        place = save_path(filename_prefix, _folder(folder_type), width, height)
        results = []
        for number, pixels in enumerate(_pixels(images)):
            place, file = write_numbered(place, number, ".png", encode_png(pixels, _texts(cls), compress_level))
            results.append(SavedResult(file, place.subfolder, folder_type))
        return results

    @staticmethod
    def get_save_images_ui(images: Any, filename_prefix: str, cls: Any, compress_level: int = 4) -> SavedImages:
        saved = ImageSaveHelper.save_images(images, filename_prefix, FolderType.output, cls, compress_level)
        return SavedImages(saved)

    @staticmethod
    def save_animated_png(
        images: Any, filename_prefix: str, folder_type: FolderType, cls: Any, fps: float, compress_level: int
    ) -> SavedResult:
        data = encode_animated_png(_pixels(images), fps, _texts(cls), compress_level)
        return _one_file(images, filename_prefix, folder_type, ".png", data)

    @staticmethod
    def get_save_animated_png_ui(
        images: Any, filename_prefix: str, cls: Any, fps: float, compress_level: int
    ) -> SavedImages:
        result = ImageSaveHelper.save_animated_png(images, filename_prefix, FolderType.output, cls, fps, compress_level)
        return SavedImages([result], is_animated=len(images) > 1)

    @staticmethod
    def save_animated_webp(
        images: Any,
        filename_prefix: str,
        folder_type: FolderType,
        cls: Any,
        fps: float,
        lossless: bool,
        quality: int,
        method: int,
    ) -> SavedResult:
        frames = _pixels(images)
        data = encode_webp(frames, fps, _texts(cls), lossless=lossless, quality=quality, method=method)
        return _one_file(images, filename_prefix, folder_type, ".webp", data)

    @staticmethod
    def get_save_animated_webp_ui(
        images: Any, filename_prefix: str, cls: Any, fps: float, lossless: bool, quality: int, method: int
    ) -> SavedImages:
        kind = FolderType.output
        saved = ImageSaveHelper.save_animated_webp(images, filename_prefix, kind, cls, fps, lossless, quality, method)
        return SavedImages([saved], is_animated=len(images) > 1)


def _one_file(images: Any, prefix: str, folder: FolderType, suffix: str, data: bytes) -> SavedResult:
    height, width = images[0].shape[:2]
    place, file = write_numbered(save_path(prefix, _folder(folder), width, height), 0, suffix, data)
    return SavedResult(file, place.subfolder, folder)


class AudioSaveHelper:
    """Sounds to files."""

    @staticmethod
    def save_audio(
        audio: Any,
        filename_prefix: str,
        folder_type: FolderType,
        cls: Any,
        format: str = "flac",
        quality: str = "128k",
    ) -> list[SavedResult]:
        """One file a sound; `format` is flac, mp3 or opus, `quality` such as `128k`, or `V0`."""
        rate, waveform = int(audio["sample_rate"]), audio["waveform"].float().cpu()
        if format == "opus" and rate not in OPUS_RATES:
            wanted = next((known for known in sorted(OPUS_RATES) if known >= rate), max(OPUS_RATES))
            waveform, rate = resample(waveform, rate, wanted), wanted
        bits = int(quality[:-1]) * 1000 if quality.endswith("k") and format != "flac" else None
        place = save_path(filename_prefix, _folder(folder_type))
        results = []
        for number, samples in enumerate(waveform):
            data = encode_sound(Sound(samples.numpy(), rate), format, _texts(cls), bit_rate=bits)  # type: ignore[arg-type]
            place, file = write_numbered(place, number, f".{format}", data)
            results.append(SavedResult(file, place.subfolder, folder_type))
        return results

    @staticmethod
    def get_save_audio_ui(
        audio: Any, filename_prefix: str, cls: Any, format: str = "flac", quality: str = "128k"
    ) -> SavedAudios:
        saved = AudioSaveHelper.save_audio(audio, filename_prefix, FolderType.output, cls, format, quality)
        return SavedAudios(saved)


class PreviewImage(_UIOutput):
    def __init__(self, image: Any, animated: bool = False, cls: Any = None, **kwargs: Any) -> None:
        self.values = ImageSaveHelper.save_images(image, temporary_prefix(), FolderType.temp, cls, 1)
        self.animated = animated

    def as_dict(self) -> dict[str, Any]:
        return {"images": self.values, "animated": (self.animated,)}


class PreviewMask(PreviewImage):
    def __init__(self, mask: Any, animated: bool = False, cls: Any = None, **kwargs: Any) -> None:
        grey = mask.reshape(-1, mask.shape[-2], mask.shape[-1], 1).expand(-1, -1, -1, 3)
        super().__init__(grey, animated, cls, **kwargs)


class PreviewAudio(_UIOutput):
    def __init__(self, audio: Any, cls: Any = None, **kwargs: Any) -> None:
        self.values = AudioSaveHelper.save_audio(audio, temporary_prefix(), FolderType.temp, cls)

    def as_dict(self) -> dict[str, Any]:
        return {"audio": self.values}


class PreviewVideo(_UIOutput):
    def __init__(self, values: Sequence[Any], **kwargs: Any) -> None:
        self.values = list(values)

    def as_dict(self) -> dict[str, Any]:
        return {"images": self.values, "animated": (True,)}


class PreviewUI3D(_UIOutput):
    def __init__(self, model_file: Any, camera_info: Any, **kwargs: Any) -> None:
        self.model_file, self.camera_info = model_file, camera_info

    def as_dict(self) -> dict[str, Any]:
        return {"result": [self.model_file, self.camera_info]}


class PreviewText(_UIOutput):
    def __init__(self, value: str, **kwargs: Any) -> None:
        self.value = value

    def as_dict(self) -> dict[str, Any]:
        return {"text": (self.value,)}
