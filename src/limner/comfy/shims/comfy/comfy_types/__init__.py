"""ComfyUI's `comfy.comfy_types`: types for annotations."""

from importlib import import_module
from typing import Any

_typing: Any = import_module("comfy.comfy_types.node_typing")

IO = _typing.IO
InputTypeDict = _typing.InputTypeDict
ComfyNodeABC = _typing.ComfyNodeABC
CheckLazyMixin = _typing.CheckLazyMixin
FileLocator = _typing.FileLocator
UnetWrapperFunction = Any
UnetApplyFunction = Any
UnetApplyConds = dict
UnetParams = dict
