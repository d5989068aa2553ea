"""Socket types of the V3 interface with widgets: numbers, texts, switches and choices."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ._io_base import ComfyTypeI, ComfyTypeIO, Output, WidgetInput, comfytype, said


class FolderType(enum.StrEnum):
    input = "input"
    output = "output"
    temp = "temp"


class UploadType(enum.StrEnum):
    image = "image_upload"
    audio = "audio_upload"
    video = "video_upload"
    model = "file_upload"


class NumberDisplay(enum.StrEnum):
    number = "number"
    slider = "slider"
    gradient_slider = "gradientslider"


class ControlAfterGenerate(enum.StrEnum):
    fixed = "fixed"
    increment = "increment"
    decrement = "decrement"
    randomize = "randomize"


class RemoteOptions:
    """Choices that the editor asks a route for; `timeout` and `refresh` in milliseconds."""

    def __init__(
        self,
        route: str,
        refresh_button: bool,
        control_after_refresh: str = "first",
        timeout: int | None = None,
        max_retries: int | None = None,
        refresh: int | None = None,
    ) -> None:
        self.route, self.refresh_button, self.control_after_refresh = route, refresh_button, control_after_refresh
        self.timeout, self.max_retries, self.refresh = timeout, max_retries, refresh

    def as_dict(self) -> dict[str, Any]:
        return said(**vars(self))


def _text(value: Any) -> Any:
    return value.value if isinstance(value, enum.Enum) else value


class _Widget(WidgetInput):
    """A widget whose `own` options are keyword arguments and attributes of the same names.

    `own` maps each to its key in the editor's options; `order` are those that may be given by position, before
    `default`, or in the order in which authors give them.
    """

    own: ClassVar[Mapping[str, str]] = {}
    order: Sequence[str] = ("id", "display_name", "optional", "tooltip", "lazy", "default")
    presets: ClassVar[Mapping[str, Any]] = {}
    general = (
        "id",
        "display_name",
        "optional",
        "tooltip",
        "lazy",
        "default",
        "socketless",
        "force_input",
        "extra_dict",
        "raw_link",
        "advanced",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        title = f"io.{self.Parent.__name__}.Input"
        if len(args) > len(self.order):
            raise TypeError(f"{title} takes at most {len(self.order)} values by position")
        given = {**dict(zip(self.order, args, strict=False)), **kwargs}
        unknown = set(given) - {*self.general, *self.own}
        if unknown or "id" not in given:
            wrong = f"does not know {', '.join(sorted(unknown))}" if unknown else "needs an id"
            raise TypeError(f"{title} {wrong}")
        super().__init__(**{name: given[name] for name in self.general if name in given})
        for name in self.own:
            setattr(self, name, given.get(name, self.presets.get(name)))

    def as_dict(self) -> dict[str, Any]:
        return super().as_dict() | said(**{key: _text(getattr(self, name)) for name, key in self.own.items()})


_NUMBER = ("id", "display_name", "optional", "tooltip", "lazy", "default", "min", "max", "step")


class _BooleanInput(_Widget):
    own: ClassVar[Mapping[str, str]] = {"label_on": "label_on", "label_off": "label_off"}
    order: Sequence[str] = (*_Widget.order, "label_on", "label_off", "socketless", "force_input")


class _IntInput(_Widget):
    own: ClassVar[Mapping[str, str]] = {
        "min": "min",
        "max": "max",
        "step": "step",
        "control_after_generate": "control_after_generate",
        "display_mode": "display",
    }
    order: Sequence[str] = (*_NUMBER, "control_after_generate", "display_mode", "socketless", "force_input")


class _FloatInput(_Widget):
    own: ClassVar[Mapping[str, str]] = {
        "min": "min",
        "max": "max",
        "step": "step",
        "round": "round",
        "display_mode": "display",
        "gradient_stops": "gradient_stops",
    }
    order: Sequence[str] = (*_NUMBER, "round", "display_mode", "socketless", "force_input")


class _StringInput(_Widget):
    own: ClassVar[Mapping[str, str]] = {
        "multiline": "multiline",
        "placeholder": "placeholder",
        "dynamic_prompts": "dynamicPrompts",
    }
    order: Sequence[str] = (
        *("id", "display_name", "optional", "tooltip", "lazy", "multiline", "placeholder", "default"),
        *("dynamic_prompts", "socketless", "force_input"),
    )
    presets: ClassVar[Mapping[str, Any]] = {"multiline": False}


class ComboInput(_Widget):
    """One of `options`: a list, or the values of an Enum class. `upload` adds a button that uploads files."""

    own: ClassVar[Mapping[str, str]] = {
        "options": "options",
        "control_after_generate": "control_after_generate",
        "upload": "",
        "image_folder": "image_folder",
        "remote": "",
    }
    order: Sequence[str] = (
        *("id", "options", "display_name", "optional", "tooltip", "lazy", "default", "control_after_generate"),
        *("upload", "image_folder", "remote", "socketless"),
    )
    multiselect = False
    upload: UploadType | None
    remote: RemoteOptions | None
    options: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if isinstance(self.options, type) and issubclass(self.options, enum.Enum):
            self.options = [member.value for member in self.options]
        self.default = _text(self.default)

    def as_dict(self) -> dict[str, Any]:
        options = super().as_dict()
        options.pop("", None)
        options["multiselect"] = self.multiselect
        if self.upload is not None:
            options[_text(self.upload)] = True
        return options | said(remote=None if self.remote is None else self.remote.as_dict())


class ComboOutput(Output):
    """One of `options`."""

    def __init__(
        self,
        id: str | None = None,
        display_name: str | None = None,
        options: Sequence[str] | None = None,
        tooltip: str | None = None,
        is_output_list: bool = False,
    ) -> None:
        super().__init__(id, display_name, tooltip, is_output_list)
        self.options = [] if options is None else options

    @property
    def io_type(self) -> Any:
        return self.options


class _MultiComboInput(ComboInput):
    own: ClassVar[Mapping[str, str]] = {**ComboInput.own, "placeholder": "placeholder", "chip": "chip"}
    order: Sequence[str] = (
        *("id", "options", "display_name", "optional", "tooltip", "lazy", "default", "placeholder", "chip"),
        *("control_after_generate", "socketless"),
    )
    multiselect = True

    def as_dict(self) -> dict[str, Any]:
        return super().as_dict() | {"multi_select": True}


class _ColorInput(_Widget):
    presets: ClassVar[Mapping[str, Any]] = {"default": "#ffffff"}


@comfytype("BOOLEAN")
class Boolean(ComfyTypeIO):
    Type = bool
    Input = _BooleanInput


@comfytype("INT")
class Int(ComfyTypeIO):
    Type = int
    Input = _IntInput


@comfytype("FLOAT")
class Float(ComfyTypeIO):
    Type = float
    Input = _FloatInput


@comfytype("STRING")
class String(ComfyTypeIO):
    Type = str
    Input = _StringInput


@comfytype("COMBO")
class Combo(ComfyTypeIO):
    Type = str
    Input = ComboInput
    Output = ComboOutput


@comfytype("COMBO")
class MultiCombo(ComfyTypeI):
    """Any number of the options."""

    Type = list[str]
    Input = _MultiComboInput


@comfytype("WEBCAM")
class Webcam(ComfyTypeIO):
    Type = str
    Input = _Widget


@comfytype("COLOR")
class Color(ComfyTypeIO):
    Type = str
    Input = _ColorInput
