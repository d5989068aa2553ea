"""Importing a pack in a process of its own, over a scratch folder, to see what it does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from .errors import PackProblem
from .report import Report
from .sources import NOT_COPIED

SECONDS = 300
LAST_WORDS = 5
"""Lines that are shown of what a pack said before it ended its process."""
STUB = "import sys; print('limner packs check: pip was not run:', *sys.argv[1:], file=sys.stderr)\n"


def check(
    pack: Path, *, network: bool = False, packages: Path | None = None, python: Path = Path(sys.executable)
) -> Report:
    """Import a copy of the pack and tell. Raises PackProblem.

    It runs the pack's code. What it writes is thrown away; `pip install` is stopped. `packages`: a folder of what packs
    require; `python`: that of the environment that it is for.
    """
    with tempfile.TemporaryDirectory(prefix="limner-check-") as scratch:
        base = Path(scratch) / "base"
        copy = base / "custom_nodes" / pack.name
        copy.parent.mkdir(parents=True)
        if pack.is_dir():
            shutil.copytree(pack, copy, symlinks=True, ignore=NOT_COPIED)
        else:
            shutil.copy2(pack, copy)
        names = {copy: str(pack), base / "home": "~", base.parent / "stubs": "limner", base: "."}
        answer = base / "report.json"
        order = {"pack": str(copy), "base": str(base), "answer": str(answer), "network": network}
        command = [str(python), "-m", "limner.app.pack_check", json.dumps(order)]
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
            return msgspec.convert(_shown(json.loads(answer.read_bytes()), names), Report)
        except (OSError, ValueError, msgspec.MsgspecError) as error:
            said = [line.strip() for line in str(_shown(done.stderr or "", names)).splitlines()]
            words = "; ".join(line for line in said[-LAST_WORDS:] if line)
            problem = f"{pack.name} ended its process with status {done.returncode} while it was imported"
            raise PackProblem(f"{problem}: {words}" if words else problem, "See what its code does") from error


def _shown(told: Any, names: Mapping[Path, str]) -> Any:
    """With these names in place of the scratch folders', in all texts of it."""
    if isinstance(told, str):
        for folder, shown in names.items():
            told = told.replace(str(folder), shown)
    elif isinstance(told, list):
        return [_shown(item, names) for item in told]
    elif isinstance(told, dict):
        return {key: _shown(item, names) for key, item in told.items()}
    return told


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
    path = [str(stubs), *([str(packages)] if packages is not None else []), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, path)),
        "PATH": os.pathsep.join([str(stubs / "bin"), os.environ.get("PATH", "")]),
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "TMPDIR": str(temporary),
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": "ignore",
    }
