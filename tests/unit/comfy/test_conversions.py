"""Official templates become the prompts that the official editor makes of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from limner.comfy.editor import read_document, to_prompt
from limner.comfy.object_info import describe, read_schema
from limner.graph import Catalog
from limner.server.frontend import package_folder

FIXTURES = Path(__file__).parents[2] / "fixtures" / "conversions"
PROMPTS: dict[str, Any] = json.loads((FIXTURES / "prompts.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    entries = json.loads((FIXTURES / "object_info.json").read_text("utf-8"))
    return Catalog(read_schema(entry) for entry in entries.values())


def template(name: str) -> Any:
    kept = FIXTURES / f"{name}.json"
    if kept.is_file():
        return json.loads(kept.read_text("utf-8"))
    package = package_folder("comfyui_workflow_templates_json")
    assert package is not None, "install comfyui-workflow-templates, which limner depends on"
    return json.loads((package / "templates" / f"{name}.json").read_text("utf-8"))


@pytest.mark.parametrize("name", PROMPTS)
def test_a_template_converts_as_in_the_editor(name: str, catalog: Catalog) -> None:
    prompt = to_prompt(read_document(template(name)), catalog)
    expected = PROMPTS[name]
    assert prompt == expected
    assert list(prompt) == list(expected), "the nodes stand in another order"
    assert [list(node["inputs"]) for node in prompt.values()] == [list(node["inputs"]) for node in expected.values()]


def test_schemas_survive_being_read_from_object_info(catalog: Catalog) -> None:
    entries = json.loads((FIXTURES / "object_info.json").read_text("utf-8"))
    for name, entry in entries.items():
        told = describe(catalog[name], lambda _: ())
        assert {key: told[key] for key in entry} == entry
