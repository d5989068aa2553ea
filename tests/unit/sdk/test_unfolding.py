"""Dynamic inputs: those that grow with what is linked, and choices that bring inputs with them."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest

from limner.graph import Input, Presence
from limner.sdk import Files, Grow, Image, Int, Lazy, Mask, Options, node
from limner.sdk.testing import RecordingContext, run_node


class Edge(enum.Enum):
    HARD = "hard"
    SOFT = "soft"


@dataclass(frozen=True)
class Fit:
    """Into a box."""

    width: Annotated[int, Int(default=512, min=64, max=4096, step=8)] = 512
    edge: Edge = Edge.SOFT


@dataclass(frozen=True)
class Crop:
    """Out of the middle."""

    side: Annotated[int, Int(min=1, max=100)]
    like: Image | None = None
    mode: Literal["a", "b"] = "a"


@node
def blend(base: Image, **images: Image) -> str:
    return f"{base} {sorted(images.items())}"


@node
def collect(
    parts: dict[str, Annotated[int, Int(min=0), Grow(min=0, max=3, prefix="p")]],
    masks: Annotated[dict[str, Mask], Grow(names=("left", "right"))],
) -> str:
    return f"{parts} {masks}"


@node
def resize(image: Image, how: Annotated[Fit | Crop, Options(tooltip="what to do")] = Fit(256)) -> str:
    return repr(how)


def test_inputs_grow_with_what_is_linked() -> None:
    base, images = blend.schema.inputs
    assert base == Input("base", "IMAGE")
    template = {"input": {"required": {"image": ["IMAGE", {}]}}, "min": 1, "prefix": "image", "max": 10}
    assert images == Input("images", "COMFY_AUTOGROW_V3", Presence.OPTIONAL, options={"template": template})
    assert blend.schema.traits.takes_any_inputs
    given = {"images.image1": 2, "images.image0": 1, "base": 0, "other": 5}
    assert run_node(blend, **given).values == ("0 [('image0', 1), ('image1', 2)]",)
    with pytest.raises(ValueError, match=r"images\.image0 is missing: link at least 1"):
        run_node(blend, base=0)


def test_they_may_come_as_a_dict_and_have_names() -> None:
    parts, masks = collect.schema.inputs
    assert parts.options["template"] == {
        "input": {"required": {}, "optional": {"p": ["INT", {"min": 0, "forceInput": True}]}},
        "min": 0,
        "prefix": "p",
        "max": 3,
    }
    assert masks.options["template"]["names"] == ["left", "right"]  # type: ignore[index]
    assert run_node(collect, **{"parts.p2": 5, "masks.left": 1}).values == ("{'p2': 5} {'left': 1}",)


@pytest.mark.parametrize(
    ("inputs", "linked", "says"),
    [
        ({}, {"masks.left": "MASK"}, None),
        ({"parts.p0": 3}, {"masks.left": "MASK", "parts.p1": "INT"}, None),
        ({}, {}, "masks.left is missing"),
        ({"parts.p0": -1}, {"masks.left": "MASK"}, "parts.p0: Value -1 smaller than min of 0"),
        ({}, {"masks.left": "IMAGE"}, "masks.left takes MASK, and is linked to IMAGE"),
        ({}, {"masks.left": "MASK", "parts.p3": "INT"}, "parts.p3: parts grows to parts.p2"),
    ],
)
def test_what_is_wrong_with_them_is_said_before_a_run(
    inputs: dict[str, object], linked: dict[str, str], says: str | None
) -> None:
    assert collect.schema.traits.has_validation
    complaint = collect.complaint({**dict.fromkeys(linked), **inputs}, linked, RecordingContext())
    assert complaint is None if says is None else complaint is not None and complaint.startswith(says)


def test_a_choice_brings_its_inputs() -> None:
    _image, how = resize.schema.inputs
    assert how.type == "COMFY_DYNAMICCOMBO_V3"
    assert how.options["tooltip"] == "what to do"
    fit, crop = how.options["options"]  # type: ignore[misc]
    assert fit == {
        "key": "Fit",
        "inputs": {
            "required": {
                "width": ["INT", {"default": 256, "min": 64, "max": 4096, "step": 8}],
                "edge": ["COMBO", {"default": "soft", "options": ["hard", "soft"]}],
            }
        },
    }
    assert crop["inputs"]["optional"] == {"like": ["IMAGE", {}]}
    assert run_node(resize, image=1).values == ("Fit(width=256, edge=<Edge.SOFT: 'soft'>)",)
    given: dict[str, Any] = {"how": "Fit", "how.width": "64", "how.edge": "hard"}
    assert run_node(resize, image=1, **given).values == ("Fit(width=64, edge=<Edge.HARD: 'hard'>)",)
    given = {"how": "Crop", "how.side": 7, "how.like": 9}
    assert run_node(resize, image=1, **given).values == ("Crop(side=7, like=9, mode='a')",)
    with pytest.raises(ValueError, match=r"how\.side is missing, which Crop needs"):
        run_node(resize, image=1, how="Crop")


@pytest.mark.parametrize(
    ("inputs", "linked", "says"),
    [
        ({"how": "Crop", "how.side": 5}, {"how.like": "IMAGE"}, None),
        ({"how": "Turn"}, {}, "how is 'Turn'; it can be Fit, Crop"),
        ({}, {}, "how is None"),
        ({}, {"how": "STRING"}, "how is a choice, and takes no link"),
        ({"how": "Crop", "how.side": 101}, {}, "how.side: Value 101 bigger than max of 100"),
        ({"how": "Crop", "how.side": "x"}, {}, "how.side: Failed to convert"),
        ({"how": "Crop", "how.side": 1, "how.mode": "c"}, {}, "how.mode: Value not in list"),
        ({"how": "Crop", "how.side": 1}, {"how.like": "MASK"}, "how.like takes IMAGE"),
    ],
)
def test_what_is_wrong_with_a_choice_is_said_before_a_run(
    inputs: dict[str, object], linked: dict[str, str], says: str | None
) -> None:
    complaint = resize.complaint({**dict.fromkeys(linked), **inputs}, linked, RecordingContext())
    assert complaint is None if says is None else complaint is not None and complaint.startswith(says)


def test_the_class_of_the_default_comes_first() -> None:
    @node
    def other(how: Fit | Crop = Crop(3)) -> str:
        return repr(how)

    options: Any = other.schema.inputs[0].options["options"]
    assert [option["key"] for option in options] == ["Crop", "Fit"]
    assert options[0]["inputs"]["required"]["side"][1]["default"] == 3


@dataclass
class WithFiles:
    name: Annotated[str, Files("loras")]


def too_many(**images: Annotated[Image, Grow(max=101)]) -> int:
    return 0


def lists(**images: list[Image]) -> int:
    return 0


def lazily(**images: Lazy[Image]) -> int:
    return 0


def files(how: WithFiles | Fit) -> int:
    return 0


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (too_many, "grows from 1 to 101; it can grow from 0 to 100"),
        (lists, "leave the `list"),
        (lazily, "inputs that grow cannot be lazy"),
        (files, "files of a folder cannot be chosen inside"),
    ],
)
def test_what_cannot_be_is_refused_at_once(function: Any, says: str) -> None:
    with pytest.raises(TypeError, match=says):
        node(function)


def test_validation_of_the_authors_own_comes_after() -> None:
    @node(validate=lambda base: "too small" if base < 1 else None)
    def checked(base: int, **images: Image) -> int:
        return base

    assert checked.schema.traits.validated_inputs == ("base", "images")
    context = RecordingContext()
    assert checked.complaint({"base": 0}, {}, context) == "images.image0 is missing: link at least 1"
    assert checked.complaint({"base": 0, "images.image0": None}, {"images.image0": "IMAGE"}, context) == "too small"
