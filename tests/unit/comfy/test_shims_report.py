"""What a pack asks for and does not get, told without running it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from limner.comfy.shims import Bridge, install, uninstall
from limner.comfy.shims.report import MissingName, missing, wanted
from limner.files import Folders
from limner.plugins.services import Services

PACK = """
import os.path
import comfy.utils
import comfy.ldm.wan.model as wan
from comfy.samplers import KSampler, NotOfComfyUI
from comfy.ldm.modules.diffusionmodules.mmdit import JointBlock

raise SystemExit("a pack that is looked at is not run")

def use():
    comfy.utils.common_upscale(KSampler.SAMPLERS)
    return wan.WanModel.forward, comfy.no_such_part
"""


@pytest.fixture
def pack(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "pack"
    (folder / "tests").mkdir(parents=True)
    (folder / "__init__.py").write_text(PACK)
    (folder / "broken.py").write_text("def (:")
    (folder / "tests" / "test_it.py").write_text("import comfy.gligen")
    finder = install(Bridge(Folders.under(tmp_path), Services()))
    yield folder
    uninstall(finder)


def test_names_are_found_through_imports_and_attributes(pack: Path) -> None:
    found = wanted(pack)
    assert found["comfy.utils.common_upscale"] == ["__init__.py:11"]
    assert {"comfy.samplers.KSampler", "comfy.ldm.wan.model.WanModel.forward"} <= found.keys()
    assert not any(name.startswith(("os", "comfy.gligen")) for name in found)


def test_what_is_missing_is_told_with_whether_comfyui_has_it(pack: Path) -> None:
    assert missing(pack) == [
        MissingName("comfy.ldm.modules.diffusionmodules.mmdit.JointBlock", True, ("__init__.py:6",)),
        MissingName("comfy.ldm.wan.model.WanModel.forward", True, ("__init__.py:12",)),
        MissingName("comfy.no_such_part", False, ("__init__.py:12",)),
        MissingName("comfy.samplers.NotOfComfyUI", False, ("__init__.py:5",)),
    ]
