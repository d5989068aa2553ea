"""Whatever stands in a workflow file, it converts or is a problem: nothing else is raised."""

from __future__ import annotations

import contextlib
import copy
import json
import math
from pathlib import Path
from random import Random
from typing import Any

import pytest

from limner.comfy.object_info import read_schema
from limner.comfy.workflow import read_workflow
from limner.graph import Catalog, InvalidGraph

FIXTURES = Path(__file__).parents[3] / "fixtures" / "conversions"
GARBAGE: list[Any] = [None, True, 0, -1, 1.5, math.inf, "", "x", "-10", [], {}, [[]], {"a": 1}, 10**30, [1, 2, 3, 4, 5]]
TRIES = 150


def places(document: Any) -> list[tuple[Any, Any]]:
    """Every key of every object and list in a document."""
    found: list[tuple[Any, Any]] = []
    waiting = [document]
    while waiting:
        owner = waiting.pop()
        keys = list(owner) if isinstance(owner, dict) else range(len(owner)) if isinstance(owner, list) else ()
        for key in keys:
            found.append((owner, key))
            waiting.append(owner[key])
    return found


@pytest.mark.parametrize("name", ["image_lotus_depth_v1_1", "templates-photo_to_product_vid", "sdxl_simple_example"])
def test_damaged_files_convert_or_are_problems(name: str) -> None:
    entries = json.loads((FIXTURES / "object_info.json").read_text("utf-8"))
    catalog = Catalog(read_schema(entry) for entry in entries.values())
    whole = json.loads((FIXTURES / f"{name}.json").read_text("utf-8"))
    random = Random(name)
    for _ in range(TRIES):
        damaged = copy.deepcopy(whole)
        for owner, key in random.sample(places(damaged), random.randrange(1, 6)):
            owner[key] = copy.deepcopy(random.choice(GARBAGE))
        with contextlib.suppress(InvalidGraph):
            read_workflow(damaged, catalog)
