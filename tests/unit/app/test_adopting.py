"""Taking over what a ComfyUI has: models by reference, workflows and settings as copies; nothing is lost."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from limner.app.adopting import Taken, take
from limner.comfy.adopted.folder import ComfyFolder, NoComfyUI, read_settings
from limner.files import Folders
from limner.files.extra_paths import read_extra_paths

TREE = Path(__file__).parents[2] / "fixtures" / "comfyui"


@pytest.fixture
def comfyui(tmp_path: Path) -> ComfyFolder:
    place = tmp_path / "My 'Comfy' UI"
    shutil.copytree(TREE, place, ignore=shutil.ignore_patterns("__pycache__"))
    return ComfyFolder.at(place, needs_python=False)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders.under(tmp_path / "base")


def test_what_is_there(comfyui: ComfyFolder) -> None:
    assert comfyui.version == "0.3.64" and comfyui.python is None
    assert {kind: [file.name for file in files] for kind, files in comfyui.models().items()} == {
        "checkpoints": ["one.safetensors"]
    }
    assert comfyui.packs() == ["broken_pack", "small_pack"]
    assert [file.name for file in comfyui.workflows()] == ["first.json"]
    settings = comfyui.settings()
    assert settings is not None and read_settings(settings) == {"Comfy.ColorPalette": "light"}


def test_it_is_taken_over_once(comfyui: ComfyFolder, folders: Folders) -> None:
    assert take(comfyui, folders) == Taken(True, 1, True)
    again = Folders.under(folders.base)
    assert "one.safetensors" in again.model_files("checkpoints")
    assert (folders.user / "default" / "workflows" / "first.json").is_file()
    assert take(comfyui, again) == Taken(False, 0, False)


def test_what_limner_has_stays(comfyui: ComfyFolder, folders: Folders) -> None:
    file = folders.base / "extra_model_paths.yaml"
    mine = folders.user / "default" / "comfy.settings.json"
    for path, text in ((file, "# mine\ncomfyui:\n  base_path: /elsewhere\n  vae: vae"), (mine, "{}")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert take(comfyui, folders) == Taken(True, 1, False)
    assert mine.read_text() == "{}"
    assert file.read_text().startswith("# mine\n")
    assert {extra.kind: extra.path for extra in read_extra_paths(file)} == {
        "vae": Path("/elsewhere/vae"),
        "checkpoints": comfyui.path / "models" / "checkpoints",
    }


def test_its_python_is_found_in_its_environment(comfyui: ComfyFolder) -> None:
    with pytest.raises(NoComfyUI, match="no Python"):
        ComfyFolder.at(comfyui.path)
    python = comfyui.path / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\necho 3.12\n")
    python.chmod(0o755)
    found = ComfyFolder.at(comfyui.path)
    assert found.python == python and found.minor() == "3.12"
    python.write_text("#!/bin/sh\necho broken >&2; exit 1\n")
    with pytest.raises(NoComfyUI, match="does not run: broken"):
        found.minor()
    with pytest.raises(NoComfyUI, match="is no Python"):
        ComfyFolder.at(comfyui.path, comfyui.path / "main.py")
