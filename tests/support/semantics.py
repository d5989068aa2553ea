"""Prompts of the pack `semantics`, and what a server tells of their runs."""

from __future__ import annotations

import json
import shutil
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from .live_server import LiveServer, live_server

PACKS = Path(__file__).resolve().parents[1] / "fixtures" / "packs"
Prompt = dict[str, Any]


@contextmanager
def semantics_server(base: Path, *flags: str) -> Iterator[LiveServer]:
    """`limner serve` with the pack."""
    shutil.copytree(PACKS / "semantics", base / "custom_nodes" / "semantics")
    with live_server(base, *flags) as running:
        yield running


def graph(**nodes: tuple[Any, ...]) -> Prompt:
    """`graph(x=("Add", {"a": 1, "b": "y:0"}))`: texts of the form `node:output` are links."""
    prompt: Prompt = {}
    for name, (kind, *given) in nodes.items():
        inputs = {key: _link(value) for key, value in (given[0] if given else {}).items()}
        prompt[name] = {"class_type": f"Sem{kind}", "inputs": inputs}
    return prompt


def _link(value: object) -> object:
    if isinstance(value, str) and value.count(":") == 1 and value.rpartition(":")[2].isdigit():
        node, _, output = value.partition(":")
        return [node, int(output)]
    return value


@dataclass
class Told:
    """How a run went: what was shown, which nodes began, how it ended and the error."""

    shown: dict[str, list[str]] = field(default_factory=dict)
    began: list[str] = field(default_factory=list)
    cached: list[str] = field(default_factory=list)
    progress: list[float] = field(default_factory=list)
    end: str = ""
    error: dict[str, Any] = field(default_factory=dict)
    rejection: dict[str, Any] = field(default_factory=dict)


def run(server: LiveServer, prompt: Prompt, **more: Any) -> Told:
    client = uuid.uuid4().hex
    with connect(f"{server.url.replace('http', 'ws')}/ws?clientId={client}", max_size=None) as socket:
        try:
            answer = post(server, {"prompt": prompt, "client_id": client, **more})
        except urllib.error.HTTPError as error:
            return Told(rejection=json.loads(error.read()))
        return listen(socket, answer["prompt_id"])


def post(server: LiveServer, body: Prompt) -> Any:
    request = urllib.request.Request(f"{server.url}/prompt", json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


def listen(socket: ClientConnection, run: str) -> Told:
    told = Told()
    while not told.end:
        message = socket.recv(timeout=60)
        if isinstance(message, bytes):
            continue
        frame = json.loads(message)
        kind, data = frame["type"], frame["data"]
        if kind == "status" or data.get("prompt_id") != run:
            assert kind == "status", f"another client's {kind}"
        elif kind == "executing" and data["node"] is not None:
            told.began.append(data["node"])
        elif kind == "executed":
            told.shown[data["node"]] = data["output"]["value"]
        elif kind == "execution_cached":
            told.cached += data["nodes"]
        elif kind == "progress":
            told.progress.append(data["value"])
        elif kind in ("execution_success", "execution_error", "execution_interrupted"):
            told.end = kind
            told.error = data if kind == "execution_error" else {}
    return told


@dataclass(frozen=True)
class Case:
    prompt: Prompt
    shown: dict[str, list[str]]
    idle: tuple[str, ...] = ()
    """Nodes that must not begin."""
