"""The code of the pages for authors of nodes works as it stands there."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import limner.sdk
import limner.sdk.testing
from limner.graph import Lane, Presence
from limner.sdk.testing import RecordingContext, run_node
from tests.support.pack_host import PackHost, pack_host

DOCS = Path(__file__).parents[3] / "docs"
BLOCK = re.compile(r"^```python title=\"([^\"]+)\"( append)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")


def blocks(page: str) -> list[tuple[str, bool, str]]:
    """Title, whether it is added to what is there, and code."""
    found = BLOCK.findall((DOCS / page).read_text("utf-8"))
    return [(title, bool(append), code) for title, append, code in found]


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """The tutorial's pack, as its reader has it in the end."""
    folder = tmp_path / "custom_nodes"
    for title, append, code in blocks("tutorial/your-first-node.md"):
        path = folder / title
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text((path.read_text() if append else "") + code)
    return folder


@pytest.fixture
def host(written: Path, tmp_path: Path) -> Iterator[PackHost]:
    with pack_host(tmp_path, written) as host:
        yield host


def test_the_first_state_of_the_tutorial_is_a_pack_already(tmp_path: Path) -> None:
    title, _, code = blocks("tutorial/your-first-node.md")[0]
    assert title == "soften/__init__.py"
    (tmp_path / "packs" / "soften").mkdir(parents=True)
    (tmp_path / "packs" / title).write_text(code)
    with pack_host(tmp_path / "base", tmp_path / "packs") as host:
        assert not host.problems
        schema = host.schema("InvertColours")
        assert (schema.display_name, schema.category) == ("Invert Colours", "soften")
        assert schema.description == "Turn every colour into its opposite."


def test_the_tutorials_nodes_are_what_it_says(host: PackHost) -> None:
    assert not host.problems
    assert set(host.core.library) == {"InvertColours", "Measure", "Soften", "SaveNote"}
    inputs = {item.name: item for item in host.schema("InvertColours").inputs}
    assert inputs["channel"].choices == ("all", "red", "green", "blue")
    assert inputs["mask"].presence is Presence.OPTIONAL
    assert inputs["amount"].options["tooltip"] == "0 changes nothing"
    assert [output.name for output in host.schema("Measure").outputs] == ["width", "height", "pictures"]
    assert host.schema("SaveNote").traits.lane is Lane.IO and host.schema("SaveNote").category == "soften/text"


async def test_the_tutorials_nodes_run(host: PackHost) -> None:
    image = torch.rand(2, 6, 8, 3)
    (red,) = await host.values("InvertColours", image=image, amount=1.0, channel="red")
    assert torch.equal(red[..., 0], 1 - image[..., 0]) and torch.equal(red[..., 1:], image[..., 1:])
    (masked,) = await host.values("InvertColours", image=image, amount=1.0, channel="all", mask=torch.zeros(2, 6, 8))
    assert torch.equal(masked, image)
    assert await host.values("Measure", image=image) == [8, 6, 2]
    (soft,) = await host.values("Soften", image=image, rounds=5)
    assert soft.shape == image.shape and soft.std() < image.std()
    await host.end("SaveNote", text="Grüße", name="a")
    assert (host.bridge.folders.output / "a.txt").read_text("utf-8") == "Grüße"


def test_the_tutorials_own_test_passes(written: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "soften/tests"]
    done = subprocess.run(command, cwd=written, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The names of all code of the how-to, which is a pack with a file for each part of it."""
    folder = tmp_path_factory.mktemp("packs") / "shown"
    folder.mkdir()
    for title, _, code in blocks("how-to/write-a-pack.md"):
        (folder / f"{title.replace(' ', '_')}.py").write_text(code)
    parts = [path.stem for path in folder.glob("*.py")]
    (folder / "__init__.py").write_text("".join(f"from . import {part}\n" for part in sorted(parts)))
    pack = limner.sdk.testing.load_pack(folder)
    return {name: value for part in parts for name, value in vars(getattr(pack, part)).items()}


def test_the_how_tos_nodes(shown: dict[str, Any], tmp_path: Path) -> None:
    assert run_node(shown["join_texts"], texts=["a", "b"]).values == ("a, b",)
    assert run_node(shown["split_text"], text="a, b").values == (["a", "b"],)
    assert shown["split_text"].schema.outputs[0].is_list
    choose = shown["choose"]
    assert choose.needs({"first": False}, ("a", "b"), RecordingContext()) == ["b"]
    assert run_node(shown["mean_of"], **{"images.image0": 1, "images.image1": 3}).values == (2.0,)
    assert run_node(shown["count"], **{"values.value0": 1.0, "values.value1": 3.0}).values == (2,)
    with pytest.raises(ValueError, match=r"values\.value1 is missing"):
        run_node(shown["count"], **{"values.value0": 1.0})
    assert run_node(shown["place"], image=1).values == ("Fit(width=256)",)
    assert run_node(shown["place"], image=1, how="Crop").values == ("Crop(side=256)",)
    assert run_node(shown["wait"]).values == (0.01,)
    context = RecordingContext()
    assert run_node(shown["count_down"], context).values == ("done",)
    assert context.reports[-1] == (3, 3, "1 left")
    read = shown["read_text"]
    (tmp_path / "a.txt").write_text("x")
    assert read.complaint({"path": "a.png"}, {}, RecordingContext()) == "a.png is no text file"
    assert read.change_token({"path": str(tmp_path / "a.txt")}, RecordingContext()) is not None
    assert run_node(shown["first_colour"], palette=run_node(shown["palette"]).values[0]).values == ("red",)
    assert shown["palette"].schema.outputs[0].type == "SOFTEN_PALETTE"


def test_the_message_that_the_how_to_shows_is_the_one_that_comes() -> None:
    text = (DOCS / "how-to/write-a-pack.md").read_text("utf-8")
    with pytest.raises(TypeError) as caught:

        @limner.sdk.node
        def soften(image) -> limner.sdk.Image:  # type: ignore[no-untyped-def]
            return image

    message = str(caught.value).split("): ")[1]
    assert message in text


def test_the_reference_has_every_name() -> None:
    code = set(re.findall(r"\w+", " ".join(CODE.findall((DOCS / "reference/sdk.md").read_text("utf-8")))))
    public = {
        name
        for name, value in vars(limner.sdk.testing).items()
        if (inspect.isclass(value) or inspect.isfunction(value)) and value.__module__ == "limner.sdk.testing"
    }
    names = {*limner.sdk.__all__, *(name for name in public if not name.startswith("_"))}
    assert sorted(name for name in names if name not in code) == []
    arguments = [name for name in inspect.signature(limner.sdk.node).parameters if name != "function"]
    assert [name for name in arguments if name not in code] == []
    methods = [name for name in vars(limner.sdk.NodeContext) if not name.startswith("_")]
    assert [name for name in methods if name not in code] == []
