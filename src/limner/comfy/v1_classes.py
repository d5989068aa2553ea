"""Implementations as V1 classes, for packs that call or inherit built-in nodes (`nodes.KSampler().sample(...)`).

The method's name is the field's where packs call it by name, `execute` otherwise; inputs may be given by position, in
the order of the schema. It must be called inside of a call of a node.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from limner.graph import FileChoices, Input, Presence
from limner.plugins.context import CURRENT
from limner.sdk import Blocked, Implementation, Result

from .boundary import from_pack, to_pack

METHODS: Mapping[str, str] = MappingProxyType(
    {
        "CheckpointLoaderSimple": "load_checkpoint",
        "CLIPTextEncode": "encode",
        "CLIPSetLastLayer": "set_last_layer",
        "ConditioningAverage": "addWeighted",
        "ConditioningCombine": "combine",
        "ConditioningConcat": "concat",
        "ConditioningSetArea": "append",
        "ConditioningSetMask": "append",
        "ConditioningSetTimestepRange": "set_range",
        "ConditioningZeroOut": "zero_out",
        "EmptyImage": "generate",
        "EmptyLatentImage": "generate",
        "ImageBatch": "batch",
        "ImageInvert": "invert",
        "ImagePadForOutpaint": "expand_image",
        "ImageScale": "upscale",
        "ImageScaleBy": "upscale",
        "KSampler": "sample",
        "KSamplerAdvanced": "sample",
        "LatentFromBatch": "frombatch",
        "LatentUpscale": "upscale",
        "LatentUpscaleBy": "upscale",
        "LoadImage": "load_image",
        "LoadImageMask": "load_image",
        "LoraLoader": "load_lora",
        "LoraLoaderModelOnly": "load_lora_model_only",
        "PreviewImage": "save_images",
        "RepeatLatentBatch": "repeat",
        "SaveImage": "save_images",
        "SetLatentNoiseMask": "set_mask",
        "VAEDecode": "decode",
        "VAEEncode": "encode",
        "VAEEncodeForInpaint": "encode",
        "VAELoader": "load_vae",
    }
)


def class_of(implementation: Implementation, method: str | None = None) -> type:
    """A class that runs the implementation by a method of this name; the field's, where none is given."""
    schema = implementation.schema
    method = method or METHODS.get(schema.type, "execute")
    names = tuple(item.name for item in schema.inputs if item.presence is not Presence.HIDDEN)

    def run(self: object, *args: object, **kwargs: object) -> Any:
        given: dict[str, object] = {
            item.name: item.options["default"] for item in schema.inputs if "default" in item.options
        }
        given.update(zip(names, args, strict=False))
        given.update(kwargs)
        return _returned(implementation, given)

    def input_types() -> dict[str, dict[str, Any]]:
        sections: dict[str, dict[str, Any]] = {}
        for item in schema.inputs:
            sections.setdefault(item.presence.value, {})[item.name] = _entry(item)
        return sections

    return type(
        schema.type,
        (),
        {
            "INPUT_TYPES": staticmethod(input_types),
            "RETURN_TYPES": tuple(output.type for output in schema.outputs),
            "RETURN_NAMES": tuple(output.name for output in schema.outputs),
            "OUTPUT_IS_LIST": tuple(output.is_list for output in schema.outputs),
            "INPUT_IS_LIST": schema.traits.list_wise,
            "OUTPUT_NODE": schema.traits.output,
            "FUNCTION": method,
            "CATEGORY": schema.category,
            "DESCRIPTION": schema.description,
            "LIMNER": implementation,
            method: run,
        },
    )


def _returned(implementation: Implementation, given: Mapping[str, object]) -> Any:
    """What a V1 method returns. Raises RuntimeError outside of a call."""
    call = CURRENT.get()
    if call is None:
        raise RuntimeError(f"{implementation.schema.type} can be called only while a node runs")
    result = implementation.call({name: from_pack(value) for name, value in given.items()}, call)
    if inspect.isawaitable(result):
        raise RuntimeError(f"{implementation.schema.type} is asynchronous and cannot be called from another node")
    return _as_v1(result)


def _as_v1(result: Result) -> Any:
    shown = to_pack(dict(enumerate(result.values)))
    values = tuple(_blocker(value) if isinstance(value, Blocked) else value for value in shown.values())
    return values if result.ui is None else {"ui": dict(result.ui), "result": values}


def _blocker(value: Blocked) -> object:
    from importlib import import_module

    return import_module("comfy_execution.graph_utils").ExecutionBlocker(value.message)


def _entry(item: Input) -> Any:
    """As INPUT_TYPES has it. Files are listed by the modules of the pack's side."""
    if item.presence is Presence.HIDDEN:
        return item.type
    if isinstance(item.choices, FileChoices):
        from importlib import import_module

        folder_paths = import_module("folder_paths")
        return (folder_paths.choices_of(item.choices), dict(item.options))
    kind: object = item.type if item.choices is None else list(item.choices)
    return (kind, dict(item.options)) if item.options else (kind,)
