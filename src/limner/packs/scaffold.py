"""A new pack to begin with: nodes, a test of them, and what a registry wants to know."""

from __future__ import annotations

import re
from pathlib import Path

from .errors import PackExists
from .places import checked_name
from .records import toml

INIT = '''\
"""{title}."""

from . import nodes  # every @node function in it is a node of this pack
'''

NODES = '''\
"""The nodes. Each is a typed function: its parameters are its inputs, what it returns are its outputs."""

from __future__ import annotations

from collections.abc import Generator
from typing import Annotated, Literal

from limner.sdk import Float, Image, Progress, node


@node
def {prefix}_brighten(
    image: Image,
    amount: Annotated[float, Float(default=1.2, min=0, max=4, step=0.05, tooltip="1 changes nothing")],
    channel: Literal["all", "red", "green", "blue"] = "all",
) -> Image:
    """Make a picture brighter, or one of its colours."""
    picture = image.clone()
    part = slice(None) if channel == "all" else ["red", "green", "blue"].index(channel)
    picture[..., part] = (picture[..., part] * amount).clamp(0, 1)
    return picture


@node
def {prefix}_blend(images: list[Image]) -> Generator[Progress, None, Image]:
    """The mean of several pictures of one size; it tells how far it is."""
    total = images[0] * 0
    for number, picture in enumerate(images, start=1):
        total = total + picture
        yield Progress(number, len(images), preview=total / number)
    return total / len(images)
'''

TESTS = '''\
"""Run with: pytest tests"""

from pathlib import Path

import torch

from limner.sdk.testing import RecordingContext, load_pack, run_node

nodes = load_pack(Path(__file__).parents[1]).nodes


def test_brighten() -> None:
    grey = torch.full((1, 8, 8, 3), 0.5)
    (picture,) = run_node(nodes.{prefix}_brighten, image=grey, amount=1.5, channel="red").values
    assert picture[0, 0, 0].tolist() == [0.75, 0.5, 0.5]


def test_blend_tells_how_far_it_is() -> None:
    context = RecordingContext()
    black, white = torch.zeros(1, 8, 8, 3), torch.ones(1, 8, 8, 3)
    (picture,) = run_node(nodes.{prefix}_blend, context, images=[black, white]).values
    assert picture.mean() == 0.5
    assert [report[:2] for report in context.reports] == [(1, 2), (2, 2)]
'''

PROJECT = """\
[project]
name = {name}
description = "What it does, in one line."
version = "0.1.0"
dependencies = []  # what its code imports beyond torch, numpy and Pillow

[project.urls]
Repository = ""

[tool.comfy]
PublisherId = ""
DisplayName = {title}
"""

PYTEST = """\
# Here, so that pytest does not take the pack itself for a package that it may import.
[pytest]
addopts = --import-mode=importlib
"""

README = """\
# {title}

Nodes for Limner. They are in `nodes.py`; try them with

    limner serve --reload

and save that file: the nodes change in the editor at once. Their tests are in `tests/`: run
`pytest tests`.
"""


def scaffold(folder: Path, name: str) -> list[Path]:
    """Write a pack of this name into the folder; gives its files. Raises PackProblem."""
    target = folder / checked_name(name, "Choose another")
    if target.exists():
        raise PackExists(f"{target} is there already", "Choose another name")
    words = [word for word in re.split(r"[^0-9A-Za-z]+", name) if word]
    prefix = re.sub(r"^(?=\d)", "n", "_".join(words).lower()) or "my"
    title = " ".join(word[:1].upper() + word[1:] for word in words) or name
    said = {"prefix": prefix, "title": title, "name": toml("-".join(words).lower() or "my-pack")}
    files = {
        "__init__.py": INIT.format(**said),
        "nodes.py": NODES.format(**said),
        "tests/test_nodes.py": TESTS.format(**said),
        "tests/pytest.ini": PYTEST,
        "pyproject.toml": PROJECT.format(**{**said, "title": toml(title)}),
        "README.md": README.format(**said),
    }
    for inside, text in files.items():
        (target / inside).parent.mkdir(parents=True, exist_ok=True)
        (target / inside).write_text(text, "utf-8")
    return [target / inside for inside in files]
