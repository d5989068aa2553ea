"""@node: from a typed function to a schema, and back to calls of the function."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import pytest

from limner.graph import FileChoices, Input, Lane, Output, Presence
from limner.sdk import (
    Anything,
    Blocked,
    Bool,
    Cancelled,
    Choice,
    Conditioning,
    Files,
    Float,
    Image,
    InputFiles,
    Int,
    Latent,
    Lazy,
    Mask,
    Named,
    NodeContext,
    Options,
    Progress,
    Result,
    Socket,
    Text,
    node,
    nodes_in,
)
from limner.sdk.testing import RecordingContext, run_node

if TYPE_CHECKING:
    from decimal import Decimal


class Mode(enum.Enum):
    FAST = "fast"
    SLOW = "slow"


class Corner(enum.Enum):
    TOP = (0, 0)
    BOTTOM = (0, 1)


class Size(enum.IntEnum):
    SMALL = 512
    LARGE = 1024


class Thing:
    """A type of a pack's own."""


class Tensor:
    """By its name the class of torch."""


@node(type="Scale", title="Scale Image", category="image", lane="cpu", module="comfy_extras.nodes_x")
def scale(
    image: Image,
    method: Literal["nearest", "bilinear"],
    width: Annotated[int, Int(default=512, min=0, max=16384, step=8)],
    strength: float = 1.0,
    crop: Annotated[Literal["disabled", "center"], Choice(tooltip="how")] = "center",
    mask: Mask | None = None,
    seed: Annotated[int, Int(min=0, control_after_generate=True), Presence.OPTIONAL] = 7,
) -> tuple[Image, Mask]:
    """Make it another size.

    In two paragraphs.
    """
    return image, mask


def test_the_schema_says_what_the_function_says() -> None:
    schema = scale.schema
    assert (schema.type, schema.display_name, schema.category) == ("Scale", "Scale Image", "image")
    assert schema.module == "comfy_extras.nodes_x"
    assert schema.description == "Make it another size.\n\nIn two paragraphs."
    assert schema.traits.lane is Lane.CPU
    assert schema.inputs == (
        Input("image", "IMAGE"),
        Input("method", "COMBO", choices=("nearest", "bilinear")),
        Input("width", "INT", options={"default": 512, "min": 0, "max": 16384, "step": 8}),
        Input("strength", "FLOAT", options={"default": 1.0, "min": -(2.0**53) + 1, "max": 2.0**53 - 1, "step": 0.01}),
        Input("crop", "COMBO", choices=("disabled", "center"), options={"default": "center", "tooltip": "how"}),
        Input("mask", "MASK", Presence.OPTIONAL),
        Input("seed", "INT", Presence.OPTIONAL, options={"default": 7, "min": 0, "control_after_generate": True}),
    )
    assert schema.outputs == (Output("IMAGE", "IMAGE"), Output("MASK", "MASK"))


def test_options_keep_their_order() -> None:
    @node(type="Ordered")
    def ordered(a: Annotated[int, Int(max=5, min=1, default=2)], b: Annotated[str, Text(multiline=True)] = "x") -> int:
        return a

    assert list(ordered.schema.inputs[0].options) == ["max", "min", "default"]
    assert list(ordered.schema.inputs[1].options) == ["default", "multiline"]


def test_every_widget() -> None:
    @node(type="Widgets", hidden=("PROMPT", "UNIQUE_ID"))
    def widgets(
        on: Annotated[bool, Bool(default=True, label_on="yes")],
        amount: Annotated[float, Float(round=0.01)],
        mode: Mode,
        name: Annotated[str, Files("loras", extra=("none",))],
        picture: Annotated[str, InputFiles("image", image_upload=True)],
        method: Annotated[str, Choice("a", "b")],
        thing: Annotated[Thing, Socket("THING", forceInput=True)],
        anything: Annotated[Anything, Options(tooltip="any")],
    ) -> None:
        return None

    by_name = {item.name: item for item in widgets.schema.inputs}
    assert by_name["on"].options == {"default": True, "label_on": "yes"}
    assert by_name["amount"].options == {"round": 0.01}
    assert by_name["mode"].choices == ("fast", "slow")
    assert by_name["name"].choices == FileChoices("loras", extra=("none",))
    assert by_name["picture"].choices == FileChoices("input", ("image",), annotated=True)
    assert by_name["picture"].options == {"image_upload": True}
    assert by_name["method"].choices == ("a", "b")
    assert (by_name["thing"].type, by_name["thing"].options) == ("THING", {"forceInput": True})
    assert (by_name["anything"].type, by_name["anything"].options) == ("*", {"tooltip": "any"})
    assert by_name["anything"].explicit_options
    assert by_name["prompt"] == Input("prompt", "PROMPT", Presence.HIDDEN)
    assert by_name["unique_id"].type == "UNIQUE_ID"
    assert widgets.schema.outputs == ()


def test_newer_nodes_write_their_combos_otherwise() -> None:
    @node(type="Newer", v3=True)
    def newer(
        image: Image, mode: Annotated[Literal["a", "b"], Choice(default="b", tooltip="t")], flag: bool = False
    ) -> Image:
        return image

    image, mode, flag = newer.schema.inputs
    assert newer.schema.v3
    assert image.explicit_options and flag.explicit_options
    assert mode.combo_v3
    assert list(mode.options.items()) == [("default", "b"), ("multiselect", False), ("tooltip", "t")]


def test_outputs_by_name_as_lists_and_given() -> None:
    @node(type="Sizes")
    def sizes(image: Image) -> tuple[Annotated[int, Named("width", "in pixels")], list[Image], Conditioning]:
        return 1, [image], []

    @node(type="Given", outputs=("IMAGE", Output("text", "STRING", is_list=True)))
    def given() -> Result:
        return Result((1, ["a"]))

    @node(type="Renamed", names=("picture",))
    def renamed(image: Image) -> Image:
        return image

    assert sizes.schema.outputs == (
        Output("width", "INT", tooltip="in pixels"),
        Output("IMAGE", "IMAGE", is_list=True),
        Output("CONDITIONING", "CONDITIONING"),
    )
    assert given.schema.outputs == (Output("IMAGE", "IMAGE"), Output("text", "STRING", is_list=True))
    assert renamed.schema.outputs == (Output("picture", "IMAGE"),)


def test_a_node_is_still_its_function() -> None:
    @node(type="Plus")
    def plus(a: int, b: int = 2) -> int:
        """Add."""
        return a + b

    assert plus(1) == 3
    assert (plus.__name__, plus.__doc__) == ("plus", "Add.")
    assert run_node(plus, a=5).values == (7,)
    assert run_node(plus, a=5, b=1, unknown=3).values == (6,)


def test_values_become_enum_members() -> None:
    @node(type="Modes")
    def modes(mode: Mode = Mode.SLOW) -> str:
        return mode.name

    assert modes.schema.inputs[0].options == {"default": "slow"}
    assert run_node(modes).values == ("SLOW",)
    assert run_node(modes, mode="fast").values == ("FAST",)
    with pytest.raises(ValueError, match="medium"):
        run_node(modes, mode="medium")


def test_generators_report_progress() -> None:
    @node(type="Count")
    def count(n: int) -> Generator[Progress, None, int]:
        for step in range(n):
            yield Progress(step + 1, n, "counting", preview=b"p" if step == 1 else None, media_type="image/png")
        return n * 10

    context = RecordingContext()
    assert run_node(count, context, n=3).values == (30,)
    assert context.reports == [(1, 3, "counting"), (2, 3, "counting"), (3, 3, "counting")]
    assert context.previews == [(b"p", "image/png")]
    with pytest.raises(Cancelled):
        run_node(count, RecordingContext(cancel_after=2), n=3)


def test_coroutines_run_in_the_async_lane() -> None:
    @node(type="Later")
    async def later(value: int) -> int:
        return value + 1

    @node(type="LaterElsewhere", lane=Lane.IO)
    async def elsewhere(value: int) -> int:
        return value

    assert later.schema.traits.lane is Lane.ASYNC
    assert elsewhere.schema.traits.lane is Lane.IO
    assert run_node(later, value=1).values == (2,)


def test_coroutines_that_report_progress_yield_their_result_last() -> None:
    @node
    async def fetch(n: int) -> AsyncIterator[Progress | str]:
        for step in range(n):
            yield Progress(step + 1, n)
        yield "done"

    @node
    async def hasty() -> AsyncIterator[Progress | str]:
        yield "early"
        yield Progress(1, 1)

    assert fetch.schema.traits.lane is Lane.ASYNC
    assert fetch.schema.outputs == (Output("STRING", "STRING"),)
    context = RecordingContext()
    assert run_node(fetch, context, n=2).values == ("done",)
    assert context.reports == [(1, 2, ""), (2, 2, "")]
    with pytest.raises(Cancelled):
        run_node(fetch, RecordingContext(cancel_after=1), n=3)
    with pytest.raises(TypeError, match="yielded str before its end"):
        run_node(hasty)


def test_lists_mean_whole_lists() -> None:
    @node(type="Whole")
    def whole(images: list[Image], factor: list[float]) -> list[Image]:
        return images

    assert whole.schema.traits.list_wise
    assert [item.type for item in whole.schema.inputs] == ["IMAGE", "FLOAT"]
    assert whole.schema.outputs[0].is_list
    assert run_node(whole, images=[1, 2], factor=[1.0]).values == ([1, 2],)


def test_beside_lists_other_inputs_are_single() -> None:
    @node(type="Join")
    def join(texts: list[str], separator: str = ", ", mode: Mode = Mode.FAST) -> str:
        return separator.join(texts) + mode.value

    assert join.schema.traits.list_wise
    assert run_node(join, texts=["a", "b"]).values == ("a, bfast",)
    assert run_node(join, texts=["a", "b"], separator=["-"], mode=["slow"]).values == ("a-bslow",)
    with pytest.raises(ValueError, match=r"'separator' takes one value, and got 2; annotated `list\[...\]`"):
        run_node(join, texts=["a"], separator=["-", "+"])


def test_a_node_is_named_after_its_function() -> None:
    @node
    def soften_edges(image: Image) -> Image:
        """Make edges soft."""
        return image

    @node(category="mine")
    def _private_name2(image: Image) -> Image:
        return image

    schema = soften_edges.schema
    assert (schema.type, schema.display_name, schema.description) == ("SoftenEdges", "Soften Edges", "Make edges soft.")
    assert soften_edges(3) == 3  # type: ignore[arg-type]
    assert (_private_name2.schema.type, _private_name2.schema.category) == ("PrivateName2", "mine")


class Ge:
    """As the package annotated-types has it."""

    ge = 2


class Lt:
    lt = 10


class Step:
    multiple_of = 4


class Field:
    """As pydantic has it."""

    metadata = (Ge(),)
    description = "a share"


def test_ranges_and_tooltips_in_annotations() -> None:
    @node
    def ranged(
        size: Annotated[int, range(0, 101, 8), "how large"],
        few: Annotated[int, Ge(), Lt(), Step()] = 4,
        share: Annotated[float, Field()] = 2.5,
        free: int = -3,
    ) -> Annotated[int, "the sum"]:
        return size

    size, few, share, free = ranged.schema.inputs
    assert size.options == {"min": 0, "max": 96, "step": 8, "tooltip": "how large"}
    assert (few.options["default"], few.options["min"], few.options["max"], few.options["step"]) == (4, 2, 9, 4)
    assert (share.options["min"], share.options["tooltip"]) == (2, "a share")
    assert free.options["min"] == -(2**53) + 1, "the editor would begin at 0"
    assert ranged.schema.outputs == (Output("INT", "INT", tooltip="the sum"),)


def test_enums_of_whatever_values() -> None:
    @node
    def place(
        corner: Corner = Corner.BOTTOM, size: Size = Size.SMALL, mode: Annotated[Mode, Choice(default=Mode.SLOW)] = ...
    ) -> str:  # type: ignore[assignment]
        return f"{corner.value} {size + 1} {mode.name}"

    assert [item.choices for item in place.schema.inputs] == [("TOP", "BOTTOM"), (512, 1024), ("fast", "slow")]
    assert [item.options["default"] for item in place.schema.inputs] == ["BOTTOM", 512, "slow"]
    assert run_node(place).values == ("(0, 1) 513 SLOW",)
    assert run_node(place, corner="TOP", size=1024).values == ("(0, 0) 1025 SLOW",)
    with pytest.raises(ValueError, match="'corner' is 'LEFT'; it can be TOP, BOTTOM"):
        run_node(place, corner="LEFT")


class Sides(NamedTuple):
    width: int
    height: Annotated[int, "from the top"]
    mask: Annotated[Mask, Named("the mask")]


def test_named_tuples_name_the_outputs() -> None:
    @node
    def sides(image: Image) -> Sides:
        return Sides(1, 2, image)

    assert sides.schema.outputs == (
        Output("width", "INT"),
        Output("height", "INT", tooltip="from the top"),
        Output("the mask", "MASK"),
    )
    assert run_node(sides, image=3).values == (1, 2, 3)


def test_lazy_inputs_are_asked_for() -> None:
    def wanted(inputs: Mapping[str, object], missing: Sequence[str]) -> Sequence[str]:
        return [name for name in missing if inputs["which"] == name]

    @node(type="Either", needs=wanted)
    def either(
        which: str,
        a: Annotated[Image, Options(lazy=True)] | None = None,
        b: Annotated[Image, Options(lazy=True)] | None = None,
    ) -> Anything:
        return a if which == "a" else b

    assert [item.lazy for item in either.schema.inputs] == [False, True, True]
    assert either.needs({"which": "b"}, ("a", "b"), RecordingContext()) == ["b"]

    @node(needs=lambda which: ["a" if which else "b"])
    def either_too(which: bool, a: Lazy[Image], b: Lazy[Mask]) -> Anything:
        return a if which else b

    assert [(item.type, item.lazy) for item in either_too.schema.inputs[1:]] == [("IMAGE", True), ("MASK", True)]
    assert [item.presence for item in either_too.schema.inputs] == [Presence.REQUIRED] * 3
    assert either_too.needs({"which": False}, ("a", "b"), RecordingContext()) == ["b"]


def test_validation_and_change_tokens_take_what_they_name() -> None:
    def valid(width: int, context: NodeContext) -> str | None:
        return f"{context.node}: too wide" if width > 10 else None

    @node(type="Careful", validate=valid, change_token=lambda name: name.upper())
    def careful(name: str, width: int) -> int:
        return width

    traits = careful.schema.traits
    assert (traits.has_validation, traits.validated_inputs, traits.has_change_token) == (True, ("width",), True)
    inputs = {"name": "x", "width": 11}
    assert careful.complaint(inputs, {}, RecordingContext()) == "1: too wide"
    assert careful.complaint({**inputs, "width": 3}, {}, RecordingContext()) is None
    assert careful.change_token(inputs, RecordingContext()) == "X"


def test_any_inputs() -> None:
    @node(type="Open")
    def everything(first: int, **inputs: object) -> int:
        return first + len(inputs)

    @node(type="Listed", inputs=(Input("blocks.0.", "FLOAT", options={"default": 1.0}),))
    def listed(**inputs: object) -> Anything:
        return inputs

    assert everything.schema.traits.takes_any_inputs
    assert run_node(everything, first=1, a=1, b=2).values == (3,)
    assert not listed.schema.traits.takes_any_inputs
    assert run_node(listed).values == ({"blocks.0.": 1.0},)


def test_blockers_and_results() -> None:
    @node(type="Blocker")
    def blocker(all_of_it: bool) -> tuple[Image, Image | Blocked] | Blocked:
        return Blocked("no") if all_of_it else (1, Blocked())

    @node(type="Shower", output_node=True)
    def shower() -> Result:
        return Result(ui={"text": ["x"]})

    assert run_node(blocker, all_of_it=True).values == (Blocked("no"), Blocked("no"))
    assert run_node(blocker, all_of_it=False).values == (1, Blocked())
    assert run_node(shower).ui == {"text": ["x"]}


def test_a_missing_input_is_named() -> None:
    with pytest.raises(TypeError, match="Scale: input 'image' is missing"):
        run_node(scale, method="nearest")


def test_what_a_function_gives_must_fit() -> None:
    @node(type="Pair")
    def pair() -> tuple[int, int]:
        return 1  # type: ignore[return-value]

    @node(type="Nothing")
    def nothing() -> None:
        return 1  # type: ignore[return-value]

    with pytest.raises(TypeError, match="Pair gave int; it declares 2 outputs"):
        run_node(pair)
    with pytest.raises(TypeError, match="Nothing gave int"):
        run_node(nothing)


def unannotated(image) -> Image:  # type: ignore[no-untyped-def]
    return image


def no_return(image: Image):  # type: ignore[no-untyped-def]
    return image


def positional(image: Image, /) -> Image:
    return image


def starred(*images: Image) -> Image:
    return images[0]


def no_socket(image: Thing) -> Image:
    return image


def only_for_types(value: Decimal) -> Image:
    return value


def optional_without_default(mask: Mask | None) -> Mask:
    return mask


def none_without_optional(mask: Mask = None) -> Mask:
    return mask


def empty_combo(mode: Annotated[str, Choice()]) -> int:
    return 0


def bad_choice(mode: Annotated[Literal["a"], Choice(default="b")]) -> int:
    return 0


def upside_down(n: Annotated[int, Int(min=3, max=1)]) -> int:
    return 0


def below(n: Annotated[int, Int(min=3)] = 2) -> int:
    return 0


def above(n: Annotated[float, Float(max=3, default=4)]) -> int:
    return 0


def strange_output(a: int) -> dict[str, int]:
    return {}


def either_output(a: int) -> Image | Latent:
    return a


def series(a: int) -> Image:
    yield Progress(1, 1)


def series_of_progress(a: int) -> Iterator[Progress]:
    yield Progress(1, 1)


def falling(a: Annotated[int, range(5, 0, -1)]) -> int:
    return a


class Above:
    gt = 0


def bounded_float(a: Annotated[float, Above()]) -> float:
    return a


def lazy(a: Annotated[Image, Options(lazy=True)]) -> Image:
    return a


def fractions(a: int) -> Generator[float, None, int]:
    yield 0.5
    return a


def tensor(a: Tensor) -> Image:
    return a


def bare(a: list) -> Image:  # type: ignore[type-arg]
    return a


def listed(a: list[int] = [1, 2]) -> int:  # noqa: B006
    return a[0]


def several(a: tuple[Image, ...]) -> Image:
    return a


def nested(a: list[list[int]]) -> int:
    return 0


def no_number(a: int = "3") -> int:  # type: ignore[assignment]
    return a


def half(a: int = 1.5) -> int:  # type: ignore[assignment]
    return a


def switched(a: int = True) -> int:
    return a


def number_for_text(a: str = 3) -> str:  # type: ignore[assignment]
    return a


def another_widget(a: Annotated[str, Int(min=0)]) -> str:
    return a


def standing(a: Annotated[int, Int(step=0)]) -> int:
    return a


def method(self, a: int) -> int:  # type: ignore[no-untyped-def]
    return a


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (unannotated, "'image' has no annotation"),
        (no_return, "no return annotation"),
        (positional, "cannot be given by name"),
        (no_socket, "is no socket type"),
        (only_for_types, "`Decimal`, which does not exist at run time"),
        (optional_without_default, "the parameter needs a default"),
        (none_without_optional, "so it is optional"),
        (empty_combo, "combo without values"),
        (bad_choice, "'b' is not one of its choices"),
        (upside_down, "min 3 is above max 1"),
        (below, "default 2 is below min 3"),
        (above, "default 4 is above max 3"),
        (strange_output, r"output 0: its type dict\[str, int\] is no socket type"),
        (either_output, r"gives IMAGE \| LATENT; an output has one type"),
        (lazy, "say with `needs` when"),
        (series, r"annotate its result `Generator\[Progress, None, Image\]`"),
        (series_of_progress, "does not say what it gives"),
        (falling, "give a range that rises"),
        (bounded_float, "leaves its bound out"),
        (fractions, r"yields float; yield `Progress\(value, maximum\)`"),
        (tensor, "say which: Image, Mask"),
        (bare, "a list of what"),
        (several, r"tuple\[IMAGE, ...\] is no socket type; a node takes whole lists as `list"),
        (nested, "list of lists"),
        (starred, r"write `\*\*images`, or `images: list\[...\]`"),
        (listed, r"default \[1, 2\] is a list; give the one value that the widget begins with"),
        (no_number, "default '3' is no int"),
        (half, "default 1.5 is no int"),
        (switched, "default True is no int"),
        (number_for_text, "default 3 is no str"),
        (another_widget, r"Int\(...\) is no widget of str"),
        (standing, "step 0 leads nowhere"),
        (method, "a method cannot be a node"),
    ],
)
def test_a_function_that_is_no_node_is_refused_at_once(function: Any, says: str) -> None:
    with pytest.raises(TypeError, match=says) as caught:
        node(type="X")(function)
    assert function.__name__ in str(caught.value)
    assert f"{Path(__file__).name}:{function.__code__.co_firstlineno}" in str(caught.value)


def test_a_class_is_no_node() -> None:
    with pytest.raises(TypeError, match="Thing is no function; write `@node` over a `def`"):
        node(Thing)


def test_what_asks_of_inputs_names_inputs() -> None:
    def function(a: int, b: Lazy[Image]) -> Image:
        return b

    with pytest.raises(TypeError, match="`needs` names 'c', which is no input; it can name a, b, inputs, missing"):
        node(needs=lambda c: [])(function)
    with pytest.raises(TypeError, match="`validate` names 'c'"):
        node(needs=lambda a: [], validate=lambda c: None)(function)
    with pytest.raises(TypeError, match="`change_token` names 'c'"):
        node(needs=lambda a: [], change_token=lambda c: None)(function)


def test_what_is_not_there_is_none_for_what_asks() -> None:
    @node(validate=lambda a, mask: f"{a} {mask}", change_token=lambda **inputs: inputs)
    def careful(a: int, mask: Mask | None = None) -> int:
        return a

    assert careful.complaint({"a": 1}, {}, RecordingContext()) == "1 None"
    assert careful.complaint({}, {"a": "INT", "mask": "MASK"}, RecordingContext()) == "None None"
    assert careful.change_token({"a": 1}, RecordingContext()) == {"a": 1}


def test_a_literal_may_name_members_of_an_enum_or_none() -> None:
    @node
    def some(mode: Literal[Mode.FAST, Mode.SLOW] = Mode.SLOW, how: Literal["a", None] = None) -> str:
        return f"{mode.name} {how}"

    mode, how = some.schema.inputs
    assert (mode.choices, mode.options["default"]) == ((Mode.FAST.value, Mode.SLOW.value), Mode.SLOW.value)
    assert (how.choices, how.presence) == (("a",), Presence.OPTIONAL)
    assert run_node(some, mode=Mode.FAST.value).values == ("FAST None",)
    assert run_node(some, how="a").values == ("SLOW a",)


def test_sockets_that_take_more_than_one_type() -> None:
    @node
    def either(a: Image | Mask, b: Any, c: object, d: list[Image | Mask], e: Latent | Mask | None = None) -> Any:
        return a

    assert [item.type for item in either.schema.inputs] == ["IMAGE,MASK", "*", "*", "IMAGE,MASK", "LATENT,MASK"]
    assert either.schema.inputs[4].presence is Presence.OPTIONAL
    assert either.schema.outputs[0].type == "*"


def test_the_context_may_be_left_out_where_the_function_is_called() -> None:
    @node
    def telling(a: int, context: NodeContext | None = None) -> str:
        return f"{a} {context.node if context else 'nobody'}"

    assert telling(1) == "1 nobody"
    assert [item.name for item in telling.schema.inputs] == ["a"]
    assert run_node(telling, a=1).values == ("1 1",)


def test_a_declaration_that_contradicts_the_function_is_refused() -> None:
    def function(a: int) -> Image:
        return a

    with pytest.raises(TypeError, match="another thing"):
        node(type="X", outputs=("MASK",))(function)
    with pytest.raises(TypeError, match="2 names for 1 outputs"):
        node(type="X", names=("a", "b"))(function)
    with pytest.raises(TypeError, match="no input is lazy"):
        node(type="X", needs=lambda inputs, missing: missing)(function)
    with pytest.raises(TypeError, match="needs `\\*\\*inputs`"):
        node(type="X", inputs=(Input("b", "INT"),))(function)
    with pytest.raises(TypeError, match="no lane 'nowhere'; there are device, cpu, io, async"):
        node(type="X", lane="nowhere")(function)


def test_a_library_collects_the_nodes_of_modules() -> None:
    import sys
    from types import ModuleType

    module = ModuleType("some_nodes")
    module.a = scale  # type: ignore[attr-defined]
    module.again = scale  # type: ignore[attr-defined]
    module.other = 3  # type: ignore[attr-defined]
    assert [entry.schema.type for entry in nodes_in([module])] == ["Scale"]
    assert scale in list(nodes_in([sys.modules[__name__]]))


def test_the_recording_context() -> None:
    context = RecordingContext(services=(Thing(),))
    assert isinstance(context.service(Thing), Thing)
    with pytest.raises(LookupError, match="Mode"):
        context.service(Mode)
    assert context.temporary_folder().is_dir()
    context.temporary_folder().rmdir()
