"""The real ComfyUI, by itself and as Limner's node library: the same nodes, the same pictures.

`make test-comfyui COMFYUI=PATH COMFYUI_PYTHON=PYTHON` names them. Nothing is written into the folder.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import numpy
import pytest
from PIL import Image

from tests.parity.checkpoint import checkpoint
from tests.support.live_server import live_server

pytestmark = pytest.mark.comfyui
PATIENCE = 600.0
COMFYUI = Path(os.environ.get("LIMNER_TEST_COMFYUI", "missing"))
PYTHON = Path(os.environ.get("LIMNER_TEST_COMFYUI_PYTHON", sys.executable))
PORT = 8977


@dataclass(frozen=True)
class Running:
    url: str
    output: Path


def folders(base: Path, models: Path) -> list[str]:
    (base / "models.yaml").write_text(f"parity:\n  base_path: '{models}'\n  checkpoints: .\n")
    made = [base / name for name in ("input", "output", "temp", "user")]
    for folder in made:
        folder.mkdir(parents=True)
    Image.fromarray(numpy.indices((48, 64)).sum(0).astype("uint8")).convert("RGB").save(base / "input" / "example.png")
    flags = [part for folder in made for part in (f"--{folder.name}-directory", str(folder))]
    return [*flags, "--extra-model-paths-config", str(base / "models.yaml"), "--cpu"]


@contextmanager
def alone(base: Path, models: Path) -> Iterator[Running]:
    """ComfyUI's own server."""
    command = [str(PYTHON), str(COMFYUI / "main.py"), "--port", str(PORT), *folders(base, models)]
    with (base / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=COMFYUI, stdout=log, stderr=log)
        try:
            url = f"http://127.0.0.1:{PORT}"
            end = time.monotonic() + PATIENCE
            while not answers(url):
                assert process.poll() is None and time.monotonic() < end, (base / "log").read_text()
                time.sleep(0.5)
            yield Running(url, base / "output")
        finally:
            process.terminate()
            process.wait(timeout=60)


@contextmanager
def adopted(base: Path, models: Path) -> Iterator[Running]:
    flags = [*folders(base, models), "--comfyui", str(COMFYUI), "--comfyui-python", str(PYTHON)]
    with live_server(base, *flags) as server:
        yield Running(server.url, base / "output")


def answers(url: str) -> bool:
    try:
        with urlopen(f"{url}/queue", timeout=5):
            return True
    except (URLError, ConnectionError, TimeoutError):
        return False


def ask(url: str, body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(url, data, {"Content-Type": "application/json"}), timeout=60) as answer:
        return json.load(answer)


def run(running: Running, prompt: dict[str, Any]) -> dict[str, Any]:
    identifier = ask(f"{running.url}/prompt", {"prompt": prompt})["prompt_id"]
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        entry = ask(f"{running.url}/history/{identifier}").get(identifier)
        if entry is not None:
            assert entry["status"]["status_str"] == "success", entry["status"]
            return dict(entry["outputs"])
        time.sleep(0.2)
    raise TimeoutError("the run did not end")


@dataclass(frozen=True)
class Both:
    """What each server gave: its nodes, and the pictures of each workflow."""

    nodes: dict[str, Any]
    pictures: dict[str, numpy.ndarray[Any, Any]]


def gather(running: Running) -> Both:
    nodes = ask(f"{running.url}/object_info")
    pictures = {}
    for name, prompt in WORKFLOWS.items():
        outputs = run(running, prompt)
        (shown,) = [image for output in outputs.values() for image in output.get("images", ())][:1]
        with Image.open(running.output / shown["subfolder"] / shown["filename"]) as picture:
            pictures[name] = numpy.asarray(picture.convert("RGB")).astype(int)
    return Both(nodes, pictures)


def node(kind: str, **inputs: object) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


SAVE = {"images": ["out", 0], "filename_prefix": "compared"}
WORKFLOWS: dict[str, dict[str, Any]] = {
    "image nodes": {
        "in": node("LoadImage", image="example.png"),
        "scaled": node("ImageScale", image=["in", 0], upscale_method="lanczos", width=80, height=40, crop="center"),
        "out": node("ImageInvert", image=["scaled", 0]),
        "save": node("SaveImage", **SAVE),
    },
    "masks": {
        "in": node("LoadImage", image="example.png"),
        "mask": node("ImageToMask", image=["in", 0], channel="red"),
        "grown": node("GrowMask", mask=["mask", 0], expand=3, tapered_corners=True),
        "out": node("MaskToImage", mask=["grown", 0]),
        "save": node("SaveImage", **SAVE),
    },
    "a node of the newer interface": {
        "in": node("LoadImage", image="example.png"),
        "out": node("ImageRotate", image=["in", 0], rotation="90 degrees"),
        "save": node("SaveImage", **SAVE),
    },
    "a picture from a prompt": {
        "model": node("CheckpointLoaderSimple", ckpt_name=checkpoint().name if COMFYUI.is_dir() else ""),
        "yes": node("CLIPTextEncode", clip=["model", 1], text="a red apple"),
        "no": node("CLIPTextEncode", clip=["model", 1], text=""),
        "empty": node("EmptyLatentImage", width=64, height=64, batch_size=1),
        "latent": node(
            "KSampler",
            model=["model", 0],
            positive=["yes", 0],
            negative=["no", 0],
            latent_image=["empty", 0],
            seed=5,
            steps=2,
            cfg=4.0,
            sampler_name="euler",
            scheduler="normal",
            denoise=1.0,
        ),
        "out": node("VAEDecode", samples=["latent", 0], vae=["model", 2]),
        "save": node("SaveImage", **SAVE),
    },
}


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Both:
    assert COMFYUI.is_dir(), "name the folder of a ComfyUI: make test-comfyui COMFYUI=PATH"
    with alone(tmp_path_factory.mktemp("alone"), checkpoint().parent) as running:
        return gather(running)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Both:
    with adopted(tmp_path_factory.mktemp("adopted"), checkpoint().parent) as running:
        return gather(running)


def test_the_nodes_are_the_same(real: Both, ours: Both) -> None:
    assert sorted(ours.nodes) == sorted(real.nodes)
    differing = [name for name, entry in real.nodes.items() if ours.nodes[name] != entry]
    assert differing == []


@pytest.mark.parametrize("name", WORKFLOWS)
def test_the_pictures_are_the_same(real: Both, ours: Both, name: str) -> None:
    assert ours.pictures[name].shape == real.pictures[name].shape
    assert int(abs(ours.pictures[name] - real.pictures[name]).max()) <= 1


def test_unknown_files_are_said(ours: Both, tmp_path: Path) -> None:
    with adopted(tmp_path, checkpoint().parent) as running:
        with pytest.raises(HTTPError) as caught:
            ask(f"{running.url}/prompt", {"prompt": {"1": node("LoadImage", image="missing.png")}})
        with caught.value as refusal:
            assert refusal.code == 400
