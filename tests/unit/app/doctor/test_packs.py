"""Packs as the doctor finds them, without running them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from limner.app.doctor import Finding, Level, packs
from limner.app.folders import folders_of
from limner.app.quarantine import AT_IMPORT, Quarantine
from limner.settings import resolve


def looked(base: Path) -> Mapping[str, Finding]:
    settings = resolve({"base_directory": str(base)}, {})
    return {finding.what: finding for finding in packs.findings(settings, folders_of(settings))}


def pack(base: Path, name: str, **files: str) -> Path:
    folder = base / "custom_nodes" / name
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise SystemExit('this must not run')")
    for file, text in files.items():
        (folder / file.replace("_txt", ".txt").replace("_toml", ".toml")).write_text(text)
    return folder


def test_none_is_a_note_that_says_how_to_get_one(tmp_path: Path) -> None:
    assert looked(tmp_path)["packs"].remedy == "Get one with: limner packs install SOURCE"


def test_packs_that_are_well_are_one_line(tmp_path: Path) -> None:
    pack(tmp_path, "one", requirements_txt="numpy>=1\n# a comment\n")
    pack(tmp_path, "two.disabled")
    found = looked(tmp_path)
    assert set(found) == {"packs"} and found["packs"].found == "1 on, 1 off: one"


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    pack(tmp_path, "one", requirements_txt="no-such-package>=2\nnumpy<0.1\npackaging\n")
    found = looked(tmp_path)["pack one"]
    assert found.level is Level.WARNING and found.found == "requires what is not there: no-such-package>=2, numpy<0.1"
    assert "limner packs install" in found.remedy


def test_a_quarantined_pack_says_why_and_how_it_comes_back(tmp_path: Path) -> None:
    pack(tmp_path, "one")
    settings = resolve({"base_directory": str(tmp_path)}, {})
    for _ in range(AT_IMPORT):
        Quarantine(folders_of(settings)).blame("one", "its host was killed")
    quarantine = Quarantine(folders_of(settings))
    while not quarantine.blame("one", "its host was killed"):
        pass
    found = looked(tmp_path)["pack one"]
    assert "its host was killed" in found.found and "limner packs enable one" in found.remedy


def test_a_manifest_that_is_none_is_told(tmp_path: Path) -> None:
    pack(tmp_path, "one", limner_toml="[broken\n")
    assert "cannot be read" in looked(tmp_path)["pack one"].found


@pytest.mark.parametrize(
    ("line", "met"),
    [
        ("numpy", True),
        ("NumPy>=1", True),
        ("numpy>=99", False),
        ("none", False),
        ("none; python_version < '3'", True),
        ("numpy  # why", True),
        ("-r other.txt", True),
        ("torch==2.1.0", True),
    ],
)
def test_requirements_are_compared_as_pip_does(line: str, met: bool) -> None:
    assert packs.met(line, {"numpy": "1.26.4", "torch": "2.1.0+cpu"}) is met
