"""Runs ComfyUI's own tests of its execution engine against Limner.

    execution_suite.py CHECKOUT [--adopt PYTHON] [pytest arguments]

The tests start `python main.py` in the folder that they run in. So they are run in a temporary folder that holds links
to the checkout's tests, and to the one module of its that their client side imports, beside a `main.py` that becomes
`limner serve` with the same flags, over an empty base directory each time. Nothing is written into the checkout.

With `--adopt`, that server runs on the checkout's own nodes, by its own modules, in the Python that is named.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

SUITE = Path("tests/execution")
LINKED = ("comfy_execution", "tests/__init__.py", "tests/conftest.py", "tests/execution")
MAIN = """\
import os, sys, tempfile

ADOPT = {adopt!r}
base = tempfile.mkdtemp(prefix="base-", dir=os.path.dirname(os.path.abspath(__file__)))
command = [sys.executable, "-m", "limner.cli", "serve", "--base-directory", base, *ADOPT, *sys.argv[1:]]
os.execv(sys.executable, command)
"""
SETTINGS = "[pytest]\nmarkers =\n  execution: tests of the engine\npythonpath = .\n"


def main(arguments: list[str]) -> int:
    """Returns pytest's exit status, or 2 where there is no such checkout."""
    checkout = Path(arguments[0] if arguments else "").absolute()
    if not arguments or not (checkout / SUITE).is_dir():
        print("Give the folder of a checkout of ComfyUI that has tests/execution in it:", file=sys.stderr)
        print("  make test-execution COMFYUI=/path/to/ComfyUI", file=sys.stderr)
        return 2
    given, adopt = arguments[1:], []
    if given[:1] == ["--adopt"]:
        adopt = ["--comfyui", str(checkout), "--comfyui-python", given[1]]
        given = given[2:]
    with tempfile.TemporaryDirectory(prefix="limner-execution-") as name:
        folder = Path(name)
        prepare(folder, checkout, adopt)
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--port", str(free_port())]
        given = given or [str(SUITE)]
        return subprocess.run([*command, *given], cwd=folder, env=environment(), check=False).returncode


def prepare(folder: Path, checkout: Path, adopt: list[str] | None = None) -> None:
    """Make the folder that the tests run in; `adopt` are further flags of the server."""
    for linked in LINKED:
        place = folder / linked
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(checkout / linked)
    (folder / "main.py").write_text(MAIN.format(adopt=adopt or []))
    (folder / "pytest.ini").write_text(SETTINGS)


def environment() -> dict[str, str]:
    """Of the tests: `python` is this one, and no setting of the user's is used."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LIMNER_")}
    binaries = str(Path(sys.executable).parent)
    return kept | {"PATH": f"{binaries}{os.pathsep}{kept.get('PATH', '')}", "PYTHONDONTWRITEBYTECODE": "1"}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
