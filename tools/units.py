"""Writes deploy/systemd: the units of an installation in /opt/limner, as `limner service install` makes them there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from limner.app.service import Unit, text

FOLDER = Path(__file__).resolve().parents[1] / "deploy" / "systemd"
BASE, PROGRAM = Path("/var/lib/limner"), "/opt/limner/bin/limner"
SETTINGS = Path("/etc/limner")

SERVER = Unit(
    name="limner",
    command=(PROGRAM, "serve", "--base-directory", str(BASE)),
    base=BASE,
    user="limner",
    writes=(BASE,),
    reads=(Path("/opt/limner"),),
    environment_file=SETTINGS / "limner.env",
)
WORKER = Unit(
    name="limner-worker",
    command=(PROGRAM, "worker", "--address", "server.example.org:6379", "--base-directory", str(BASE)),
    base=BASE,
    user="limner",
    writes=(BASE,),
    reads=(Path("/opt/limner"),),
    environment_file=SETTINGS / "limner-worker.env",
    insists=True,
    patience="1h",
)


def units() -> Mapping[Path, str]:
    """The text of each file."""
    return {FOLDER / f"{unit.name}.service": text(unit) for unit in (SERVER, WORKER)}


if __name__ == "__main__":
    for path, written in units().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(written, "utf-8")
