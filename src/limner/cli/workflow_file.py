"""Workflow files: API-format JSON, editor-format JSON, or a picture with either inside; and changes to their inputs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from limner.graph import Catalog, InvalidGraph

from .errors import BadInput

if TYPE_CHECKING:
    from limner.comfy.object_info import ListFiles

SEEDS = ("seed", "noise_seed")
PICTURES = (b"\x89PNG\r\n\x1a\n", b"RIFF", b"\xff\xd8\xff")

Prompt = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class WorkflowFile:
    """A workflow as it was found: in API form (`prompt`), in the editor's (`workflow`), or in both."""

    name: str
    prompt: Mapping[str, Any] | None
    workflow: Mapping[str, Any] | None

    def to_prompt(self, catalog: Catalog, choices: ListFiles | None = None, *, references: bool = False) -> Prompt:
        """The workflow in API form, as a copy that may be changed. Raises BadInput.

        `choices` lists folders, for choices that the workflow leaves open; `references` is as for `as_prompt`.
        """
        from limner.comfy.workflow import as_prompt

        try:
            data = self.prompt if self.prompt is not None else self.workflow
            prompt = as_prompt(data, catalog, choices, references=references)
        except InvalidGraph as error:
            remedy = "Open it in the editor and save it again"
            raise BadInput(f"{self.name}: {'; '.join(map(str, error.problems))}", remedy) from error
        return {str(node): _node(self.name, str(node), what) for node, what in prompt.items()}


def read(path: Path) -> WorkflowFile:
    """The workflow in a file. Raises BadInput where there is none."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}", "Check the path of the workflow") from error
    if data.startswith(PICTURES):
        return _from_picture(path, data)
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path} is not JSON: {error}", "Give a workflow as JSON, or a PNG with one inside") from error
    return _from_json(str(path), content)


def _from_picture(path: Path, data: bytes) -> WorkflowFile:
    from limner.files import FileProblem
    from limner.media.metadata import read_embedded

    try:
        embedded = read_embedded(data)
    except FileProblem as error:
        raise BadInput(f"{path}: {error.problem}", error.remedy) from error
    if embedded.prompt is None and embedded.workflow is None:
        raise BadInput(f"{path} has no workflow inside", "Give a picture that was saved with its workflow")
    return WorkflowFile(str(path), embedded.prompt, embedded.workflow)


def _from_json(name: str, content: object) -> WorkflowFile:
    """Tells the forms apart: the editor's has a list of nodes, API form maps ids to nodes with a `class_type`."""
    if isinstance(content, dict) and isinstance(content.get("prompt"), dict):
        extra = content.get("extra_data") if isinstance(content.get("extra_data"), dict) else {}
        workflow = ((extra or {}).get("extra_pnginfo") or {}).get("workflow")
        return WorkflowFile(name, content["prompt"], workflow if isinstance(workflow, dict) else None)
    if isinstance(content, dict) and isinstance(content.get("nodes"), list):
        return WorkflowFile(name, None, content)
    if isinstance(content, dict) and content and all(isinstance(node, dict) for node in content.values()):
        return WorkflowFile(name, content, None)
    raise BadInput(
        f"{name} is JSON, but no workflow",
        'Give the editor\'s form ({"nodes": [...]}) or API form ({"1": {"class_type": ..., "inputs": {...}}})',
    )


def _node(file: str, node: str, what: object) -> dict[str, Any]:
    if not isinstance(what, Mapping) or not isinstance(what.get("inputs", {}), Mapping):
        raise BadInput(f"{file}: node {node} is no JSON object with inputs", "Export the workflow again")
    return {**what, "inputs": dict(what.get("inputs", {}))}


def set_input(prompt: Prompt, catalog: Catalog, assignment: str) -> None:
    """Change one input: `NODE.INPUT=VALUE`, where NODE is an id, or a title or type that only one node has."""
    target, equals, text = assignment.partition("=")
    if not equals or "." not in target:
        raise BadInput(f"--set {assignment!r} is not of the form NODE.INPUT=VALUE", "Write for example: --set 3.seed=7")
    node, name = _target(prompt, catalog, target)
    prompt[node]["inputs"][name] = _value(prompt, catalog, node, name, text)


def set_seed(prompt: Prompt, seed: int) -> int:
    """Give every node with a seed of its own this one; returns how many there are."""
    found = [(node, name) for node, name, _ in seeds(prompt)]
    for node, name in found:
        prompt[node]["inputs"][name] = seed
    return len(found)


def advance_seeds(prompt: Prompt) -> int:
    """Add one to every seed, as the editor does between runs; returns how many there are."""
    found = list(seeds(prompt))
    for node, name, value in found:
        prompt[node]["inputs"][name] = (value + 1) % 2**64
    return len(found)


def seeds(prompt: Prompt) -> Iterator[tuple[str, str, int]]:
    """The seeds that are numbers, not links: node id, input name, value."""
    for node, what in prompt.items():
        for name in SEEDS:
            value = what["inputs"].get(name)
            if isinstance(value, int) and not isinstance(value, bool):
                yield node, name, value


def _target(prompt: Prompt, catalog: Catalog, target: str) -> tuple[str, str]:
    """Input names may hold dots, and so may titles: the first split that names a node with that input wins."""
    splits = [(target[:at], target[at + 1 :]) for at, letter in enumerate(target) if letter == "."]
    named: list[tuple[str, list[str]]] = []
    for who, name in splits:
        nodes = _named(prompt, who)
        if len(nodes) == 1 and _takes(prompt, catalog, nodes[0], name):
            return nodes[0], name
        named.append((name, nodes))
    name, nodes = next(((name, nodes) for name, nodes in named if nodes), ("", []))
    if len(nodes) > 1:
        raise BadInput(f"{target!r} could be any of the nodes {', '.join(nodes)}", "Name the node by its id")
    if nodes:
        kind = str(prompt[nodes[0]].get("class_type", ""))
        raise BadInput(
            f"node {nodes[0]} ({kind}) has no input {name!r}",
            f"Its inputs are: {', '.join(_inputs(prompt, catalog, nodes[0]))}",
        )
    known = ", ".join(f"{node} ({what.get('class_type', '?')})" for node, what in list(prompt.items())[:20])
    raise BadInput(f"no node of the workflow is called {target.partition('.')[0]!r}", f"Its nodes are: {known}")


def _named(prompt: Prompt, who: str) -> list[str]:
    if who in prompt:
        return [who]
    titled = [node for node, what in prompt.items() if (what.get("_meta") or {}).get("title") == who]
    return titled or [node for node, what in prompt.items() if what.get("class_type") == who]


def _inputs(prompt: Prompt, catalog: Catalog, node: str) -> Sequence[str]:
    schema = catalog.get(str(prompt[node].get("class_type", "")))
    declared = [given.name for given in schema.inputs] if schema else []
    return list(dict.fromkeys([*declared, *prompt[node]["inputs"]]))


def _takes(prompt: Prompt, catalog: Catalog, node: str, name: str) -> bool:
    schema = catalog.get(str(prompt[node].get("class_type", "")))
    return name in _inputs(prompt, catalog, node) or (schema is not None and schema.traits.takes_any_inputs)


def _value(prompt: Prompt, catalog: Catalog, node: str, name: str, text: str) -> object:
    """The value as the input's type wants it: text stays text for STRING; JSON where the type does not say."""
    schema = catalog.get(str(prompt[node].get("class_type", "")))
    declared = schema.input(name) if schema else None
    kind = declared.type if declared else ""
    if kind == "STRING" or (kind == "COMBO" and declared and _is_choice(declared.choices, text)):
        return text
    try:
        return json.loads(text.lower() if kind == "BOOLEAN" else text)
    except ValueError:
        if kind in ("INT", "FLOAT", "BOOLEAN"):
            wanted = {"INT": "a whole number", "FLOAT": "a number", "BOOLEAN": "true or false"}[kind]
            raise BadInput(f"node {node}, input '{name}': {text!r} is not {wanted}", f"Give {wanted}") from None
        return text


def _is_choice(choices: object, text: str) -> bool:
    return text in choices if isinstance(choices, tuple) else True
