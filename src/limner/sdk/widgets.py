"""How an input looks: markers that stand in an `Annotated` type.

    steps: Annotated[int, Int(default=20, min=1, max=10_000)]
    image: Annotated[Image, Options(tooltip="the picture to scale")]
    method: Annotated[str, Choice("nearest", "bilinear")]
    name: Annotated[str, Files("checkpoints")]

Options keep the order in which they are written: it is the order in which `/object_info` shows them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypedDict, Unpack

from limner.graph import FileChoices


class CommonOptions(TypedDict, total=False):
    """What every input may say; the keys are ComfyUI's."""

    tooltip: str
    lazy: bool
    rawLink: bool
    forceInput: bool
    defaultInput: bool
    advanced: bool
    hidden: bool
    socketless: bool
    display_name: str
    widgetType: str


class IntOptions(CommonOptions, total=False):
    default: int
    min: int
    max: int
    step: int
    control_after_generate: bool
    display: str


class FloatOptions(CommonOptions, total=False):
    default: float
    min: float
    max: float
    step: float
    round: float | bool
    display: str


class TextOptions(CommonOptions, total=False):
    default: str
    multiline: bool
    placeholder: str
    dynamicPrompts: bool


class BoolOptions(CommonOptions, total=False):
    default: bool
    label_on: str
    label_off: str


class ChoiceOptions(CommonOptions, total=False):
    default: object
    multiselect: bool
    control_after_generate: bool
    image_upload: bool
    audio_upload: bool
    video_upload: bool
    file_upload: bool
    image_folder: str
    remote: Mapping[str, object]


@dataclass(frozen=True, slots=True, eq=False)
class Marker:
    """A socket type, its choices where it has any, and the options beside it."""

    type: str
    choices: tuple[object, ...] | FileChoices | None = None
    options: Mapping[str, object] = field(default_factory=dict)


class Socket(Marker):
    """A link to a value of this socket type: `Annotated[torch.Tensor, Socket("IMAGE")]`."""

    def __init__(self, type: str, **options: Unpack[CommonOptions]) -> None:
        super().__init__(type, None, dict(options))


class Int(Marker):
    """A whole number."""

    def __init__(self, **options: Unpack[IntOptions]) -> None:
        super().__init__("INT", None, dict(options))


class Float(Marker):
    """A number; `round` is what the editor rounds to."""

    def __init__(self, **options: Unpack[FloatOptions]) -> None:
        super().__init__("FLOAT", None, dict(options))


class Text(Marker):
    """A line of text, or a text box where `multiline`."""

    def __init__(self, **options: Unpack[TextOptions]) -> None:
        super().__init__("STRING", None, dict(options))


class Bool(Marker):
    """A switch."""

    def __init__(self, **options: Unpack[BoolOptions]) -> None:
        super().__init__("BOOLEAN", None, dict(options))


class Choice(Marker):
    """One of fixed values; without values, those of the `Literal` or the enum that it annotates."""

    def __init__(self, *values: str | int | float | bool, **options: Unpack[ChoiceOptions]) -> None:
        super().__init__("COMBO", values, dict(options))


class Files(Marker):
    """The name of a file in a model folder, or in `input`, `output` or `temp`, listed anew each time.

    `kinds`, `annotated`, `extra` and `after` are those of `limner.graph.FileChoices`.
    """

    def __init__(
        self,
        folder: str,
        *,
        kinds: tuple[str, ...] = (),
        annotated: bool = False,
        extra: tuple[str, ...] = (),
        after: tuple[str, ...] = (),
        **options: Unpack[ChoiceOptions],
    ) -> None:
        super().__init__("COMBO", FileChoices(folder, kinds, annotated, extra, after), dict(options))


class InputFiles(Files):
    """A file of these media kinds in the input folder; a value may say ` [output]` or ` [temp]` behind the name."""

    def __init__(self, *kinds: str, **options: Unpack[ChoiceOptions]) -> None:
        super().__init__("input", kinds=kinds, annotated=True, **options)


@dataclass(frozen=True, slots=True, eq=False)
class Options:
    """More options for an input whose type is said already: `Annotated[Image, Options(tooltip="...")]`."""

    options: Mapping[str, object]

    def __init__(self, **options: Unpack[CommonOptions]) -> None:
        object.__setattr__(self, "options", dict(options))


@dataclass(frozen=True, slots=True)
class Named:
    """The name of an output: `tuple[Annotated[int, Named("width")], Annotated[int, Named("height")]]`."""

    name: str
    tooltip: str | None = None


@dataclass(frozen=True, slots=True)
class Grow:
    """How inputs of one kind grow: `dict[str, Annotated[Image, Grow(min=2, max=8)]]`.

    They are called `prefix0`, `prefix1`, ... up to `max` of them, or by `names`. The first `min` must be linked.
    Without a prefix it is the parameter's name, less an `s` at its end.
    """

    prefix: str = ""
    min: int = 1
    max: int = 10
    names: tuple[str, ...] = ()
