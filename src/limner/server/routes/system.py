"""What the machine is and whether the server is well."""

from __future__ import annotations

import os
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import msgspec
import psutil
from aiohttp import web

from ..answers import answer
from ..describe import describes
from ..metrics import METRICS_TEXT, exposed
from ..services import services
from ..socket import features

COMFYUI_VERSION = "0.3.64"
"""The version of ComfyUI whose interface this server has; clients compare it with what they need."""


class Stats(msgspec.Struct):
    system: dict[str, Any]
    devices: list[dict[str, Any]]


class Health(msgspec.Struct):
    status: str


class Readiness(msgspec.Struct):
    status: str
    problems: list[str]


@describes(answer=Stats)
async def system_stats(request: web.Request) -> web.Response:
    """Memory, versions and devices, as ComfyUI tells them."""
    served = services(request)
    memory = psutil.virtual_memory()
    system: dict[str, Any] = {
        "os": os.name,
        "ram_total": memory.total,
        "ram_free": memory.available,
        "comfyui_version": COMFYUI_VERSION,
        "limner_version": served.settings.version,
        "required_frontend_version": _version("comfyui-frontend-package"),
        "installed_templates_version": _version("comfyui-workflow-templates"),
        "required_templates_version": _version("comfyui-workflow-templates"),
        "python_version": sys.version,
        "pytorch_version": "",
        "embedded_python": False,
        "argv": list(served.settings.arguments),
    }
    return answer({"system": system | dict(served.machine.versions()), "devices": list(served.machine.devices())})


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


@describes(answer=dict[str, Any])
async def get_features(request: web.Request) -> web.Response:
    """What the server can do."""
    return answer(features(services(request)))


@describes(answer=Health)
async def healthz(_: web.Request) -> web.Response:
    """The server answers."""
    return answer({"status": "ok"})


@describes(answer=Readiness, more=(503,))
async def readyz(request: web.Request) -> web.Response:
    """Whether jobs are taken and start at once: 503 while nodes load, or where queue or disk cannot be written."""
    served = services(request)
    loading, problems = not served.machine.ready, list(await served.complaints())
    status = "failing" if problems else "loading" if loading else "ready"
    told = ["The nodes are still loading"] if loading else []
    return answer({"status": status, "problems": [*told, *problems]}, 200 if status == "ready" else 503)


@describes(media=(METRICS_TEXT,))
async def metrics(request: web.Request) -> web.Response:
    """Metrics of runs, hosts, queue and machine, as Prometheus reads them."""
    return await exposed(request, services(request).metrics)


class Worker(msgspec.Struct):
    """A worker of the cluster, with the reason where it is not ready."""

    name: str
    state: str
    reason: str
    machine: str
    device: str
    memory: int
    jobs: int
    models: list[str]
    speed: float


@describes(answer=list[Worker])
async def workers(request: web.Request) -> web.Response:
    """The workers of the cluster; none where the server runs all by itself."""
    found = services(request).workers()
    return answer([msgspec.to_builtins(msgspec.convert(state, Worker, from_attributes=True)) for state in found])


ROUTES = (
    web.get("/system_stats", system_stats),
    web.get("/features", get_features),
    web.get("/healthz", healthz),
    web.get("/readyz", readyz),
    web.get("/metrics", metrics),
    web.get("/workers", workers),
)
