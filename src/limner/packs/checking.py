"""Importing a pack in a process of its own, over a scratch folder, to see what it does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from .errors import PackProblem
from .report import Report
from .sources import NOT_COPIED

SECONDS = 300
STUB = "import sys; print('limner packs check: pip was not run:', *sys.argv[1:], file=sys.stderr)\n"


def check(pack: Path, *, network: bool = False, packages: Path | None = None) -> Report:
    """Import a copy of the pack and tell. `packages`: a folder of what packs require. Raises PackProblem.

    It runs the pack's code. What it writes is thrown away; `pip install` is stopped.
    """
    with tempfile.TemporaryDirectory(prefix="limner-check-") as scratch:
        base = Path(scratch) / "base"
        copy = base / "custom_nodes" / pack.name
        copy.parent.mkdir(parents=True)
        if pack.is_dir():
            shutil.copytree(pack, copy, symlinks=True, ignore=NOT_COPIED)
        else:
            shutil.copy2(pack, copy)
        answer = base / "report.json"
        order = {"pack": str(copy), "base": str(base), "answer": str(answer), "network": network}
        command = [sys.executable, "-m", "limner.app.pack_check", json.dumps(order)]
        try:
            done = subprocess.run(
                command,
                cwd=base,
                env=_environment(Path(scratch), base, packages),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise PackProblem(
                f"{pack.name} was not imported within {SECONDS} seconds", "See what it waits for"
            ) from error
        try:
            return msgspec.json.decode(answer.read_bytes(), type=Report)
        except (OSError, msgspec.MsgspecError) as error:
            words = "; ".join(line for line in (done.stderr or "").splitlines() if line.strip()[:1])[-500:]
            problem = f"{pack.name} ended its process with status {done.returncode} while it was imported"
            raise PackProblem(f"{problem}: {words}" if words else problem, "See what its code does") from error


def _environment(scratch: Path, base: Path, packages: Path | None) -> dict[str, str]:
    """A home of its own, and a pip that installs nothing."""
    stubs, home, temporary = scratch / "stubs", base / "home", base / "tmp"
    for folder in (stubs / "pip", home, temporary, stubs / "bin"):
        folder.mkdir(parents=True)
    (stubs / "pip" / "__init__.py").touch()
    (stubs / "pip" / "__main__.py").write_text(STUB)
    for name in ("pip", "pip3", "uv"):
        script = stubs / "bin" / name
        script.write_text(f"#!{sys.executable}\n{STUB}")
        script.chmod(0o755)
    path = [str(stubs), *([str(packages)] if packages is not None else [])]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path),
        "PATH": os.pathsep.join([str(stubs / "bin"), os.environ.get("PATH", "")]),
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "TMPDIR": str(temporary),
        "PYTHONUNBUFFERED": "1",
    }
