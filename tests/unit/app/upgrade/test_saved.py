"""The workflows that people have saved."""

from __future__ import annotations

import json
from pathlib import Path

from limner.app.upgrade.saved import saved
from limner.settings import resolve
from limner.workflows import Kept, Library


async def test_of_the_editor_and_of_endpoints_and_whose_they_are(tmp_path: Path) -> None:
    user = tmp_path / "user"
    for name in (
        "default/workflows/a.json",
        "default/workflows/deep/b.json",
        "default/workflows/.index.json",
        "default/comfy.settings.json",
        "profiles/ann/workflows/c.json",
        "limner/packages/x/workflows/no.txt",
    ):
        (user / name).parent.mkdir(parents=True, exist_ok=True)
        (user / name).write_text("{}")
    library = Library(user / "limner")
    prompt = {"1": {"class_type": "EmptyImage", "inputs": {}}}
    for version in (1, 2):
        await library.workflows.add(Kept("portrait", version, "ann", prompt, (), ()), next_version=False)
    library.close()
    found = saved(resolve({"base_directory": tmp_path}, {}), tmp_path / "scratch")
    assert [(each.name, each.owner) for each in found] == [
        ("a.json", ""),
        ("deep/b.json", ""),
        ("ann: c.json", "ann"),
        ("ann: portrait, version 2", "ann"),
    ]
    assert json.loads(found[-1].file.read_text()) == prompt


def test_where_nobody_has_saved_anything(tmp_path: Path) -> None:
    assert saved(resolve({"base_directory": tmp_path}, {}), tmp_path / "scratch") == []
    assert not (tmp_path / "user").exists()
