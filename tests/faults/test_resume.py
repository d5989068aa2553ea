"""Kill -9 of the host and of the server: the job goes on from what was finished, and its files are the same."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import psutil
import pytest

from comfyui_api import ComfyUIAPI
from tests.support.live_server import LiveServer, live_server

PACK = Path(__file__).parents[1] / "fixtures" / "packs" / "witness"
PATIENCE = 90.0


@pytest.fixture
def base(tmp_path: Path) -> Path:
    shutil.copytree(PACK, tmp_path / "custom_nodes" / "witness")
    return tmp_path


def prompt(base: Path) -> dict[str, Any]:
    """Two pictures that are saved, one of them behind a gate, with a third in between."""
    log, gate = str(base / "log"), str(base / "gate")
    return {
        "1": {"class_type": "WitnessImage", "inputs": {"seed": 1, "log": log}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "first"}},
        "3": {"class_type": "WitnessImage", "inputs": {"seed": 2, "log": log, "after": ["1", 1]}},
        "4": {"class_type": "WitnessGate", "inputs": {"image": ["3", 0], "log": log, "gate": gate}},
        "5": {"class_type": "ImageInvert", "inputs": {"image": ["4", 0]}},
        "6": {"class_type": "SaveImage", "inputs": {"images": ["5", 0], "filename_prefix": "second"}},
    }


def post(server: LiveServer, path: str, body: object) -> Any:
    request = Request(server.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urlopen(request, timeout=60) as answer:
        return json.load(answer)


def lines(base: Path) -> list[str]:
    return (base / "log").read_text().split("\n")[:-1] if (base / "log").exists() else []


def files(base: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (base / "output").glob("*.png")}


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "it did not come to be"
        time.sleep(0.02)


def host_of(server: LiveServer) -> psutil.Process:
    (host,) = psutil.Process(server.pid).children()
    return host


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as end:
        return int(end.getsockname()[1])


def undisturbed(base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a run that nothing happened to, with the same paths in its workflow."""
    other = tmp_path_factory.mktemp("undisturbed")
    shutil.copytree(PACK, other / "custom_nodes" / "witness")
    with live_server(other) as server:
        assert ComfyUIAPI(server.url).execute_workflow(prompt(base), timeout=PATIENCE).ok
    return files(other)


def written(base: Path) -> int:
    return len(list(base.rglob("*.pack")))


def test_a_job_goes_on_when_its_host_is_killed(base: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with live_server(base) as server:
        api = ComfyUIAPI(server.url)
        run = post(server, "/prompt", {"prompt": prompt(base)})["prompt_id"]
        until(lambda: "gate" in lines(base) and "first_00001_.png" in files(base))
        time.sleep(0.3)
        host_of(server).send_signal(signal.SIGKILL)
        until(lambda: lines(base).count("gate") == 2)
        (base / "gate").touch()
        until(lambda: api.history(run))
    assert lines(base) == ["image 1", "image 2", "gate", "gate"]
    made = files(base)
    assert sorted(made) == ["first_00001_.png", "second_00001_.png"]
    assert made == undisturbed(base, tmp_path_factory)


def test_a_job_goes_on_when_the_server_is_killed(base: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    port = str(free_port())
    with live_server(base, "--port", port) as server:
        run = post(server, "/prompt", {"prompt": prompt(base)})["prompt_id"]
        until(lambda: "gate" in lines(base) and "first_00001_.png" in files(base))
        time.sleep(0.3)
        host = host_of(server)
        os.kill(server.pid, signal.SIGKILL)
        host.wait(timeout=30)
    with live_server(base, "--port", port) as server:
        api = ComfyUIAPI(server.url)
        until(lambda: lines(base).count("gate") == 2)
        (base / "gate").touch()
        until(lambda: api.history(run))
        until(lambda: not list((base / "user" / "limner").glob(f"jobs-{port}/*")))
    assert lines(base) == ["image 1", "image 2", "gate", "gate"]
    made = files(base)
    assert sorted(made) == ["first_00001_.png", "second_00001_.png"]
    assert made == undisturbed(base, tmp_path_factory)


def test_damaged_results_are_made_again(base: Path) -> None:
    port = str(free_port())
    with live_server(base, "--port", port) as server:
        run = post(server, "/prompt", {"prompt": prompt(base)})["prompt_id"]
        until(lambda: "gate" in lines(base) and written(base))
        time.sleep(0.3)
        host = host_of(server)
        os.kill(server.pid, signal.SIGKILL)
        host.wait(timeout=30)
    for path in base.rglob("*.pack"):
        data = bytearray(path.read_bytes())
        half = len(data) // 2
        path.write_bytes(data[:half] + bytes(byte ^ 0xFF for byte in data[half:]))
    (base / "gate").touch()
    with live_server(base, "--port", port) as server:
        api = ComfyUIAPI(server.url)
        until(lambda: api.history(run))
        assert api.history(run)[run]["status"]["status_str"] == "success"
    assert lines(base)[-1] == "gate"
    assert "made again" in (base / "server.log").read_text()


def test_results_outlive_the_server_where_a_budget_says_so(base: Path) -> None:
    (base / "gate").touch()
    for _ in range(2):
        with live_server(base, "--cache-disk", "1GB") as server:
            assert ComfyUIAPI(server.url).execute_workflow(prompt(base), timeout=PATIENCE).ok
    assert lines(base) == ["image 1", "image 2", "gate"]
    assert len(files(base)) == 4


def sampling(steps: int = 80) -> dict[str, Any]:
    """The built-in model draws; its sampler takes long enough to be killed."""
    return {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "limner-emoji.safetensors"}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a cat", "clip": ["1", 1]}},
        "3": {"class_type": "CLIPTextEncode", "inputs": {"text": "", "clip": ["1", 1]}},
        "4": {"class_type": "EmptyLatentImage", "inputs": {"width": 256, "height": 256, "batch_size": 1}},
        "5": {
            "class_type": "KSampler",
            "inputs": {
                "model": ["1", 0],
                "positive": ["2", 0],
                "negative": ["3", 0],
                "latent_image": ["4", 0],
                "seed": 7,
                "steps": steps,
                "cfg": 4.0,
                "sampler_name": "dpmpp_2m_sde",
                "scheduler": "karras",
                "denoise": 1.0,
            },
        },
        "6": {"class_type": "VAEDecode", "inputs": {"samples": ["5", 0], "vae": ["1", 2]}},
        "7": {"class_type": "SaveImage", "inputs": {"images": ["6", 0], "filename_prefix": "drawn"}},
    }


def job(server: LiveServer, run: str) -> str:
    with urlopen(f"{server.url}/jobs/{run}", timeout=60) as answer:
        return str(json.load(answer)["status"])


def test_a_sampler_is_paused_survives_the_server_and_draws_the_same_pixels(tmp_path: Path) -> None:
    port, base = str(free_port()), tmp_path / "paused"
    base.mkdir()
    jobs = base / "user" / "limner" / f"jobs-{port}"
    with live_server(base, "--port", port) as server:
        run = post(server, "/prompt", {"prompt": sampling()})["prompt_id"]
        until(lambda: list(jobs.glob("*/tape-*")))
        assert post(server, f"/jobs/{run}/pause", {})["status"] == "paused"
        until(lambda: job(server, run) == "paused")
        os.kill(server.pid, signal.SIGKILL)
    assert not files(base)
    with live_server(base, "--port", port) as server:
        assert job(server, run) == "paused"
        assert post(server, f"/jobs/{run}/resume", {})["status"] == "pending"
        until(lambda: ComfyUIAPI(server.url).history(run))
        assert sorted(files(base)) == ["drawn_00001_.png"]
        resumed = files(base)
    whole = tmp_path / "whole"
    whole.mkdir()
    with live_server(whole) as server:
        assert ComfyUIAPI(server.url).execute_workflow(sampling(), timeout=PATIENCE).ok
    assert files(whole) == resumed


def test_a_full_disk_costs_a_warning_and_nothing_else(base: Path) -> None:
    def log() -> str:
        return (base / "server.log").read_text()

    with live_server(base) as server:
        api = ComfyUIAPI(server.url)
        until(lambda: api.object_info("WitnessImage"))
        host_of(server).rlimit(psutil.RLIMIT_FSIZE, (30_000, 30_000))  # a picture is smaller, its tensor larger
        for seed in (1, 2):
            gate = base / f"gate {seed}"
            job = prompt(base)
            job["1"]["inputs"]["seed"], job["4"]["inputs"]["gate"] = seed, str(gate)
            run = post(server, "/prompt", {"prompt": job})["prompt_id"]
            until(lambda: lines(base).count("gate") == seed)  # noqa: B023
            until(lambda: "in memory only" in log())
            time.sleep(0.3)  # long enough for what would be written to be written
            gate.touch()
            until(lambda: api.history(run))  # noqa: B023
        assert not written(base)
    assert log().count("in memory only") == 1
    assert len(files(base)) == 4
