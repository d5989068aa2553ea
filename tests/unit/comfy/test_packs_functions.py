"""Packs whose nodes are functions: found beside classes, placed, run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from limner.engine.values import Demand, Values
from limner.graph import Lane
from tests.support.pack_host import PackHost, pack_host

SOFT = '''
"""A pack of functions."""
from collections.abc import Generator
from limner.sdk import Lazy, NodeContext, Progress, node
from .more import double
from limner.nodes.image.basics import invert  # a built-in node, which is not the pack's


@node
def count_up(to: int, context: NodeContext) -> Generator[Progress, None, int]:
    """Count."""
    for step in range(to):
        yield Progress(step + 1, to)
    (context.temporary_folder() / "x").touch()
    return to


@node(type="SoftEither", category="elsewhere", lane="io", needs=lambda first: ["a"] if first else ["b"])
def either(first: bool, a: Lazy[int], b: Lazy[int]) -> int:
    return a if first else b


@node
async def wait_for(value: int) -> int:
    return value
'''
MORE = """
from limner.sdk import node

class Old:
    RETURN_TYPES = ("INT",)
    FUNCTION = "run"
    CATEGORY = "old"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"value": ("INT", {})}}

    def run(self, value):
        return (value + 1,)

NODE_CLASS_MAPPINGS = {"SoftOld": Old}


@node
def double(value: int) -> int:
    return value * 2


@node(type="SoftOld")
def same(value: int) -> int:
    return value
"""


@pytest.fixture
def host(tmp_path: Path) -> Iterator[PackHost]:
    packs = tmp_path / "packs"
    (packs / "soft").mkdir(parents=True)
    (packs / "soft" / "__init__.py").write_text(SOFT + "\nfrom .more import NODE_CLASS_MAPPINGS\n")
    (packs / "soft" / "more.py").write_text(MORE)
    (packs / "soft" / "pyproject.toml").write_text('[tool.limner]\nlane = "cpu"\n')
    (packs / "single.py").write_text("from limner.sdk import node\n\n@node\ndef one() -> int:\n    return 1\n")
    (packs / "aside").mkdir()
    (packs / "aside" / "__init__.py").touch()
    (packs / "aside" / "nodes.py").write_text("from limner.sdk import node\n\n@node\ndef two() -> int:\n    return 2\n")
    (packs / "wrong.py").write_text("from limner.sdk import node\n\n@node\ndef bad(image) -> int:\n    return 1\n")
    with pack_host(tmp_path / "base", packs) as host:
        yield host


def test_functions_are_found_wherever_the_pack_defines_them(host: PackHost) -> None:
    assert set(host.core.library) == {"CountUp", "SoftEither", "WaitFor", "Double", "SoftOld", "One", "Two"}
    schema = host.schema("CountUp")
    assert (schema.category, schema.module, schema.display_name) == ("soft", "custom_nodes.soft", "Count Up")
    assert host.schema("SoftEither").category == "elsewhere"
    assert host.schema("One").module == "custom_nodes.single"


def test_what_is_wrong_is_said(host: PackHost) -> None:
    defined_twice, wrong = host.problems
    assert defined_twice == "node SoftOld: it is defined twice; give one of them another type"
    assert wrong.startswith("TypeError: @node bad (") and "wrong.py:3" in wrong
    assert "'image' has no annotation; say its type, e.g. `image: Image`" in wrong


def test_lanes_of_the_manifest_hold_where_the_function_says_none(host: PackHost) -> None:
    lanes = {name: host.schema(name).traits.lane for name in ("CountUp", "SoftEither", "WaitFor", "SoftOld", "One")}
    assert lanes == {
        "CountUp": Lane.CPU,
        "SoftEither": Lane.IO,
        "WaitFor": Lane.ASYNC,
        "SoftOld": Lane.CPU,
        "One": Lane.DEVICE,
    }


async def test_they_run(host: PackHost) -> None:
    assert await host.values("CountUp", to=3) == [3]
    assert await host.values("WaitFor", value=4) == [4]
    assert await host.values("SoftOld", value=4) == [5], "the class keeps its type"
    assert await host.end("SoftEither", first=False, a=..., b=...) == Demand(("b",))
    assert isinstance(await host.end("SoftEither", first=False, a=..., b=2), Values)


def test_other_packs_find_them_among_the_classes(host: PackHost) -> None:
    cls = host.bridge.classes["Double"]
    assert (cls.FUNCTION, cls.RETURN_TYPES) == ("execute", ("INT",))
    assert "Double" in cls.__name__
