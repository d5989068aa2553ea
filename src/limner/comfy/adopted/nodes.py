"""ComfyUI's own node classes as implementations, of both of its interfaces, by its own modules."""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from limner.graph import FileChoices, Input, Lane, NodeSchema
from limner.plugins.context import INDEX, CallContext
from limner.plugins.library import LoadProblem
from limner.sdk import NodeContext, Result

from ..object_info import read_schema
from ..v1 import V1Node, names_asked, names_asked_later
from ..v1_hidden import hidden_value
from ..v1_results import result_of
from ..v1_schema import FileList, named_parameters
from .modules import Comfy
from .surroundings import Around

UPLOADS = {"image_upload": ("image",), "video_upload": ("video",), "audio_upload": ("audio", "video")}
"""Options of an input whose choices are the files of the input folder, and the kinds of file."""


def list_folders(folders: Any, known: frozenset[str]) -> None:
    """From now on lists of model files know their folder, so that they are listed anew whenever they are asked for."""
    listed = folders.get_filename_list

    def get_filename_list(kind: str) -> Any:
        names = listed(kind)
        return FileList(names, FileChoices(kind)) if kind in known else names

    folders.get_filename_list = get_filename_list


def implementations(comfy: Comfy) -> tuple[list[V1Node], list[LoadProblem]]:
    """Every node class that it has loaded, and what is wrong with those that cannot be described."""
    around = Around(comfy.server)
    titles = comfy.nodes.NODE_DISPLAY_NAME_MAPPINGS
    found: list[V1Node] = []
    problems: list[LoadProblem] = []
    for node_type, cls in comfy.nodes.NODE_CLASS_MAPPINGS.items():
        module = getattr(cls, "RELATIVE_PYTHON_MODULE", "nodes")
        title = str(titles.get(node_type, node_type))
        try:
            make = _V3 if hasattr(cls, "GET_NODE_INFO_V1") else _V1
            found.append(make(node_type, cls, around, title, module))
        except Exception as error:
            source = module.removeprefix("custom_nodes.")
            problems.append(LoadProblem(source, f"node {node_type}: {type(error).__name__}: {error}"))
    return found, problems


class _V1(V1Node):
    def __init__(self, node_type: str, cls: type, around: Around, title: str, module: str) -> None:
        super().__init__(node_type, cls, display_name=title, module=module)
        self.schema = _fresh(self.schema)
        self._around = around

    def call(self, inputs: Mapping[str, object], context: NodeContext) -> Result | Awaitable[Result]:
        assert isinstance(context, CallContext)
        with self._around(context, INDEX.get()):
            given = super().call(inputs, context)
        return self._within(given, context) if inspect.isawaitable(given) else given

    async def _within(self, given: Awaitable[Result], context: CallContext) -> Result:
        with self._around(context, INDEX.get()):
            return await given


class _V3(_V1):
    """Its own `GET_NODE_INFO_V1` says what it is; each call has a class of its own, with its hidden inputs."""

    def __init__(self, node_type: str, cls: Any, around: Around, title: str, module: str) -> None:
        super().__init__(node_type, cls, around, title, module)
        io = importlib.import_module("comfy_api.latest").io
        internal = importlib.import_module("comfy_api.internal")
        self._kinds = {str(item.value): item for item in io.Hidden}
        self._wanted = [self._kinds[kind] for _, kind in self._hidden if kind in self._kinds]

        def said(name: str) -> bool:
            return internal.first_real_override(cls, name) is not None

        self._check = self.asks_each_time = said("check_lazy_status")
        self.schema = _fresh(_v3_schema(cls, self.schema, said("fingerprint_inputs"), said("validate_inputs")))
        self.takes_undeclared_links = self.schema.traits.takes_any_inputs

    def call(self, inputs: Mapping[str, object], context: NodeContext) -> Result | Awaitable[Result]:
        assert isinstance(context, CallContext)
        with self._around(context, INDEX.get()):
            given = getattr(self._clone(context), self._function)(**self._nested(inputs))
        if inspect.isawaitable(given):
            return self._finished(given, context)
        return result_of(_as_v1(given), self.schema, context)

    async def _finished(self, given: Awaitable[object], context: CallContext) -> Result:
        with self._around(context, INDEX.get()):
            return result_of(_as_v1(await given), self.schema, context)

    def needs(
        self, inputs: Mapping[str, object], missing: Sequence[str], context: NodeContext
    ) -> Sequence[str] | Awaitable[Sequence[str]]:
        if not self._check:
            return ()
        asked = self._clone(context).check_lazy_status(**self._nested(inputs))
        return names_asked_later(asked) if inspect.isawaitable(asked) else names_asked(asked)

    def _with_hidden(self, inputs: Mapping[str, object], context: NodeContext) -> dict[str, object]:
        """Hidden inputs stand in the class."""
        return dict(inputs)

    def _validate(self, context: NodeContext) -> Any:
        return self._clone(context).validate_inputs if self.schema.traits.has_validation else None

    def _fingerprint(self, context: NodeContext) -> Any:
        return self._clone(context).fingerprint_inputs

    def _clone(self, context: NodeContext) -> Any:
        hidden = {item: hidden_value(str(item.value), context)[1] for item in self._wanted}
        return self.cls.PREPARE_CLASS_CLONE(hidden)

    def _nested(self, inputs: Mapping[str, object]) -> dict[str, object]:
        """Inputs that stand for others (`group.name`), where this version of ComfyUI has them."""
        given = dict(inputs)
        if not any("." in name for name in given):
            return given
        gathered: dict[str, Any] = {}
        for name, value in given.items():
            *outer, last = name.split(".")
            place = gathered
            for part in outer:
                found = place.get(part)
                if not isinstance(found, dict):
                    found = place[part] = {} if found is None else {part: found}
                place = found
            place[last] = value
        return gathered


def _v3_schema(cls: Any, read: NodeSchema, token: bool, validates: bool) -> NodeSchema:
    info = json.loads(json.dumps(cls.GET_NODE_INFO_V1(), default=str))
    named, everything = named_parameters(cls.validate_inputs if validates else None)
    dynamic = any(item.type.endswith("_V3") for item in read.inputs)
    traits = replace(
        read.traits,
        lane=Lane.ASYNC if inspect.iscoroutinefunction(cls.execute) else Lane.DEVICE,
        has_change_token=token,
        has_validation=validates,
        validated_inputs=("*",) if everything else tuple(name for name in named if name != "input_types"),
        validates_types="input_types" in named,
        takes_any_inputs=read.traits.takes_any_inputs or dynamic,
    )
    described = read_schema(info)
    # The lists of files are in the reading of the class; what the editor is shown is the class's own description.
    inputs = {item.name: item for item in read.inputs}
    return replace(
        described,
        inputs=tuple(_with_choices(item, inputs.get(item.name)) for item in described.inputs),
        traits=traits,
        version=read.version,
        module=read.module,
    )


def _with_choices(item: Input, read: Input | None) -> Input:
    if read is not None and isinstance(read.choices, FileChoices):
        return replace(item, choices=read.choices)
    return item


def _fresh(schema: NodeSchema) -> NodeSchema:
    """Choices that are the files of the input folder are listed anew each time."""
    return replace(schema, inputs=tuple(_listed(item) for item in schema.inputs))


def _listed(item: Input) -> Input:
    kinds = [kind for option, kinds in UPLOADS.items() if item.options.get(option) is True for kind in kinds]
    folder = item.options.get("image_folder", "input")
    if not kinds or not isinstance(item.choices, tuple) or folder not in ("input", "output", "temp"):
        return item
    return replace(item, choices=FileChoices(str(folder), tuple(kinds), annotated=True))


def _as_v1(output: Any) -> object:
    """A NodeOutput as a V1 method would return it."""
    if not hasattr(output, "block_execution"):
        return output
    ui = output.ui.as_dict() if hasattr(output.ui, "as_dict") else output.ui
    result: object = output.result
    if output.block_execution is not None:
        result = importlib.import_module("comfy_execution.graph_utils").ExecutionBlocker(output.block_execution)
    return {"ui": ui, "result": result, "expand": output.expand}
