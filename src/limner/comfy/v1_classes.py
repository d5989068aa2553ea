"""Implementations as ComfyUI's classes, for packs that call or inherit built-in nodes (`nodes.KSampler().sample(...)`).

Rules:

- The method's name is the field's where packs call it by name, `execute` otherwise; inputs may be given by position, in
  the order of the schema. What it returns is a tuple, or a dict with `ui`.
- `execute` is there besides, on the class itself, and gives a NodeOutput: ComfyUI's newer nodes are called so, those of
  this release that are V3 by either name.
- Called outside of a call of a node (in a thread of a pack, in its HTTP route), it is a call of no run.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import Any

from limner.graph import FileChoices, Input, NodeSchema, Presence
from limner.plugins.context import CURRENT, CallContext, RunState
from limner.plugins.services import Services
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


def class_of(implementation: Implementation, method: str | None = None, services: Services | None = None) -> type:
    """A class that runs the implementation by a method of this name; the field's, where none is given.

    `services` are what calls outside of any run use; without them such a call raises RuntimeError.
    """
    schema = implementation.schema
    method = method or METHODS.get(schema.type, "execute")
    caller = _Caller(implementation, services)

    def run(self: object, *args: object, **kwargs: object) -> Any:
        return (caller.output if schema.v3 else caller.returned)(*args, **kwargs)

    def execute(cls: type, /, *args: object, **kwargs: object) -> Any:
        return caller.output(*args, **kwargs)

    members = _declared(schema, method) | {"LIMNER": implementation, "execute": classmethod(execute)}
    if method != "execute":
        members[method] = run
    if schema.traits.has_change_token:
        members["IS_CHANGED"] = staticmethod(caller.token)
    if schema.traits.has_validation:
        members["VALIDATE_INPUTS"] = staticmethod(caller.validity)
    return type(schema.type, (), members)


def _declared(schema: NodeSchema, method: str) -> dict[str, Any]:
    """What a class says of itself."""

    def input_types() -> dict[str, dict[str, Any]]:
        sections: dict[str, dict[str, Any]] = {Presence.REQUIRED.value: {}}
        for item in schema.inputs:
            sections.setdefault(item.presence.value, {})[item.name] = _entry(item)
        return sections

    declared: dict[str, Any] = {
        "INPUT_TYPES": staticmethod(input_types),
        "RETURN_TYPES": tuple(output.type for output in schema.outputs),
        "RETURN_NAMES": tuple(output.name for output in schema.outputs),
        "OUTPUT_IS_LIST": tuple(output.is_list for output in schema.outputs),
        "INPUT_IS_LIST": schema.traits.list_wise,
        "OUTPUT_NODE": schema.traits.output,
        "FUNCTION": method,
        "CATEGORY": schema.category,
        "DESCRIPTION": schema.description,
    }
    if any(output.tooltip for output in schema.outputs):
        declared["OUTPUT_TOOLTIPS"] = tuple(output.tooltip for output in schema.outputs)
    marks = {name: getattr(schema.traits, name.lower()) for name in ("EXPERIMENTAL", "DEPRECATED", "API_NODE")}
    return declared | {name: True for name, said in marks.items() if said}


@dataclass(frozen=True, slots=True)
class _Caller:
    """Calls an implementation for a pack: values cross the boundary both ways."""

    implementation: Implementation
    services: Services | None

    def returned(self, *args: object, **kwargs: object) -> Any:
        """As a V1 method returns."""
        return _as_v1(self._result(args, kwargs))

    def output(self, *args: object, **kwargs: object) -> Any:
        """As a V3 method returns."""
        given = self.returned(*args, **kwargs)
        values, ui = (given["result"], given["ui"]) if isinstance(given, dict) else (given, None)
        return import_module("comfy_api.latest").io.NodeOutput(*values, ui=ui)

    def token(self, *args: object, **kwargs: object) -> object:
        """What IS_CHANGED returns."""
        return self.implementation.change_token(self._given(args, kwargs), self._context())

    def validity(self, *args: object, **kwargs: object) -> object:
        """What VALIDATE_INPUTS returns: True, or what is wrong."""
        complaint = self.implementation.complaint(self._given(args, kwargs), {}, self._context())
        return True if complaint is None else complaint

    def _given(self, args: Sequence[object], kwargs: Mapping[str, object]) -> dict[str, object]:
        inputs = [item for item in self.implementation.schema.inputs if item.presence is not Presence.HIDDEN]
        given: dict[str, object] = {item.name: item.options["default"] for item in inputs if "default" in item.options}
        given.update(zip((item.name for item in inputs), args, strict=False))
        given.update(kwargs)
        return {name: from_pack(value) for name, value in given.items()}

    def _context(self) -> CallContext:
        """The call that this stands in, or one of no run. Raises RuntimeError where there can be none."""
        call, node_type = CURRENT.get(), self.implementation.schema.type
        if call is not None:
            return call
        if self.services is None:
            raise RuntimeError(f"{node_type} can be called only while a node runs")
        return CallContext("", node_type, RunState(""), self.services, _unheard)

    def _result(self, args: Sequence[object], kwargs: Mapping[str, object]) -> Result:
        result = self.implementation.call(self._given(args, kwargs), self._context())
        if inspect.isawaitable(result):
            raise RuntimeError(
                f"{self.implementation.schema.type} is asynchronous and cannot be called from another node"
            )
        return result


def _unheard(report: object) -> None:
    """Nobody listens to a call of no run."""


def _as_v1(result: Result) -> Any:
    shown = to_pack(dict(enumerate(result.values)))
    values = tuple(_blocker(value) if isinstance(value, Blocked) else value for value in shown.values())
    return values if result.ui is None else {"ui": dict(result.ui), "result": values}


def _blocker(value: Blocked) -> object:
    return import_module("comfy_execution.graph_utils").ExecutionBlocker(value.message)


def _entry(item: Input) -> Any:
    """As INPUT_TYPES has it. Files are listed by the modules of the pack's side."""
    if item.presence is Presence.HIDDEN:
        return item.type
    if isinstance(item.choices, FileChoices):
        return (import_module("folder_paths").choices_of(item.choices), dict(item.options))
    kind: object = item.type if item.choices is None else list(item.choices)
    return (kind, dict(item.options)) if item.options else (kind,)
