"""ComfyUI's V1 node classes -> schemas.

INPUT_TYPES is whatever a pack's author made of it, so it is read leniently: what ComfyUI's editor could have shown is
kept, anything else becomes its text. Tricks that packs play, and what becomes of them:

- a type that is a `str` which equals (or does not differ from) everything is the wildcard `*`;
- a section that says of every name that it holds it makes the node take any inputs;
- choices that `folder_paths.get_filename_list` gave stay a folder, listed anew each time (`FileList`).
"""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from limner.graph import FileChoices, Input, Lane, NodeSchema, Output, Presence, Traits
from limner.graph.sockets import ANY, COMBO
from limner.plugins.plain import made_plain

from .v1_signature import input_types_of

MOST_OUTPUTS = 32
"""Outputs of a node whose RETURN_TYPES have no end."""
UNDECLARED = "\0"
"""The name of an output that the class takes but does not declare."""
ABSENT = "\0no input has this name"
NO_TYPE = "\0no socket type has this name"


class FileList(list[str]):
    """The files of a folder as packs get them; `["none"] + files` is still known to be that folder.

    A copy that was made item by item is a list like any other.
    """

    def __init__(self, names: Iterable[str], choices: FileChoices | None = None) -> None:
        super().__init__(names)
        self.choices = choices
        self._given = tuple(self)

    def source(self) -> FileChoices | None:
        """The folder, unless the pack has changed the list."""
        return self.choices if tuple(self) == self._given else None

    def __add__(self, other: Any) -> Any:
        extra = _texts(other)
        source = self.source()
        if extra is None or source is None:
            return [*self, *other]
        choices = FileChoices(source.folder, source.kinds, source.annotated, source.extra, (*source.after, *extra))
        return FileList([*self, *extra], choices)

    def __radd__(self, other: Any) -> Any:
        extra = _texts(other)
        source = self.source()
        if extra is None or source is None:
            return [*other, *self]
        choices = FileChoices(source.folder, source.kinds, source.annotated, (*extra, *source.extra), source.after)
        return FileList([*extra, *self], choices)


def _texts(value: object) -> tuple[str, ...] | None:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    return None


def schema_of(node_type: str, cls: type, *, display_name: str = "", module: str = "nodes") -> NodeSchema:
    """The schema of a V1 class. Raises whatever its INPUT_TYPES raises, ValueError where it says nothing of use."""
    sections = input_types_of(cls)
    inputs = [item for presence in Presence for item in _section(sections.get(presence.value), presence)]
    outputs = outputs_of(cls)
    return NodeSchema(
        type=node_type,
        inputs=tuple(inputs),
        outputs=outputs,
        traits=_traits(cls, sections),
        version=_version(cls),
        display_name=display_name or node_type,
        category=str(getattr(cls, "CATEGORY", "sd")),
        description=_text(getattr(cls, "DESCRIPTION", "")),
        module=module,
        info=_sections_said(sections) | _names_of_choices(cls),
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _sections_said(sections: Mapping[Any, Any]) -> dict[str, object]:
    """`input_order` of `/object_info`, where the class has no required inputs or has empty sections."""
    said = {str(name): [str(key) for key in section] for name, section in sections.items() if type(section) is dict}
    usual = [name for name, keys in said.items() if keys or name == Presence.REQUIRED]
    return {} if usual == list(said) and Presence.REQUIRED in said else {"input_order": said}


def _section(section: object, presence: Presence) -> list[Input]:
    if not isinstance(section, Mapping):
        return []
    entries = dict(section) if isinstance(section, dict) else section
    return [_input(str(name), entry, presence) for name, entry in entries.items()]


def _input(name: str, entry: object, presence: Presence) -> Input:
    parts: Sequence[Any] = entry if isinstance(entry, tuple | list) and entry else (entry,)
    kind = parts[0]
    if presence is Presence.HIDDEN and isinstance(entry, str):
        return Input(name, str(kind), presence)
    options = _options(parts[1]) if len(parts) > 1 and isinstance(parts[1], Mapping) else {}
    explicit = len(parts) > 1 or presence is Presence.HIDDEN  # a hidden input that is no mere name stands in a list
    if not isinstance(kind, str) and _is_choices(kind):
        return Input(name, COMBO, presence, _choices(kind), options, explicit_options=explicit)
    socket = socket_name(kind)
    if socket == COMBO and isinstance(parts[1] if len(parts) > 1 else None, Mapping):
        given = parts[1].get("options")
        if given is not None:
            del options["options"]
            return Input(name, COMBO, presence, _choices(given), options, combo_v3=True)
    return Input(name, socket, presence, None, options, explicit_options=explicit)


def _options(given: Mapping[Any, object]) -> dict[str, object]:
    """As JSON; an infinite limit is none."""
    finite = {
        str(key): value for key, value in given.items() if not (isinstance(value, float) and not math.isfinite(value))
    }
    return {key: made_plain(value) for key, value in finite.items()}


def _is_choices(kind: object) -> bool:
    return isinstance(kind, Iterable) and not isinstance(kind, type)


def _choices(values: Iterable[object]) -> tuple[object, ...] | FileChoices:
    source = values.source() if isinstance(values, FileList) else None
    return source if source is not None else tuple(made_plain(value) for value in values)


def socket_name(kind: object) -> str:
    """The name of a socket type; `*` for one that equals everything."""
    try:
        differs = kind != NO_TYPE
        wild = isinstance(kind, str) and type(kind) is not str and (not differs or kind == NO_TYPE)
    except Exception:  # a pack's own comparison
        wild = False
    if wild:
        return ANY
    name = str(getattr(kind, "value", kind))
    return name if name.strip() else ANY


def outputs_of(cls: type) -> tuple[Output, ...]:
    declared = getattr(cls, "RETURN_TYPES", ())
    kinds = _sequence(declared)
    names = _sequence(getattr(cls, "RETURN_NAMES", ()))
    lists = _sequence(getattr(cls, "OUTPUT_IS_LIST", ()))
    tooltips = _sequence(getattr(cls, "OUTPUT_TOOLTIPS", ()))
    outputs = []
    for number, kind in enumerate(kinds):
        combo = not isinstance(kind, str) and _is_choices(kind)
        socket = COMBO if combo else socket_name(kind)
        outputs.append(
            Output(
                name=str(names[number]) if number < len(names) and not _is_list(names[number]) else socket,
                type=socket,
                is_list=bool(lists[number]) if number < len(lists) else False,
                tooltip=_tooltip(tooltips[number]) if number < len(tooltips) else None,
                choices=_choices(kind) if combo else None,
            )
        )
    outputs += [Output(UNDECLARED, ANY) for _ in range(len(outputs), MOST_OUTPUTS)] if _endless(declared) else []
    return tuple(outputs)


def _endless(kinds: object) -> bool:
    """Whether it is a tuple that has an item at any place, so that the workflow says how many outputs there are."""
    if not isinstance(kinds, tuple) or type(kinds) is tuple:
        return False
    try:
        return bool(kinds[MOST_OUTPUTS])
    except Exception:  # a pack's own tuple
        return False


def _tooltip(value: object) -> str | None:
    return None if value is None else str(value)


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple)


def _names_of_choices(cls: type) -> dict[str, object]:
    """Keys of `/object_info` about outputs.

    Those that the class does not declare are not shown; choices without a name are called the list of their choices.
    """
    declared = getattr(cls, "RETURN_TYPES", ())
    tooltips = _sequence(getattr(cls, "OUTPUT_TOOLTIPS", ()))
    if tooltips and not _endless(declared) and len(tooltips) != len(_sequence(declared)):
        return {"output_tooltips": [_tooltip(text) for text in tooltips], **_named_choices(cls, declared)}
    if _endless(declared):
        shown = outputs_of(cls)[: len(declared)]
        return {
            "output": [output.type for output in shown],
            "output_name": [output.name for output in shown],
            "output_is_list": [output.is_list for output in shown],
            **({"output_tooltips": tooltips} if any(tooltips := [output.tooltip for output in shown]) else {}),
        }
    return _named_choices(cls, declared)


def _named_choices(cls: type, declared: object) -> dict[str, object]:
    names = _sequence(getattr(cls, "RETURN_NAMES", declared))
    if not any(_is_list(name) and not isinstance(name, FileList) for name in names):
        return {}
    return {"output_name": [made_plain(name) if _is_list(name) else str(name) for name in names]}


def _sequence(value: object) -> Sequence[Any]:
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, Iterable) else (value,)


def _traits(cls: type, sections: Mapping[str, Any]) -> Traits:
    validate = getattr(cls, "VALIDATE_INPUTS", None)
    named, everything = named_parameters(validate)
    return Traits(
        output=getattr(cls, "OUTPUT_NODE", False) is True,
        unshared=bool(getattr(cls, "NOT_IDEMPOTENT", False)),
        list_wise=bool(getattr(cls, "INPUT_IS_LIST", False)),
        lane=_lane(cls),
        has_change_token=hasattr(cls, "IS_CHANGED"),
        has_validation=validate is not None,
        validated_inputs=("*",) if everything else tuple(name for name in named if name != "input_types"),
        validates_types="input_types" in named,
        takes_any_inputs=any(_holds_all(sections.get(name)) for name in ("required", "optional", "hidden")),
        deprecated=bool(getattr(cls, "DEPRECATED", False)),
        experimental=bool(getattr(cls, "EXPERIMENTAL", False)),
        api_node=bool(getattr(cls, "API_NODE", False)),
    )


def _holds_all(section: object) -> bool:
    if section is None or type(section) is dict:
        return False
    try:
        return ABSENT in section  # type: ignore[operator]
    except Exception:  # a pack's own container
        return False


def named_parameters(function: Callable[..., object] | None) -> tuple[Sequence[str], bool]:
    """The parameters of a pack's function, and whether it takes any others."""
    if function is None:
        return (), False
    try:
        spec = inspect.getfullargspec(function)
    except TypeError:
        return (), False
    names = [name for name in (*spec.args, *spec.kwonlyargs) if name not in ("self", "cls", "s")]
    return names, spec.varkw is not None


def takes_any_keyword(function: Callable[..., object] | None) -> bool:
    """Whether a pack's function takes `**kwargs`."""
    return named_parameters(function)[1]


def _lane(cls: type) -> Lane:
    if inspect.iscoroutinefunction(getattr(cls, function_name(cls), None)):
        return Lane.ASYNC
    declared = getattr(cls, "LANE", None)
    return Lane(declared) if declared in set(Lane) else Lane.DEVICE


def function_name(cls: type) -> str:
    """The method that a class says it is run by."""
    return str(getattr(cls, "FUNCTION", "execute"))


def _version(cls: type) -> str:
    """Changes when the file that the class stands in does."""
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    try:
        return str(Path(file).stat().st_mtime_ns) if file else ""
    except OSError:
        return ""
