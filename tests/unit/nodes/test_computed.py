"""Nodes compute what ComfyUI 0.3.64 computed for the same made inputs (`fixtures/nodes/computed.json`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from limner.nodes.library import built_in
from limner.sdk.testing import run_node

from .made import make, same, summary

RECORDS: dict[str, list[dict[str, Any]]] = json.loads(
    (Path(__file__).parents[2] / "fixtures/nodes/computed.json").read_text()
)
NODES = {implementation.schema.type: implementation for implementation in built_in()}
CASES = [(name, number) for name, records in RECORDS.items() for number in range(len(records))]


@pytest.mark.parametrize(("name", "number"), CASES, ids=[f"{name}-{number}" for name, number in CASES])
def test_node_computes_what_comfyui_computes(name: str, number: int) -> None:
    record = RECORDS[name][number]
    inputs = make(record["inputs"])
    kept = summary(inputs)

    result = run_node(NODES[name], **inputs)

    got = summary(list(result.values))
    assert same(record["outputs"], got), f"expected {record['outputs']}\ngot {got}"
    assert summary(inputs) == kept, "the inputs were changed in place"
