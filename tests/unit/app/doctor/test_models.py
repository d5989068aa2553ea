"""Model files that would fail when they are loaded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from limner.app.doctor import Finding, Level, models
from limner.app.folders import folders_of
from limner.settings import resolve


@pytest.fixture
def checkpoints(tmp_path: Path) -> Path:
    folder = tmp_path / "models" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def looked(base: Path, **given: object) -> Mapping[str, Finding]:
    settings = resolve({"base_directory": str(base), **given}, {})
    return {finding.what: finding for finding in models.findings(settings, folders_of(settings))}


def good(path: Path) -> Path:
    save_file({"a": np.zeros((100, 100), np.float32)}, path)
    return path


def test_without_models_it_says_where_they_go(tmp_path: Path, checkpoints: Path) -> None:
    found = looked(tmp_path)["models"]
    assert found.level is Level.NOTE and str(checkpoints) in found.remedy


def test_good_files_are_counted(tmp_path: Path, checkpoints: Path) -> None:
    good(checkpoints / "a.safetensors")
    good(checkpoints / "b.safetensors")
    found = looked(tmp_path)
    assert set(found) == {"models"} and found["models"].level is Level.OK
    assert found["models"].found.startswith("2 checkpoints")


def test_each_kind_of_bad_file_is_told_with_its_remedy(tmp_path: Path, checkpoints: Path) -> None:
    whole = good(checkpoints / "whole.safetensors").read_bytes()
    (checkpoints / "cut.safetensors").write_bytes(whole[:-100])
    (checkpoints / "page.safetensors").write_text("<!DOCTYPE html><p>Not found")
    (checkpoints / "empty.safetensors").touch()
    (checkpoints / "pointer.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\n")
    (checkpoints / "gone.safetensors").symlink_to(tmp_path / "nowhere")
    found = looked(tmp_path)
    said = {name.removeprefix("checkpoints/").partition(".")[0]: found[name] for name in found if "/" in name}
    assert set(said) >= {"cut", "page", "empty", "pointer"} and "whole" not in said
    assert all(one.level is Level.WARNING and one.remedy for one in said.values())
    assert "cut off or damaged" in said["cut"].found and "git lfs pull" in said["pointer"].remedy


def test_pickled_models_are_told_unless_they_are_allowed(tmp_path: Path, checkpoints: Path) -> None:
    (checkpoints / "old.ckpt").write_bytes(b"PK\x03\x04 some pickle")
    assert "--allow-pickle" in looked(tmp_path)["pickled models"].remedy
    assert "pickled models" not in looked(tmp_path, allow_pickle=True)


def test_a_folder_of_extra_model_paths_that_is_not_there_is_told(tmp_path: Path, checkpoints: Path) -> None:
    (tmp_path / "extra_model_paths.yaml").write_text(f"other:\n  base_path: {tmp_path}x\n  loras: loras\n")
    assert looked(tmp_path)["loras"].found == f"the folder {tmp_path}x/loras is not there"
