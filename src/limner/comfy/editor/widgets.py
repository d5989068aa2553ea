"""A node's widgets: which its schema gives it, in which order the editor saves them, and what they hold.

Rules, as the editor's:

- An input of a widget type has a widget, unless it is `forceInput`; widgets stand in the schema's order.
- An integer that is named `seed` or `noise_seed`, or says `control_after_generate`, is followed by a control widget;
  so is a combo that says so, with a filter behind it. Upload buttons come last. All of these are saved with the
  workflow, and none is part of a prompt.
- Files from before `forceInput` lost its widget hold a value for it, which is left out.
- A dynamic combo is followed by the widgets of the option that it is set to, named `combo.widget`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from limner.comfy.object_info import ListFiles, read_inputs
from limner.graph import FileChoices, Input, NodeSchema, Presence
from limner.graph.sockets import COMBO

from .document import Node

DYNAMIC_COMBO = "COMFY_DYNAMICCOMBO_V3"
VIEWER = "PREVIEW_3D"

WIDGET_DEFAULTS: Mapping[str, Any] = {
    "INT": 0,
    "FLOAT": 0,
    "STRING": "",
    "BOOLEAN": False,
    COMBO: None,
    DYNAMIC_COMBO: None,
    "MARKDOWN": "",
    "TEXTAREA": "",
    "COLOR": "#000000",
    "COLORS": None,
    "CURVE": None,
    "RANGE": None,
    "PAINTER": "",
    "COMPOSITOR": None,
    "BOUNDING_BOX": None,
    "BOUNDING_BOXES": None,
    "CHART": None,
    "GALLERIA": None,
    "IMAGECOMPARE": None,
    "VIDEO_EDIT": None,
    "RESOLUTION_PREVIEW": None,
    "LIGHT_INFO_PREVIEW": None,
    "AUDIO_RECORD": None,
    "WEBCAM": None,
    "LOAD_3D": "",
    "LOAD_3D_ANIMATION": "",
    VIEWER: "",
}
"""The types that the editor draws as widgets, and what they hold when nothing says otherwise."""

UNSAVED_TYPES = frozenset({"IMAGECOMPARE", "RESOLUTION_PREVIEW"})
VIEWER_NODES = frozenset({"Preview3D", "SaveGLB"})
"""Nodes that the editor gives a viewer, whose state is sent as an input `image`."""
SEED_NAMES = frozenset({"seed", "noise_seed"})
UPLOAD_OPTIONS = frozenset({"image_upload", "video_upload", "animated_image_upload", "audio_upload"})


@dataclass(frozen=True, slots=True)
class Widget:
    """One place in the saved values. `input` is None for those that only the editor uses."""

    name: str
    input: Input | None
    default: Any = None
    forced: bool = False
    """`forceInput`: older files hold a value for it, newer ones do not."""


SCENES = frozenset({"LOAD_3D", "LOAD_3D_ANIMATION"})
SCENE_BUTTONS = tuple(
    Widget(name, Input(name, "BUTTON"), value)
    for name, value in (
        ("upload 3d model", "upload3dmodel"),
        ("upload extra resources", "uploadExtraResources"),
        ("clear", "clear"),
    )
)
"""Buttons that stand before a scene, and that the editor sends like any widget."""


def widgets_of(schema: NodeSchema, choices: ListFiles) -> list[Widget]:
    """The saved places of a node, `forced` ones among them, without those of dynamic options."""
    found: list[Widget] = []
    for item in schema.inputs:
        if item.presence is not Presence.HIDDEN:
            found.extend(_widgets_of_input(item, choices))
    if any(not UPLOAD_OPTIONS.isdisjoint(name for name, on in item.options.items() if on) for item in schema.inputs):
        found.append(Widget("upload", None))
    if schema.type in VIEWER_NODES:
        found.append(Widget("image", Input("image", VIEWER), ""))
    return found


def _widgets_of_input(item: Input, choices: ListFiles) -> Iterator[Widget]:
    kind = str(item.options.get("widgetType") or item.type)
    if kind not in WIDGET_DEFAULTS or kind in UNSAVED_TYPES:
        return
    forced = bool(item.options.get("forceInput"))
    if kind in SCENES:
        yield from SCENE_BUTTONS
    yield Widget(item.name, item, _default(item, kind, choices), forced)
    control = item.options.get("control_after_generate")
    if kind == "INT" and control is None and not forced:
        control = item.name in SEED_NAMES
    if control and kind in ("INT", "FLOAT", COMBO):
        yield Widget("control_after_generate", None)
        if kind == COMBO and not forced:
            yield Widget("control_filter_list", None)


def _default(item: Input, kind: str, choices: ListFiles) -> Any:
    if kind == DYNAMIC_COMBO:
        options = _options(item)
        return next(iter(options), None)
    default = item.options.get("default")
    if kind == COMBO and not default:
        listed = choices(item.choices) if isinstance(item.choices, FileChoices) else item.choices
        return listed[0] if listed else None
    return WIDGET_DEFAULTS[kind] if default is None else default


def values_of(node: Node, schema: NodeSchema, choices: ListFiles) -> dict[str, Any]:
    """What the node's widgets hold, by input name, in the widgets' order, without those that no prompt carries."""
    widgets = widgets_of(schema, choices)
    saved = node.values
    if saved is None or (not saved and node.named):
        named = node.named or {}
        flat = [widget for widget in widgets if not widget.forced]
        return {
            widget.name: _settle(widget.input, named.get(widget.name, widget.default))
            for widget in flat
            if widget.input is not None
        }
    return _positional(widgets, _without_forced(widgets, saved), choices)


def _without_forced(widgets: Sequence[Widget], saved: Sequence[Any]) -> Sequence[Any]:
    """The saved values without those of forced inputs, where the file has them."""
    forced = [widget.forced for widget in widgets]
    for index, widget in enumerate(widgets):
        if index and widget.input is None and widget.name == "control_after_generate" and forced[index - 1]:
            forced[index] = True
    if any(forced) and len(saved) == len(widgets):
        return [value for value, drop in zip(saved, forced, strict=True) if not drop]
    return saved


def _positional(widgets: Sequence[Widget], saved: Sequence[Any], choices: ListFiles) -> dict[str, Any]:
    values: dict[str, Any] = {}
    waiting = [widget for widget in reversed(widgets) if not widget.forced]
    given = iter(saved)
    missing = object()
    while waiting:
        widget = waiting.pop()
        value = next(given, missing)
        if widget.input is None:
            continue
        value = _settle(widget.input, widget.default if value is missing else value)
        values[widget.name] = value
        if widget.input.type == DYNAMIC_COMBO:
            option = _options(widget.input).get(str(value), ())
            inner = [place for item in option for place in _widgets_of_input(item, choices) if not place.forced]
            waiting.extend(reversed(inner))
    return values


def _settle(item: Input | None, value: Any) -> Any:
    """A saved value as the editor corrects it on loading."""
    if item is None:
        return value
    if item.type == COMBO and value is None and isinstance(item.choices, tuple) and item.choices:
        return item.choices[0]
    if item.name == "sampler_name" and isinstance(value, str):
        return value.removeprefix("sample_")
    return value


def _options(item: Input) -> dict[str, tuple[Input, ...]]:
    """A dynamic combo's options, each with its own inputs under their full names."""
    found: dict[str, tuple[Input, ...]] = {}
    listed = item.options.get("options")
    for option in listed if isinstance(listed, (list, tuple)) else ():
        if isinstance(option, Mapping) and isinstance(option.get("key"), str):
            found[option["key"]] = read_inputs(option.get("inputs") or {}, prefix=f"{item.name}.")
    return found
