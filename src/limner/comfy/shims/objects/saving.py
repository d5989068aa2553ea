"""SaveImage, PreviewImage and SaveLatent as packs inherit them: they write where `output_dir` says.

A pack's subclass sets `output_dir`, `type`, `prefix_append` and `compress_level` and calls `save_images`, in a call of
its own node or with the prompt given.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from torch import Tensor, empty

from limner.comfy.shims.bridge import Bridge
from limner.files import save_path, write_new
from limner.media.encode import encode_png, to_bytes

LETTERS = "abcdefghijklmnopqrstupvxyz"


def saving_classes(bridge: Bridge) -> dict[str, type]:
    """The classes, over the folders of a host."""

    class SaveImage:
        RETURN_TYPES: tuple[str, ...] = ()
        FUNCTION = "save_images"
        OUTPUT_NODE = True
        CATEGORY = "image"
        DESCRIPTION = "Save pictures to the output folder."

        def __init__(self) -> None:
            self.output_dir = str(bridge.folders.output)
            self.type = "output"
            self.prefix_append = ""
            self.compress_level = 4

        @classmethod
        def INPUT_TYPES(cls) -> dict[str, Any]:
            return {
                "required": {"images": ("IMAGE",), "filename_prefix": ("STRING", {"default": "ComfyUI"})},
                "hidden": {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"},
            }

        def save_images(
            self,
            images: Tensor,
            filename_prefix: str = "ComfyUI",
            prompt: Any = None,
            extra_pnginfo: Mapping[str, Any] | None = None,
        ) -> dict[str, Any]:
            prefix = filename_prefix + self.prefix_append
            height, width = images[0].shape[:2]
            place = save_path(prefix, Path(self.output_dir), width, height)
            texts = _texts(prompt, extra_pnginfo)
            shown, counter = [], place.counter
            for number, image in enumerate(images):
                data = encode_png(to_bytes(image.float().cpu().numpy()), texts, self.compress_level)
                name = place.name.replace("%batch_num%", str(number))
                while not write_new(place.folder / (file := f"{name}_{counter:05}_.png"), data):
                    counter += 1
                shown.append({"filename": file, "subfolder": place.subfolder, "type": self.type})
                counter += 1
            return {"ui": {"images": shown}}

    class PreviewImage(SaveImage):
        DESCRIPTION = "Show pictures, without keeping them."

        def __init__(self) -> None:
            self.output_dir = str(bridge.folders.temp)
            self.type = "temp"
            self.prefix_append = "_temp_" + "".join(random.choices(LETTERS, k=5))
            self.compress_level = 1

        @classmethod
        def INPUT_TYPES(cls) -> dict[str, Any]:
            return {
                "required": {"images": ("IMAGE",)},
                "hidden": {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"},
            }

    class SaveLatent:
        RETURN_TYPES: tuple[str, ...] = ()
        FUNCTION = "save"
        OUTPUT_NODE = True
        CATEGORY = "_for_testing"
        DESCRIPTION = "Save a latent to the output folder."

        def __init__(self) -> None:
            self.output_dir = str(bridge.folders.output)

        @classmethod
        def INPUT_TYPES(cls) -> dict[str, Any]:
            return {
                "required": {
                    "samples": ("LATENT",),
                    "filename_prefix": ("STRING", {"default": "latents/ComfyUI"}),
                },
                "hidden": {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"},
            }

        def save(
            self,
            samples: Mapping[str, Any],
            filename_prefix: str = "ComfyUI",
            prompt: Any = None,
            extra_pnginfo: Mapping[str, Any] | None = None,
        ) -> dict[str, Any]:
            place = save_path(filename_prefix, Path(self.output_dir))
            file = f"{place.name}_{place.counter:05}_.latent"
            tensors = {"latent_tensor": samples["samples"], "latent_format_version_0": empty(0)}
            texts = _texts(prompt, extra_pnginfo)
            import_module("comfy.utils").save_torch_file(tensors, str(place.folder / file), texts or None)
            return {"ui": {"latents": [{"filename": file, "subfolder": place.subfolder, "type": "output"}]}}

    return {"SaveImage": SaveImage, "PreviewImage": PreviewImage, "SaveLatent": SaveLatent}


def _texts(prompt: Any, extra: Mapping[str, Any] | None) -> dict[str, str]:
    if import_module("comfy.cli_args").args.disable_metadata:
        return {}
    texts = {} if prompt is None else {"prompt": json.dumps(prompt)}
    return texts | {str(key): json.dumps(value) for key, value in (extra or {}).items()}
