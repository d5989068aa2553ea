"""What `limner packs check` finds out of a pack, in a process of its own."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from limner.packs.checking import check
from limner.packs.errors import PackProblem
from limner.packs.report import Doing, Patch
from limner.plugins.environment import Wanted, built, overlay_of_this_process
from tests.support.wheels import wheel

DOES = """
import os, subprocess, socket, sys, threading
from pathlib import Path
import torch
import comfy.model_management
import server
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "libs"))
import common_name
import importlib.util
spec = importlib.util.spec_from_file_location(common_name.__file__, common_name.__file__)
sys.modules[spec.name] = importlib.util.module_from_spec(spec)

(Path(__file__).parent / "cache.json").write_text("{}")
try:
    Path("{outside}").write_text("x")
except OSError:
    pass
subprocess.check_call([sys.executable, "-m", "pip", "install", "something"])
subprocess.run(["true"])
try:
    socket.create_connection(("127.0.0.1", {port}), timeout=2)
    reached = True
except OSError:
    reached = False
os.environ["SOME_VARIABLE"] = "1"
threading.Thread(target=lambda: None).start()

def fast(*args):
    return None

torch.nn.functional.gelu = fast
comfy.model_management.get_free_memory = fast
comfy.model_management.quite_new = fast

@server.PromptServer.instance.routes.get("/x")
async def x(request):
    pass

async def y(request):
    pass

server.PromptServer.instance.app.router.add_post("/y/{name}", y)

class A:
    RETURN_TYPES = ("INT",)
    FUNCTION = "run"
    CATEGORY = "x"
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}}
    def run(self):
        import comfy.ldm.no_module_of_this_name
        comfy.ldm.no_module_of_this_name.inner.name
        return (comfy.sd.no_such_name,)

import comfy.sd
NODE_CLASS_MAPPINGS = {"CheckedNode": A, "VAEDecode": A, "reached" if reached else "unreached": A}
"""


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    folder = tmp_path / "busy"
    (folder / "libs").mkdir(parents=True)
    (folder / "libs" / "common_name.py").touch()
    (folder / "requirements.txt").write_text("numpy\nno-such-thing-anywhere>=2\nnumpy<1\n")
    return folder


def test_everything_that_a_pack_does(pack: Path, tmp_path: Path) -> None:
    outside = tmp_path.parent / f"outside-{os.getpid()}"
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        text = DOES.replace("{outside}", str(outside)).replace("{port}", str(port))
        (pack / "__init__.py").write_text(text)
        report = check(pack)
    assert report.loads, report.problems
    assert {"CheckedNode", "VAEDecode"} < set(report.nodes)
    assert report.replaced == ["VAEDecode"]
    assert report.routes == ["GET /x", "POST /y/{name}"]
    kinds: dict[str, list[Doing]] = {}
    for doing in report.doings:
        kinds.setdefault(doing.kind, []).append(doing)
        assert doing.where.startswith("__init__.py:"), doing
    assert [doing.what.split()[-4:] for doing in kinds["pip"]] == [["-m", "pip", "install", "something"]]
    assert [doing.what for doing in kinds["program"]] == ["true"]
    assert {"cache.json", str(outside)} == {doing.what for doing in kinds["write"]}
    assert any(doing.what == f"127.0.0.1:{port}" for doing in kinds["network"])
    assert [doing.what for doing in kinds["variable"]] == ["SOME_VARIABLE"]
    assert len(kinds["thread"]) == 1
    assert Patch("torch.nn.functional.gelu") in report.patches
    assert Patch("comfy.model_management.get_free_memory") in report.patches
    assert Patch("comfy.model_management.quite_new", added=True) in report.patches
    assert report.modules == ["common_name"]
    assert {item.name: item.known for item in report.missing} == {
        "comfy.ldm.no_module_of_this_name": False,
        "comfy.sd.no_such_name": False,
    }
    assert [(wanted.line, wanted.met, bool(wanted.version)) for wanted in report.requirements] == [
        ("numpy", True, True),
        ("no-such-thing-anywhere>=2", False, False),
        ("numpy<1", False, True),
    ]
    assert not (pack / "cache.json").exists(), "it was a copy"
    if "network" in report.refused:
        assert "unreached" in report.nodes
    if "writing" in report.refused:
        assert not outside.exists()
    outside.unlink(missing_ok=True)


def test_a_quiet_pack_does_nothing(tmp_path: Path) -> None:
    (tmp_path / "quiet.py").write_text(
        "import numpy\nfrom limner.sdk import node\n\n@node\ndef one() -> int:\n    return 1\n"
    )
    report = check(tmp_path / "quiet.py")
    assert (report.name, report.nodes, report.loads) == ("quiet", ["One"], True)
    assert not (report.doings or report.patches or report.missing or report.modules or report.requirements)
    assert 0 < report.seconds < 60


def test_what_does_not_load_is_told_with_its_place(pack: Path) -> None:
    (pack / "__init__.py").write_text("import time\ntime.sleep(0.2)\nfrom .inner import x\n")
    (pack / "inner.py").write_text("import no_such_module\n")
    report = check(pack)
    assert not report.loads
    assert report.problems == ["ModuleNotFoundError: No module named 'no_such_module'"]
    head, first, *_ = report.traceback.splitlines()
    assert head.startswith("Traceback"), report.traceback
    assert f'File "{pack / "__init__.py"}", line 3' in first, "it begins in the pack, where the author knows it"
    assert "import_watch" not in report.traceback
    assert report.traceback.count("File ") == 2, report.traceback
    assert report.seconds >= 0.2


def test_a_pack_that_ends_its_process_is_said(pack: Path) -> None:
    (pack / "__init__.py").write_text("import os, sys\nprint(__file__, file=sys.stderr, flush=True)\nos._exit(7)\n")
    with pytest.raises(PackProblem, match=f"busy ended its process with status 7 .*: {pack}/__init__.py"):
        check(pack)


def test_it_is_imported_by_the_python_of_its_environment(pack: Path, tmp_path: Path) -> None:
    wheel(tmp_path / "shop", "gadget", "1.0", {"gadget.py": ""})
    overlay = overlay_of_this_process()
    python = built(tmp_path / "environment", Wanted((str(next((tmp_path / "shop").iterdir())),)), overlay)
    (pack / "requirements.txt").write_text("gadget\n")
    (pack / "__init__.py").write_text("import gadget\nNODE_CLASS_MAPPINGS = {}\n")
    assert "gadget" in " ".join(check(pack).problems)
    report = check(pack, python=python)
    assert not any("gadget" in problem for problem in report.problems), report.problems
    assert [wanted.met for wanted in report.requirements] == [True]
