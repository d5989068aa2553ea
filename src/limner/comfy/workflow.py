"""Workflow JSON of either form to a prompt and a graph.

Three documents are taken for what they are: the editor's form (a list of `nodes`), the API form (nodes by id), and a
request to `POST /prompt` that holds one of them under `prompt`.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

from limner.graph import Catalog, Graph

from .api_form import read_prompt, write_prompt
from .editor import read_document, to_prompt, with_values
from .object_info import ListFiles

__all__ = ["as_prompt", "is_editor_form", "read_prompt", "read_workflow", "with_values", "write_prompt"]


def is_editor_form(data: object) -> bool:
    """Whether this is what the editor saves, rather than what it sends."""
    return isinstance(data, Mapping) and isinstance(data.get("nodes"), (list, tuple))


def as_prompt(
    data: object,
    catalog: Catalog,
    choices: ListFiles | None = None,
    random: Random | None = None,
    *,
    references: bool = False,
) -> Any:
    """The API-form JSON of a workflow; one that is in API form already is given back. Raises `InvalidGraph`.

    `choices` lists folders, for combos that were never set; `random` picks among the choices of a text; `references`
    is for prompts whose inputs are changed yet, and filled in by `with_values` at last.
    """
    if isinstance(data, Mapping) and isinstance(data.get("prompt"), Mapping) and "class_type" not in data["prompt"]:
        data = data["prompt"]
    if not is_editor_form(data):
        return data
    return to_prompt(read_document(data), catalog, choices, random, references=references)


def read_workflow(
    data: object, catalog: Catalog, choices: ListFiles | None = None, random: Random | None = None
) -> Graph:
    """The graph of a workflow of either form. Raises `InvalidGraph`."""
    return read_prompt(as_prompt(data, catalog, choices, random))
