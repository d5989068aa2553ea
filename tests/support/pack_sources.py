"""Packs to install from: folders, archives, git repositories, and a registry that answers as the real one does."""

from __future__ import annotations

import json
import subprocess
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

NODE = """
from limner.sdk import node

@node
def {name}() -> int:
    return {value}
"""


def pack(folder: Path, name: str = "pack", value: int = 1, **files: str) -> Path:
    """A pack of one node; more files by their names, with `__` for a dot."""
    target = folder / name
    target.mkdir(parents=True, exist_ok=True)
    (target / "__init__.py").write_text(NODE.format(name=name.replace("-", "_").lower(), value=value))
    for inside, text in files.items():
        path = target / inside.replace("__", ".")
        path.write_text(text)
    return target


def zipped(folder: Path, target: Path, top: str = "") -> Path:
    """A zip of what is in the folder, below `top` if given."""
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, Path(top) / path.relative_to(folder))
    return target


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=Me", "-c", "user.email=me@example.com", "-c", "init.defaultBranch=main"]
    done = subprocess.run([*command, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def repository(folder: Path) -> Path:
    """Make a repository of a folder, with one commit."""
    git(folder, "init", "--quiet")
    commit(folder, "first")
    return folder


def commit(folder: Path, message: str) -> str:
    """Commit all that is there; gives the commit."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)
    return git(folder, "rev-parse", "HEAD")


@dataclass
class FakeRegistry:
    """`archives` are what packs' versions are made of, the newest last; `asked` the paths that were asked for."""

    url: str = ""
    archives: dict[str, dict[str, bytes]] = field(default_factory=dict)
    statuses: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    agents: set[str] = field(default_factory=set)

    def answer(self, path: str, query: Mapping[str, list[str]]) -> tuple[int, Any]:
        parts = [unquote(part) for part in path.strip("/").split("/")]
        if parts[0] == "files":
            return 200, self.archives[parts[1]][parts[2]]
        if parts[1:2] == ["search"]:
            found = [name for name in self.archives if query["search"][0] in name]
            return 200, {"limit": 20, "page": 1, "total": len(found), "nodes": [self.told(name) for name in found]}
        name = parts[1]
        if name not in self.archives:
            return 404, {"error": "", "message": "Node not found"}
        if parts[2:] == ["install"]:
            version = query.get("version", [list(self.archives[name])[-1]])[0]
            known = version in self.archives[name]
            return (200, self.version(name, version)) if known else (404, {"message": "Node version not found"})
        if parts[2:] == ["versions"]:
            return 200, [self.version(name, version) for version in reversed(self.archives[name])]
        return 200, self.told(name)

    def told(self, name: str) -> dict[str, Any]:
        latest = self.version(name, list(self.archives[name])[-1]) | {"downloadUrl": ""}
        return {
            "id": name,
            "name": name.title(),
            "description": "It does things.",
            "publisher": {"id": "me", "name": "Me"},
            "repository": f"https://example.com/{name}",
            "latest_version": latest,
            "status": "NodeStatusActive",
            "tags": [],
        }

    def version(self, name: str, version: str) -> dict[str, Any]:
        return {
            "id": "0000-1111",
            "node_id": name,
            "version": version,
            "changelog": "",
            "createdAt": "2026-08-07T22:05:04.258043Z",
            "dependencies": ["gadget"],
            "deprecated": False,
            "downloadUrl": f"{self.url}/files/{name}/{version}",
            "status": self.statuses.get(f"{name}@{version}", "NodeVersionStatusActive"),
        }


@contextmanager
def fake_registry() -> Iterator[FakeRegistry]:
    registry = FakeRegistry()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            registry.asked.append(self.path)
            registry.agents.add(self.headers["User-Agent"])
            place = urlsplit(self.path)
            status, body = registry.answer(place.path, parse_qs(place.query))
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *arguments: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    registry.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
