"""What is written down of packs, beside them."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from limner.comfy.manifest import read_manifest
from limner.packs.errors import PackProblem
from limner.packs.records import Records, read_records


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    strange = 'A "strange" name\n\x7f.py'
    records = Records({"a-b": {"source": "git"}, strange: {"isolate": True}}, "abc", {"more": [1, {"x": "é"}]})
    text = records.written()
    assert tomllib.loads(text)["packs"][strange] == {"isolate": True}
    (tmp_path / ".limner.toml").write_text(text, "utf-8")
    assert read_records(tmp_path) == records
    assert Records({"a": {}}).written() == ""
    assert read_records(tmp_path / "missing") == Records()


def test_values_are_joined_and_taken_away(tmp_path: Path) -> None:
    records = Records().having("a", x=1, y=2).having("a", y=None, z=3).having("b", isolate=True)
    assert records.packs == {"a": {"x": 1, "z": 3}, "b": {"isolate": True}}
    assert records.without("a").packs == {"b": {"isolate": True}}
    (tmp_path / ".limner.toml").write_text(records.written())
    assert read_manifest(tmp_path / "b").isolate


@pytest.mark.parametrize("text", ["packs = 1", "[packs]\na = 1", "= x", "\xff"])
def test_a_damaged_file_is_not_thrown_away(text: str, tmp_path: Path) -> None:
    (tmp_path / ".limner.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(PackProblem, match=r"\.limner\.toml"):
        read_records(tmp_path)
