"""What a service on this machine is like: who runs it, from which folders, by which command.

Rules, stated once:

- Root installs a unit of the system, anyone else one of one's own.
- The command says what the service would not find out by itself: the base directory, and each setting that differs from
  what `limner.toml` there and the defaults give. Later changes of `limner.toml` count at the next start.
- The machine's service runs as whom `--run-as` names, who called sudo, or the account `limner`; never as root by
  itself. The base directory is that user's, where none is said: `~/.limner`, or the home of an account below /var/lib.
"""

from __future__ import annotations

import getpass
import os
import pwd
import re
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from limner.settings import Settings, SettingsError, as_flags, declarations, flag, resolve

from .systemd import SystemdProblem
from .unit import PRIVILEGED_PORTS, STATE, Unit

CODE = Path(__file__).resolve().parents[3]
"""The folder that `limner` is imported from."""
ACCOUNT = "limner"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


class Scope(Enum):
    """Whose systemd it is."""

    SYSTEM = "system"
    USER = "user"


@dataclass(frozen=True, slots=True)
class Owner:
    """Who a service runs as."""

    name: str
    home: Path
    uid: int
    gid: int


def scope_of_this_user() -> Scope:
    return Scope.SYSTEM if os.geteuid() == 0 else Scope.USER


def owner(scope: Scope, named: str, environment: Mapping[str, str] = os.environ) -> Owner:
    """Who runs it. Raises SystemdProblem."""
    if scope is Scope.USER:
        name = getpass.getuser()
    else:
        name = named or environment.get("SUDO_USER", "") or (ACCOUNT if _is_there(ACCOUNT) else getpass.getuser())
    try:
        found = pwd.getpwnam(name)
    except KeyError as error:
        remedy = f"Make it: useradd --system --home-dir {STATE / name} --shell /usr/sbin/nologin {name}"
        raise SystemdProblem(f"there is no user '{name}' on this machine", remedy) from error
    if scope is Scope.SYSTEM and found.pw_uid == 0 and not named:
        remedy = (
            f"Make an account: useradd --system --home-dir {STATE / ACCOUNT} --shell /usr/sbin/nologin {ACCOUNT}; "
            "or name another with --run-as"
        )
        raise SystemdProblem("the service would run as root", remedy)
    return Owner(found.pw_name, Path(found.pw_dir), found.pw_uid, found.pw_gid)


def wanted(
    name: str, scope: Scope, who: Owner, settings: Settings, *, address: str = "", taken: Collection[str] = ()
) -> Unit:
    """The unit of a server with these settings, or of a worker for the cluster at the `address`. SystemdProblem.

    `taken` are the settings that the command takes, where it does not take all.
    """
    if not NAME.fullmatch(name):
        raise SystemdProblem(f"{name!r} is no name of a service", "Give letters, digits, '-', '_' and '.'")
    base = _base_of(who) if settings.base_directory == Path.home() / ".limner" else settings.base_directory
    folders = [
        _moved(path, settings.base_directory, base)
        for path in (
            settings.base_directory,
            settings.output_directory,
            settings.input_directory,
            settings.temp_directory.parent,
            settings.user_directory,
            *((settings.comfyui,) if settings.comfyui else ()),
        )
    ]
    kind = ("worker", "--address", address) if address else ("serve",)
    ports = () if address else (settings.port, settings.metrics_port or 0)
    return Unit(
        name=name,
        command=(*program(), *kind, "--base-directory", str(base), *arguments(settings, taken)),
        base=base,
        user=who.name if scope is Scope.SYSTEM else "",
        writes=tuple(_outermost(folders)),
        reads=tuple(dict.fromkeys((Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve(), CODE))),
        environment_file=environment_file(name, scope, who),
        privileged_port=any(0 < port < PRIVILEGED_PORTS for port in ports),
        insists=bool(address),
        patience="1h" if address else "1min",
    )


def _is_there(account: str) -> bool:
    try:
        return bool(pwd.getpwnam(account))
    except KeyError:
        return False


def _base_of(who: Owner) -> Path:
    return who.home if who.home.parent == STATE else who.home / ".limner"


def environment_file(name: str, scope: Scope, who: Owner) -> Path:
    """Where an administrator writes variables for the service."""
    folder = Path("/etc") if scope is Scope.SYSTEM else who.home / ".config"
    return folder / "limner" / f"{name}.env"


def program() -> tuple[str, ...]:
    """The command that runs Limner as it runs now."""
    script = Path(sys.executable).parent / "limner"
    return (str(script),) if script.is_file() else (sys.executable, "-m", "limner.cli")


def arguments(settings: Settings, taken: Collection[str] = ()) -> Iterator[str]:
    """Flags for what differs from what the base directory's own limner.toml and the defaults give."""
    given = as_flags(settings)
    try:
        found = as_flags(resolve({"base_directory": str(settings.base_directory)}, {}, settings.base_directory))
    except SettingsError as error:
        raise SystemdProblem(f"{error.source}: {error.problem}", error.remedy) from error
    for name, _, _ in declarations():
        if name == "base_directory" or (taken and name not in taken):
            continue
        if given.get(name) != found.get(name):
            yield from _flag(name, given.get(name), found.get(name))


def _flag(name: str, value: object, found: object) -> Iterator[str]:
    if isinstance(value, bool):
        if not value:
            remedy = f"Take {name} out of limner.toml"
            raise SystemdProblem(f"limner.toml switches {name} on, and no flag switches it off", remedy)
        yield flag(name)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for one in value:
            yield from (flag(name), str(one))
    elif value is not None:
        yield from (flag(name), str(value))


def _moved(path: Path, base: Path, to: Path) -> Path:
    return to / path.relative_to(base) if path.is_relative_to(base) else path


def _outermost(paths: Sequence[Path]) -> Iterator[Path]:
    """Each once, and none that lies in another."""
    for path in dict.fromkeys(paths):
        if not any(path != other and path.is_relative_to(other) for other in paths):
            yield path
