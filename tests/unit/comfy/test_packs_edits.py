"""What packs do to each other's modules while they are imported: put right, and said."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from textwrap import dedent
from types import ModuleType

import pytest

from limner.comfy.packs_quirks import lead_to
from tests.support.pack_host import PackHost, pack_host

PACKS = {
    "a_models": """
        import os, sys, json, folder_paths
        sys.path.insert(0, os.path.dirname(__file__))
        import limner_models
        NAME = limner_models.NAME
    """,
    "b_models": """
        import os, sys
        sys.path.insert(0, os.path.dirname(__file__))
        import limner_models
        NAME = limner_models.NAME
        def later():
            import limner_only_b
            return limner_only_b.NAME
    """,
    "c_replaces": """
        import sys, types
        import folder_paths, json, comfy.samplers
        sys.modules["json"] = types.ModuleType("json")
        del sys.modules["folder_paths"]
        sys.path.remove(next(entry for entry in sys.path if entry.endswith("site-packages")))
        comfy.samplers.calculate_sigmas = lambda *given: None
    """,
    "d_after": """
        import json, folder_paths
        TEXT = json.dumps(folder_paths.get_output_directory())
    """,
}
NODE = "\nclass Node:\n    FUNCTION, RETURN_TYPES, CATEGORY = 'run', (), 'x'\n    def run(self): return ()\n"


@pytest.fixture
def host(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[PackHost]:
    for name, source in PACKS.items():
        folder = tmp_path / "packs" / name
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text(dedent(source) + NODE + f"NODE_CLASS_MAPPINGS = {{{name!r}: Node}}\n")
        if name.endswith("models"):
            (folder / "limner_models.py").write_text(f"NAME = {name!r}\n")
            (folder / f"limner_only_{name[0]}.py").write_text(f"NAME = 'only {name[0]}'\n")
    before, path = dict(sys.modules), list(sys.path)
    caplog.set_level("INFO")
    try:
        with pack_host(tmp_path / "base", tmp_path / "packs") as made:
            yield made
    finally:
        sys.path[:] = path
        for name in set(sys.modules) - set(before):
            if name.startswith("limner_"):
                del sys.modules[name]


def told(caplog: pytest.LogCaptureFixture) -> str:
    """What was said while the packs were loaded."""
    return "\n".join(record.getMessage() for record in caplog.get_records("setup"))


def test_each_pack_has_its_own_module_of_a_name(host: PackHost, caplog: pytest.LogCaptureFixture) -> None:
    assert host.problems == []
    assert [sys.modules[f"custom_nodes.{name}"].NAME for name in ("a_models", "b_models")] == ["a_models", "b_models"]
    assert "b_models: it and another pack have a module limner_models; each has got its own" in told(caplog)
    assert sys.modules["custom_nodes.b_models"].later() == "only b"


def test_folders_that_packs_put_first_stand_last(
    host: PackHost, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    own = [entry for entry in sys.path if entry.startswith(str(tmp_path))]
    assert sys.path[-len(own) :] == own and len(own) == 2
    assert "a_models: it put" in told(caplog) and "now behind them" in told(caplog)


def test_modules_that_a_pack_replaces_come_back(host: PackHost, caplog: pytest.LogCaptureFixture) -> None:
    assert importlib.import_module("json").dumps([1]) == "[1]"
    assert any(entry.endswith("site-packages") for entry in sys.path)
    assert sys.modules["custom_nodes.d_after"].TEXT.startswith('"')
    assert "c_replaces: it took folder_paths out of sys.modules; put back" in told(caplog)
    assert "c_replaces: it put something else in the place of json in sys.modules; put back" in told(caplog)
    assert "away from sys.path; put back" in told(caplog)


def test_what_a_pack_replaces_in_comfyuis_modules_stays_and_is_named(
    host: PackHost, caplog: pytest.LogCaptureFixture
) -> None:
    assert importlib.import_module("comfy.samplers").calculate_sigmas(1, "normal", 1) is None
    assert "c_replaces: it replaces comfy.samplers.calculate_sigmas" in told(caplog)


def test_a_node_that_looks_at_a_later_pack_is_described_when_that_is_there(tmp_path: Path) -> None:
    early, late = tmp_path / "packs" / "early.py", tmp_path / "packs" / "later.py"
    early.parent.mkdir()
    early.write_text(
        "import nodes\n"
        "class Looks:\n"
        "    FUNCTION, RETURN_TYPES, CATEGORY = 'run', (), 'x'\n"
        "    @classmethod\n"
        "    def INPUT_TYPES(cls): return nodes.NODE_CLASS_MAPPINGS['Later'].INPUT_TYPES()\n"
        "NODE_CLASS_MAPPINGS = {'Looks': Looks}\n"
    )
    late.write_text(
        "class Later:\n"
        "    FUNCTION, RETURN_TYPES, CATEGORY = 'run', (), 'x'\n"
        "    @classmethod\n"
        "    def INPUT_TYPES(cls): return {'required': {'a': ('INT',)}}\n"
        "NODE_CLASS_MAPPINGS = {'Later': Later}\n"
    )
    with pack_host(tmp_path / "base", early.parent) as host:
        assert host.problems == []
        assert [item.name for item in host.schema("Looks").inputs] == ["a"]


def test_the_program_leads_to_the_base_directory_where_it_was_found_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", program)
    program.__file__ = "/somewhere/script.py"
    lead_to(tmp_path)
    assert program.__file__ == "/somewhere/script.py"  # processes that are spawned run it by this
    program.__spec__ = ModuleSpec("limner.app.host", None)
    lead_to(tmp_path)
    assert program.__file__ == str(tmp_path / "main.py")
