"""Limner as its users install it: wheels of this code under other versions, in environments of their own."""

from __future__ import annotations

import subprocess
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from limner import __version__
from limner.plugins.environment import interpreter, lay_over, overlay_of_this_process, run_uv

SOURCE = Path(__file__).parents[2] / "src"
LEFT_OUT = {"__pycache__", "models"}
"""The built-in model is large, and not needed to invert a picture."""


def limner_wheel(
    folder: Path, version: str, changes: Mapping[str, tuple[str, str]] | None = None, requires: Sequence[str] = ()
) -> Path:
    """This code as a wheel of that version; `changes` say for a file what becomes of a text in it."""
    changes = {"limner/__init__.py": (f'"{__version__}"', f'"{version}"'), **(changes or {})}
    needs = "".join(f"Requires-Dist: {line}\n" for line in requires)
    info = f"limner-{version}.dist-info"
    inside = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: limner\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\nlimner = limner.cli.main:main\n",
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"limner-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        names = list(inside)
        for file in sorted((SOURCE / "limner").rglob("*")):
            if file.is_file() and not LEFT_OUT & set(file.parts):
                name = file.relative_to(SOURCE).as_posix()
                names.append(name)
                if name in changes:
                    old, new = changes[name]
                    text = file.read_text("utf-8")
                    assert old in text, f"{name} has no {old!r}"
                    archive.writestr(name, text.replace(old, new))
                else:
                    archive.write(file, name)
        record = "".join(f'"{name}",,\n' for name in [*names, f"{info}/RECORD"])
        for name, text in {**inside, f"{info}/RECORD": record}.items():
            archive.writestr(name, text)
    return path


def installation(folder: Path, wheel: Path) -> Path:
    """The `limner` of an environment that has the wheel, and everything else from the one that runs the tests."""
    run_uv(["venv", "--quiet", str(folder)], "no environment")
    python = interpreter(folder)
    run_uv(["pip", "install", "--quiet", "--no-deps", "--python", str(python), str(wheel)], "no installation")
    lay_over(folder, overlay_of_this_process(), shares=True)
    limner = python.parent / "limner"
    assert subprocess.run([str(limner), "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return limner
