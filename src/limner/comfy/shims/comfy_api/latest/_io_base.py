"""Socket types of the V3 interface, and the inputs and outputs that schemas are made of.

A socket type is a class with a name (`io_type`), and an `Input` and an `Output` class that know it as their `Parent`.
What an input or output says to the editor is its `as_dict`, without what was left unset.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

Kind = TypeVar("Kind", bound=type)


def said(**options: Any) -> dict[str, Any]:
    """The options that have a value."""
    return {name: value for name, value in options.items() if value is not None}


class SocketName(str):
    """The name of a socket type. It differs from another only where neither's alternatives include the other's."""

    __slots__ = ()

    def __ne__(self, other: object) -> bool:
        if not isinstance(other, str):
            return True
        if "*" in (str(self), str(other)):
            return False
        mine, theirs = frozenset(str(self).split(",")), frozenset(str(other).split(","))
        return not (mine <= theirs or theirs <= mine)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and str.__eq__(self, other)

    __hash__ = str.__hash__


class ComfyType:
    """A socket type."""

    Type: Any = Any
    io_type: Any = ""


class _Slot:
    """What inputs and outputs have in common."""

    Parent: ClassVar[Any] = ComfyType

    @property
    def io_type(self) -> Any:
        return self.Parent.io_type

    @property
    def Type(self) -> Any:
        return self.Parent.Type


class Input(_Slot):
    """An input; without a widget, unless a class below this one has one."""

    def __init__(
        self,
        id: str,
        display_name: str | None = None,
        optional: bool = False,
        tooltip: str | None = None,
        lazy: bool | None = None,
        extra_dict: Mapping[str, Any] | None = None,
        raw_link: bool | None = None,
        advanced: bool | None = None,
    ) -> None:
        self.id, self.display_name, self.optional, self.tooltip, self.lazy = id, display_name, optional, tooltip, lazy
        self.extra_dict = dict(extra_dict or {})
        self.rawLink, self.advanced = raw_link, advanced

    def as_dict(self) -> dict[str, Any]:
        options = said(
            display_name=self.display_name,
            optional=self.optional,
            tooltip=self.tooltip,
            lazy=self.lazy,
            rawLink=self.rawLink,
            advanced=self.advanced,
        )
        return options | said(**self.extra_dict)

    def get_io_type(self) -> Any:
        return SocketName(self.io_type)

    def get_all(self) -> list[Input]:
        return [self]

    def validate(self) -> None:
        """Raises where what it says makes no sense."""


class WidgetInput(Input):
    """An input that the editor draws a widget for."""

    def __init__(
        self,
        id: str,
        display_name: str | None = None,
        optional: bool = False,
        tooltip: str | None = None,
        lazy: bool | None = None,
        default: Any = None,
        socketless: bool | None = None,
        widget_type: str | None = None,
        force_input: bool | None = None,
        extra_dict: Mapping[str, Any] | None = None,
        raw_link: bool | None = None,
        advanced: bool | None = None,
    ) -> None:
        super().__init__(id, display_name, optional, tooltip, lazy, extra_dict, raw_link, advanced)
        self.default, self.socketless, self.widget_type, self.force_input = (
            default,
            socketless,
            widget_type,
            force_input,
        )

    def as_dict(self) -> dict[str, Any]:
        return super().as_dict() | said(
            default=self.default,
            socketless=self.socketless,
            widgetType=self.widget_type,
            forceInput=self.force_input,
        )

    def get_io_type(self) -> Any:
        return super().get_io_type() if self.widget_type is None else self.widget_type


class Output(_Slot):
    """An output; `is_output_list` says that its items flow on one by one."""

    def __init__(
        self,
        id: str | None = None,
        display_name: str | None = None,
        tooltip: str | None = None,
        is_output_list: bool = False,
    ) -> None:
        self.id, self.display_name, self.tooltip, self.is_output_list = id, display_name, tooltip, is_output_list

    def as_dict(self) -> dict[str, Any]:
        return said(display_name=self.display_name, tooltip=self.tooltip, is_output_list=self.is_output_list)

    def get_io_type(self) -> Any:
        return self.io_type

    def validate(self) -> None:
        """Raises where what it says makes no sense."""


class ComfyTypeI(ComfyType):
    """A socket type of inputs only."""

    Input: ClassVar[type] = Input


class ComfyTypeIO(ComfyTypeI):
    """A socket type of inputs and outputs."""

    Output: ClassVar[type] = Output


def comfytype(io_type: str, **options: Any) -> Callable[[Kind], Kind]:
    """A class decorator: the class is the socket type of this name."""

    def decorate(cls: Kind) -> Kind:
        if not issubclass(cls, ComfyType):
            namespace = {name: value for name, value in vars(cls).items() if name not in ("__dict__", "__weakref__")}
            cls = type(cls.__name__, (cls, ComfyTypeIO), namespace)  # type: ignore[assignment]
        made: Any = cls
        made.io_type = SocketName(io_type)
        for side in ("Input", "Output"):
            slot = getattr(made, side, None)
            if slot is not None:
                setattr(made, side, type(side, (slot,), {"Parent": made, "__module__": cls.__module__}))
        return cls

    return decorate


def named(io_type: str, title: str, base: type[ComfyTypeI] = ComfyTypeIO, **attributes: Any) -> Any:
    """A socket type without a widget."""
    return comfytype(io_type)(type(title, (base,), {"__module__": __name__, **attributes}))


def Custom(io_type: str) -> Any:
    """A socket type of a pack's own."""
    return named(io_type, "CustomComfyType")
