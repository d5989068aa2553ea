"""`python -m limner.packs.installers.command ...`: `pip install`, beside Limner's packages."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from limner.packs.errors import PackProblem
from limner.packs.requirements import resolve
from limner.plugins.environment import EnvironmentProblem, install_into, requirements_in

from . import TARGET
from .pip import real

ELSEWHERE = ("--target", "--prefix", "--root", "--download")
"""Say where packages go: not among Limner's, so that this is for the real pip."""
WITH_VALUES = (
    *("-c", "--constraint", "--upgrade-strategy", "--only-binary", "--no-binary", "--platform", "--python-version"),
    *("--implementation", "--abi", "--trusted-host", "--timeout", "--retries", "--proxy", "--cert", "--client-cert"),
    *("--cache-dir", "--log", "--progress-bar", "--src", "-C", "--config-settings", "--exists-action", "--report"),
)
"""Further options of pip that have a value, so that it is not taken for a requirement."""


def run(arguments: Sequence[str]) -> int:
    """Do what pip does; gives the exit status."""
    command = next((word for word in arguments if not word.startswith("-")), "")
    if command == "uninstall":
        print("limner: nothing is uninstalled: packages that Limner shares with packs stay as they are")
        return 0
    if command != "install":
        return real(arguments)
    rest = [word for word in arguments if word != command]
    options = _parser().parse_known_args(rest)[0]
    if any(getattr(options, name.strip("-")) for name in ELSEWHERE):
        return real(arguments)
    lines = [*options.requirements, *(options.editable or ())]
    for file in options.requirement or ():
        lines += requirements_in(Path(file))
    return install(lines, options)


def install(lines: Sequence[str], options: argparse.Namespace) -> int:
    """Bring these, and what they require, at versions that go with Limner's."""
    for variable, between, values in (("UV_EXTRA_INDEX_URL", " ", options.index), ("UV_FIND_LINKS", ",", options.find)):
        if values:
            os.environ[variable] = between.join(filter(None, [os.environ.get(variable, ""), *values]))
    target = Path(os.environ[TARGET])
    path = [*sys.path, *([] if options.upgrade else [str(target)])]
    try:
        pins = resolve({"this pack": [line for line in lines if not _is_there(line, path)]})
        if pins:
            install_into(target, pins, Path(sys.executable))
    except (PackProblem, EnvironmentProblem) as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return 1
    told = f"installed beside Limner's packages, in {target}: {' '.join(pins)}" if pins else "all of it is there"
    print(f"limner: pip install {' '.join(lines)}: {told}")
    return 0


def _is_there(line: str, path: Sequence[str]) -> bool:
    """Whether a package on this path is what the line requires."""
    try:
        wanted = Requirement(line)
    except InvalidRequirement:
        return False
    if wanted.marker is not None and not wanted.marker.evaluate():
        return True
    found = None if wanted.extras or wanted.url else next(iter(_found(wanted.name, path)), None)
    return found is not None and wanted.specifier.contains(found.version, prereleases=True)


def _found(name: str, path: Sequence[str]) -> Iterable[metadata.Distribution]:
    return metadata.distributions(name=name, path=list(path))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pip install", add_help=False, allow_abbrev=False)
    parser.add_argument("requirements", nargs="*")
    parser.add_argument("-U", "--upgrade", action="store_true")
    parser.add_argument("-r", "--requirement", action="append")
    parser.add_argument("-e", "--editable", action="append")
    parser.add_argument("-i", "--index-url", "--extra-index-url", "--pypi-url", dest="index", action="append")
    parser.add_argument("-f", "--find-links", dest="find", action="append")
    parser.add_argument("-t", *ELSEWHERE[:1])
    for name in ELSEWHERE[1:]:
        parser.add_argument(name)
    for name in WITH_VALUES:
        parser.add_argument(name, action="append")
    return parser


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
