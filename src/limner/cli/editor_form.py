"""The editor's form of a workflow whose inputs were changed in API form, so that saved files open as what was run."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from limner.graph import Catalog, InvalidGraph

from .workflow_file import Prompt

if TYPE_CHECKING:
    from limner.comfy.object_info import ListFiles


def in_step(
    workflow: Mapping[str, Any] | None, prompt: Prompt, catalog: Catalog, choices: ListFiles
) -> Mapping[str, Any] | None:
    """The editor's form with the values of the prompt in its widgets; None where that would not be the same workflow.

    A file without the editor's form opens from its prompt, with a layout that the editor makes.
    """
    if workflow is None or _says(workflow, prompt, catalog, choices):
        return workflow
    changed = copy.deepcopy(dict(workflow))
    for node in changed.get("nodes") or ():
        if isinstance(node, dict) and isinstance(node.get("widgets_values"), list):
            _fill(node, prompt.get(str(node.get("id")), {}), catalog, choices)
    return changed if _says(changed, prompt, catalog, choices) else None


def _fill(node: dict[str, Any], entry: Mapping[str, Any], catalog: Catalog, choices: ListFiles) -> None:
    from limner.comfy.editor.widgets import widgets_of

    schema = catalog.get(str(node.get("type")))
    if schema is None:
        return
    widgets = [widget for widget in widgets_of(schema, choices) if not widget.forced]
    values, inputs = node["widgets_values"], entry.get("inputs", {})
    for place, widget in enumerate(widgets[: len(values)]):
        if widget.input is not None and widget.name in inputs and not isinstance(inputs[widget.name], list):
            values[place] = inputs[widget.name]


def _says(workflow: Mapping[str, Any], prompt: Prompt, catalog: Catalog, choices: ListFiles) -> bool:
    from limner.comfy.workflow import as_prompt

    try:
        said = as_prompt(workflow, catalog, choices)
    except InvalidGraph:
        return False
    return _essence(said) == _essence(prompt)


def _essence(prompt: Mapping[str, Any]) -> dict[str, tuple[object, object]]:
    """What runs: types and inputs, without titles."""
    return {node: (what.get("class_type"), what.get("inputs")) for node, what in prompt.items()}
