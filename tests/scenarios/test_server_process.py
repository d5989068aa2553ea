"""The server process: what it loads, and how it ends."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import psutil

from comfyui_api import ComfyUIAPI
from tests.scenarios.workflows import failing, inverted
from tests.support.live_server import LiveServer, live_server


def test_no_torch_is_in_the_server_process_and_the_host_has_it(server: LiveServer) -> None:
    assert ComfyUIAPI(server.url).execute_workflow(inverted()).ok
    process = psutil.Process(server.pid)
    (host,) = process.children()
    assert not any("torch" in mapped.path for mapped in process.memory_maps())
    assert any("torch" in mapped.path for mapped in host.memory_maps())


def test_the_host_is_killed_and_the_next_run_works(server: LiveServer) -> None:
    api = ComfyUIAPI(server.url)
    assert api.execute_workflow(inverted("before")).ok
    (host,) = psutil.Process(server.pid).children()
    host.send_signal(signal.SIGKILL)
    host.wait(timeout=10)
    assert api.execute_workflow(inverted("after", 0x123456), timeout=60).ok
    assert psutil.Process(server.pid).children()[0].pid != host.pid


def test_everything_ends_with_the_server(tmp_path: Path) -> None:
    with live_server(tmp_path) as running:
        family = [psutil.Process(running.pid), *psutil.Process(running.pid).children()]
    assert psutil.wait_procs(family, timeout=10)[1] == []


def test_it_answers_while_the_nodes_still_load(tmp_path: Path) -> None:
    with live_server(tmp_path) as first:
        names = set(json.loads(urlopen(first.url + "/object_info").read()))
    with live_server(tmp_path) as second:
        assert set(json.loads(urlopen(second.url + "/object_info").read())) == names
        assert ComfyUIAPI(second.url).execute_workflow(inverted(), timeout=60).ok


def test_a_taken_port_is_bad_input(server: LiveServer, tmp_path: Path) -> None:
    port = server.url.rsplit(":", 1)[1]
    command = [sys.executable, "-m", "limner.cli", "serve", "--port", port, "--base-directory", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert f"port {port}" in ended.stderr and "--port" in ended.stderr and "Traceback" not in ended.stderr


def test_a_damaged_queue_is_named_with_the_remedy(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "user" / "limner").mkdir(parents=True)
    (tmp_path / "user" / "limner" / f"server-{port}.sqlite").write_bytes(b"no database " * 1000)
    command = [sys.executable, "-m", "limner.cli", "serve", "--port", port, "--base-directory", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 2
    assert f"server-{port}.sqlite" in ended.stderr and "move the file away" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_jobs_survive_the_death_of_the_server(tmp_path: Path) -> None:
    """What was accepted runs after a restart on the same port, and what had ended is remembered."""
    port = free_port()
    with live_server(tmp_path, "--port", port) as running:
        api = ComfyUIAPI(running.url)
        ended = api.execute_workflow(inverted("ended"))["prompt_id"]
        waiting = [post(running.url, large(color)) for color in range(4)]
        family = psutil.Process(running.pid).children()
        psutil.Process(running.pid).kill()
    assert psutil.wait_procs(family, timeout=20)[1] == [], "a host ends with its server"
    with live_server(tmp_path, "--port", port) as running:
        api = ComfyUIAPI(running.url)
        assert all(api.wait(prompt_id, timeout=60).ok for prompt_id in waiting)
        assert next(iter(api.history())) == ended
    assert len(list((tmp_path / "output").glob("large_*.png"))) >= 4


def large(color: int) -> dict[str, Any]:
    workflow = inverted("large", color)
    workflow["1"]["inputs"] |= {"width": 2048, "height": 2048}
    return workflow


def post(url: str, workflow: dict[str, Any]) -> str:
    request = Request(url + "/prompt", json.dumps({"prompt": workflow}).encode(), {"Content-Type": "application/json"})
    with urlopen(request, timeout=30) as answer:
        return str(json.loads(answer.read())["prompt_id"])


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        return str(opened.getsockname()[1])


def test_interrupting_the_command_line_leaves_no_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "limner.cli", "generate", "red apple", "--steps", "2000", "--cpu"]
    process = subprocess.Popen([*command, "--base-directory", str(tmp_path)], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    process.stderr.readline()
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in err


def test_the_log_tells_of_runs_and_has_the_traceback_that_clients_do_not_get(tmp_path: Path) -> None:
    with live_server(tmp_path) as running:
        result = ComfyUIAPI(running.url).execute_workflow(failing())
        assert "Traceback" not in json.dumps(result) and ".py" not in json.dumps(result["error"])
    log = (tmp_path / "server.log").read_text()
    assert "node 3 (SaveImage) failed" in log
    assert "save_path.py" in log
    assert f"run {result['prompt_id']} failed" in log
