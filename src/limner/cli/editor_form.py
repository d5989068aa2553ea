"""The editor's form of a workflow whose inputs were changed in API form, so that saved files open as what was run."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar

from limner.graph import Catalog, InvalidGraph

from .workflow_file import Prompt

if TYPE_CHECKING:
    from _typeshed import SupportsLenAndGetItem

    from limner.comfy.object_info import ListFiles

T = TypeVar("T")


def in_step(
    workflow: Mapping[str, Any] | None, prompt: Prompt, catalog: Catalog, choices: ListFiles
) -> Mapping[str, Any] | None:
    """The editor's form with the values of the prompt in its widgets; None where that would not be the same workflow.

    A file without the editor's form opens from its prompt, with a layout that the editor makes.
    """
    if workflow is None:
        return None
    said = _said(workflow, catalog, choices)
    if said is None:
        return None
    if _essence(said) == _essence(prompt):
        return workflow
    changed = copy.deepcopy(dict(workflow))
    for node in changed.get("nodes") or ():
        if isinstance(node, dict) and isinstance(node.get("widgets_values"), list):
            name = str(node.get("id"))
            before = said.get(name, {}).get("inputs", {})
            after = prompt.get(name, {}).get("inputs", {})
            _fill(node, {key: value for key, value in after.items() if value != before.get(key)}, catalog, choices)
    again = _said(changed, catalog, choices)
    return changed if again is not None and _essence(again) == _essence(prompt) else None


def _fill(node: dict[str, Any], inputs: Mapping[str, Any], catalog: Catalog, choices: ListFiles) -> None:
    """Write the inputs that were changed into the node's saved values."""
    from limner.comfy.editor.widgets import widgets_of

    schema = catalog.get(str(node.get("type")))
    if schema is None:
        return
    widgets = [widget for widget in widgets_of(schema, choices) if not widget.forced]
    values = node["widgets_values"]
    for place, widget in enumerate(widgets[: len(values)]):
        if widget.input is not None and widget.name in inputs and not isinstance(inputs[widget.name], list):
            values[place] = inputs[widget.name]


class _First(Random):
    """Picks the first: so that the same text says the same twice."""

    def choice(self, seq: SupportsLenAndGetItem[T]) -> T:
        return seq[0]


def _said(workflow: Mapping[str, Any], catalog: Catalog, choices: ListFiles) -> Prompt | None:
    from limner.comfy.workflow import as_prompt

    try:
        said: Prompt = as_prompt(workflow, catalog, choices, _First(), references=True)
    except InvalidGraph:
        return None
    return said


def _essence(prompt: Mapping[str, Any]) -> dict[str, tuple[object, object]]:
    """What runs: types and inputs, without titles."""
    return {node: (what.get("class_type"), what.get("inputs")) for node, what in prompt.items()}
