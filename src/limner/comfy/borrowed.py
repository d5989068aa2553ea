"""Nodes whose code works on ComfyUI's objects: the classes of `shims` as nodes of the library.

What a node says of itself is known without its code, which is imported when it first runs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

from limner.graph import FileChoices

from .shims.interfaces import declarations, interfaces
from .shims.known import modules, node_types
from .v1 import V1Node
from .v1_schema import FileList

LOADERS = "limner.comfy.shims.objects.loader_nodes"
BORROWED = (
    "UNETLoader",
    "CLIPLoader",
    "DualCLIPLoader",
    "CLIPVisionLoader",
    "CLIPVisionEncode",
    "ControlNetLoader",
    "DiffControlNetLoader",
    "ControlNetApply",
    "ControlNetApplyAdvanced",
    "DualCFGGuider",
    "PerpNegGuider",
    "RescaleCFG",
    "DifferentialDiffusion",
    "AlignYourStepsScheduler",
    "ModelSamplingDiscrete",
    "ModelSamplingSD3",
    "ModelSamplingAuraFlow",
    "ModelSamplingFlux",
    "ModelSamplingContinuousEDM",
    "ModelSamplingContinuousV",
    "ModelComputeDtype",
    "FluxGuidance",
    "FluxDisableGuidance",
    "CLIPTextEncodeSDXL",
    "CLIPTextEncodeSDXLRefiner",
    "ModelMergeSimple",
    "ModelMergeSubtract",
    "ModelMergeAdd",
    "ModelMergeBlocks",
    "CLIPMergeSimple",
    "CLIPMergeSubtract",
    "CLIPMergeAdd",
    "CheckpointSave",
    "ModelSave",
    "CLIPSave",
    "VAESave",
    "PairConditioningSetProperties",
    "PairConditioningSetPropertiesAndCombine",
    "ConditioningSetProperties",
    "ConditioningSetPropertiesAndCombine",
    "PairConditioningCombine",
    "PairConditioningSetDefaultCombine",
    "ConditioningSetDefaultCombine",
    "SetClipHooks",
    "ConditioningTimestepsRange",
    "CreateHookLora",
    "CreateHookLoraModelOnly",
    "CreateHookModelAsLora",
    "CreateHookModelAsLoraModelOnly",
    "SetHookKeyframes",
    "CreateHookKeyframe",
    "CreateHookKeyframesInterpolated",
    "CreateHookKeyframesFromFloats",
    "CombineHooks2",
    "CombineHooks4",
    "CombineHooks8",
    "UpscaleModelLoader",
    "ImageUpscaleWithModel",
)


def borrowed() -> Sequence[V1Node]:
    """A node for each. They run only where ComfyUI's module names are importable."""
    return [_node(node_type) for node_type in BORROWED]


def _node(node_type: str) -> V1Node:
    said, place = interfaces()[node_type], node_types()[node_type]
    module = place.rpartition(".")[0]
    node = V1Node(node_type, _class(node_type), display_name=said.get("display_name", ""), module=module)
    if said.get("v3"):
        node.schema = replace(node.schema, v3=True, display_name=said.get("display_name", ""))
    return node


def _files(choices: FileChoices) -> FileList:
    """The folder, with its files where ComfyUI's names are importable."""
    listing = getattr(sys.modules.get("folder_paths"), "choices_of", None)
    return FileList([], choices) if listing is None else listing(choices)


def _class(node_type: str) -> type:
    """A class that says what the real one says, and calls it."""
    module, _, name = node_types()[node_type].rpartition(".")
    method = modules()[module].nodes[name].method

    def real() -> Any:
        return getattr(import_module(LOADERS if module == "nodes" else module), name)

    def run(self: object, *args: Any, **kwargs: Any) -> Any:
        return getattr(real()(), real().FUNCTION)(*args, **kwargs)

    def execute(cls: type, /, *args: Any, **kwargs: Any) -> Any:
        return real().execute(*args, **kwargs)

    members = declarations(node_type, _files) | {"FUNCTION": method}
    members["execute"] = classmethod(execute)
    if method != "execute":
        members[method] = run
    return type(name, (), members)
