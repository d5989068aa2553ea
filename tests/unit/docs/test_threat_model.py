"""Every line of the threat model is held by a test that exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "architecture" / "08-threat-model.md"
ROWS = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| ")]
THREATS = [line for line in ROWS if not line.startswith(("| Attack", "| ---"))]


def defined(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    return {found.name for found in tree.body if isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_each_line_names_a_test_that_exists() -> None:
    assert len(THREATS) > 40
    for line in THREATS:
        named = re.fullmatch(r"\|[^|]+\|[^|]+\| `(tests/[\w/]+\.py)::(test_\w+)` \|", line)
        assert named, f"this line names no test: {line}"
        path, test = ROOT / named[1], named[2]
        assert path.is_file() and test in defined(path), f"there is no {named[1]}::{test}"
