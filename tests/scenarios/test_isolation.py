"""A pack with a host and an environment of its own beside the shared host: values, permissions, crashes, routes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import psutil
import pytest
from PIL import Image

from comfyui_api import ComfyUIAPI
from limner.plugins import landlock
from tests.support.live_server import LiveServer, live_server
from tests.support.wheels import wheel

PACKS = Path(__file__).parents[1] / "fixtures" / "packs_isolated"
PATIENCE = 90.0
PIPS = """
import subprocess, sys
try:
    import widget
except ImportError:
    subprocess.check_call([sys.executable, "-s", "-m", "pip", "install", "widget"])
    import widget
from limner.sdk import node

@node
def {name}() -> str:
    return widget.__file__
"""
"""A pack that brings what it needs by itself."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    base = tmp_path_factory.mktemp("isolated")
    shutil.copytree(PACKS, base / "custom_nodes", ignore=shutil.ignore_patterns("__pycache__"))
    (base / "custom_nodes" / "pips.py").write_text(PIPS.format(name="pipped"))
    (base / "custom_nodes" / "pips alone").mkdir()
    (base / "custom_nodes" / "pips alone" / "limner.toml").touch()
    (base / "custom_nodes" / "pips alone" / "__init__.py").write_text(PIPS.format(name="pipped_alone"))
    wheel(base / "shop", "widget", "1.0", {"widget.py": ""})
    wheel(base / "shop", "gadget", "2.1", {"gadget.py": "NAME = 'gadget 2.1'\n"})
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"UV_NO_INDEX": "1", "UV_FIND_LINKS": str(base / "shop"), "UV_OFFLINE": "1"}.items():
            patch.setenv(name, value)
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(base / "shop"))
        with live_server(base) as running:
            api = ComfyUIAPI(running.url)
            until(lambda: api.object_info("AloneTries"))
            yield running


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            if true():
                return
        except (HTTPError, LookupError, RuntimeError):
            pass
        assert time.monotonic() < end, "it did not come to be"
        time.sleep(0.05)


def run(server: LiveServer, **nodes: tuple[str, Mapping[str, Any]]) -> Any:
    prompt = {name: {"class_type": kind, "inputs": inputs} for name, (kind, inputs) in nodes.items()}
    return ComfyUIAPI(server.url).execute_workflow(prompt, timeout=PATIENCE)


def test_its_nodes_run_in_its_own_environment_and_pictures_cross(server: LiveServer) -> None:
    result = run(
        server,
        image=("EmptyImage", {"width": 300, "height": 200, "batch_size": 1, "color": 0xFF0000}),
        invert=("AloneInvert", {"image": ["image", 0]}),
        say=("SharedSays", {"text": ["invert", 1]}),
        save=("SaveImage", {"images": ["invert", 0], "filename_prefix": "inverted"}),
    )
    assert result.ok, result
    text, shared, shared_has_it = result.outputs["say"]["said"]
    assert text.startswith("gadget 2.1 ") and text.endswith("/packs/alone/environment")
    assert text.split()[2] != shared and shared_has_it == "False"
    with Image.open(server.base / "output" / "inverted_00001_.png") as picture:
        assert picture.getpixel((150, 100)) == (0, 255, 255)


def test_what_packs_install_at_their_import_reaches_their_host_alone(server: LiveServer) -> None:
    api = ComfyUIAPI(server.url)
    until(lambda: api.object_info("PippedAlone"))
    result = run(
        server,
        shared=("Pipped", {}),
        own=("PippedAlone", {}),
        say=("SharedSays", {"text": ["shared", 0]}),
        say_own=("SharedSays", {"text": ["own", 0]}),
    )
    assert result.ok, result
    user = server.base / "user" / "limner"
    assert result.outputs["say"]["said"][0] == str(user / "pip" / "widget.py")
    assert Path(result.outputs["say_own"]["said"][0]).is_relative_to(user / "packs" / "pips_alone" / "environment")
    assert find_spec("widget") is None, "Limner's own environment is as it was"


def test_a_model_does_not_cross(server: LiveServer) -> None:
    result = run(
        server,
        load=("CheckpointLoaderSimple", {"ckpt_name": "limner-emoji.safetensors"}),
        take=("AloneModel", {"model": ["load", 0]}),
        see=("PreviewAny", {"source": ["take", 0]}),
    )
    assert not result.ok
    error = str(result["error"])
    assert "AloneModel: its input 'model' cannot be taken into the host of alone" in error


@pytest.mark.skipif(not landlock.version(), reason="this kernel has no Landlock")
def test_it_may_do_what_it_declared_and_nothing_else(server: LiveServer) -> None:
    outside = server.base / "user" / "outside.txt"
    result = run(
        server,
        tries=("AloneTries", {"allowed": str(server.base / "output" / "inside.txt"), "outside": str(outside)}),
    )
    assert result.outputs["tries"]["results"] == ["done", "PermissionError", "PermissionError", "PermissionError"]
    assert not outside.exists()


def test_its_routes_are_served(server: LiveServer) -> None:
    def answered() -> object:
        with urlopen(server.url + "/alone/hello", timeout=10) as answer:
            return json.load(answer)["pid"]

    until(answered)
    assert answered() != server.pid


def test_when_it_dies_the_rest_goes_on(server: LiveServer) -> None:
    def hosts() -> set[int]:
        return {process.pid for process in psutil.Process(server.pid).children()}

    before = hosts()
    assert len(before) == 3
    result = run(server, dies=("AloneDies", {"a": 1}))
    assert not result.ok and "AloneDies" in str(result["error"])
    assert len(hosts() & before) == 2
    again = run(server, noise=("AloneNoise", {"side": 8, "seed": 3}), see=("PreviewImage", {"images": ["noise", 0]}))
    assert again.ok


def test_no_shared_memory_is_left_behind(tmp_path: Path) -> None:
    shutil.copytree(PACKS / "alone", tmp_path / "custom_nodes" / "alone")
    (tmp_path / "custom_nodes" / "alone" / "limner.toml").write_text("isolate = true\n")
    (tmp_path / "custom_nodes" / "alone" / "gadget.py").write_text("NAME = 'beside'\n")
    code = tmp_path / "custom_nodes" / "alone" / "__init__.py"
    code.write_text(code.read_text().replace("import gadget", "from . import gadget"))
    with live_server(tmp_path) as server:
        until(lambda: ComfyUIAPI(server.url).object_info("AloneNoise"))
        noise = ("AloneNoise", {"side": 300, "seed": 1})
        assert run(server, noise=noise, see=("PreviewImage", {"images": ["noise", 0]})).ok
        (folder,) = Path("/dev/shm").glob(f"limner-{server.pid}-*")
        assert list(folder.iterdir())
    assert not folder.exists()


def test_a_command_starts_the_host_that_it_needs(server: LiveServer, tmp_path: Path) -> None:
    prompt = {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 255}},
        "2": {"class_type": "AloneInvert", "inputs": {"image": ["1", 0]}},
        "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "by_command"}},
    }
    (tmp_path / "workflow.json").write_text(json.dumps(prompt))
    command = [sys.executable, "-m", "limner.cli", "run", str(tmp_path / "workflow.json")]
    done = subprocess.run(
        [*command, "--base-directory", str(server.base), "--cpu"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with Image.open(server.base / "output" / "by_command_00001_.png") as picture:
        assert picture.getpixel((0, 0)) == (255, 255, 0)
