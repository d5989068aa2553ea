"""The text of a systemd unit that runs Limner, held to what it needs.

Rules, stated once:

- A unit of the system may write in its own folders alone, sees no home folder but those that it lives in, has no
  capability, and reaches no device but graphics cards.
- A unit of a user's own systemd has what that one can enforce without being root: system calls, sockets, namespaces.
- Not set, and why: `MemoryDenyWriteExecute`, as torch and drivers compile code while they run; `PrivateDevices`, as
  graphics cards are devices; `PrivateUsers`, as they belong to groups (`render`, `video`); `ProcSubset`, as memory and
  load are read from `/proc`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

STATE, CACHE = Path("/var/lib"), Path("/var/cache")
HOMES = (Path("/home"), Path("/root"), Path("/run/user"))
DEVICES = ("char-nvidia*", "char-drm", "char-kfd")
"""Graphics cards, as `/proc/devices` names their kinds."""
BAD_INPUT = 2
"""The exit code of a server that would not start a second time either."""
PRIVILEGED_PORTS = 1024


@dataclass(frozen=True, slots=True)
class Unit:
    """`command` is what is run, each argument by itself; `writes` and `reads` are what it needs beside the system."""

    name: str
    command: tuple[str, ...]
    base: Path
    """The working folder."""
    user: str = ""
    """Who runs it; empty for a unit of a user's own systemd."""
    writes: tuple[Path, ...] = ()
    reads: tuple[Path, ...] = ()
    environment_file: Path | None = None
    """Lines of `NAME=value`, such as tokens, that the unit's readers shall not see; it may be missing."""
    privileged_port: bool = False
    insists: bool = False
    """Whether it is started again however it ended: what it needs may be there later."""
    patience: str = "1min"
    """How long it may take to end."""
    description: str = "Limner, which runs node graphs that make images, video and sound"


def text(unit: Unit) -> str:
    """The unit as systemd reads it."""
    return "\n".join([*_unit(unit), "", *_service(unit), "", *_install(unit)]) + "\n"


def _unit(unit: Unit) -> Iterator[str]:
    yield "[Unit]"
    yield f"Description={_plain(unit.description)}"
    if unit.user:
        yield "Wants=network-online.target"
        yield "After=network-online.target"


def _service(unit: Unit) -> Iterator[str]:
    yield "[Service]"
    yield "Type=exec"
    if unit.user:
        yield f"User={_plain(unit.user)}"
    yield f"WorkingDirectory={_plain(str(unit.base))}"
    yield f"ExecStart={' '.join(map(_argument, unit.command))}"
    yield "Environment=PYTHONUNBUFFERED=1"
    if unit.environment_file:
        yield f"EnvironmentFile=-{_plain(str(unit.environment_file))}"
    if unit.insists:
        yield "Restart=always"
        yield "RestartSec=10"
    else:
        yield "Restart=on-failure"
        yield "RestartSec=5"
        yield "# Bad input, such as a setting that cannot be used: another start would end as this one did."
        yield f"RestartPreventExitStatus={BAD_INPUT}"
    yield "# The main process itself ends its hosts; what they ran goes back into the queue."
    yield "KillMode=mixed"
    yield f"TimeoutStopSec={unit.patience}"
    yield "# A host that the kernel kills for its memory is started again; that is no reason to stop the server."
    yield "OOMPolicy=continue"
    yield "LimitNOFILE=65536"
    yield ""
    yield from _held(unit)


def _held(unit: Unit) -> Iterator[str]:
    yield "UMask=0027"
    yield "NoNewPrivileges=yes"
    yield "LockPersonality=yes"
    yield "RestrictRealtime=yes"
    yield "RestrictSUIDSGID=yes"
    yield "RestrictNamespaces=yes"
    yield "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK"
    yield "SystemCallArchitectures=native"
    yield "SystemCallErrorNumber=EPERM"
    yield "SystemCallFilter=@system-service"
    yield "SystemCallFilter=~@privileged"
    yield "# What Limner holds packs to their permissions by."
    yield "SystemCallFilter=landlock_create_ruleset landlock_add_rule landlock_restrict_self seccomp"
    if unit.user:
        yield from _held_by_root(unit)


def _held_by_root(unit: Unit) -> Iterator[str]:
    capability = "CAP_NET_BIND_SERVICE" if unit.privileged_port else ""
    yield f"CapabilityBoundingSet={capability}"
    yield f"AmbientCapabilities={capability}"
    yield "ProtectSystem=strict"
    yield f"ProtectHome={'read-only' if any(map(_in_a_home, (*unit.reads, *unit.writes, unit.base))) else 'yes'}"
    state = _state(unit)
    if state:
        yield f"StateDirectory={_plain(state)}"
        yield "StateDirectoryMode=0750"
    yield f"CacheDirectory={_plain(unit.name)}"
    yield f"Environment={_word(f'XDG_CACHE_HOME={CACHE / unit.name}')}"
    writes = [path for path in unit.writes if not (state and path.is_relative_to(STATE / state))]
    if writes:
        yield f"ReadWritePaths={' '.join(_word(str(path)) for path in writes)}"
    yield "PrivateTmp=yes"
    yield "PrivateMounts=yes"
    yield "ProtectProc=invisible"
    yield "ProtectClock=yes"
    yield "ProtectHostname=yes"
    yield "ProtectControlGroups=yes"
    yield "ProtectKernelLogs=yes"
    yield "ProtectKernelModules=yes"
    yield "ProtectKernelTunables=yes"
    yield "# Graphics cards alone, beside /dev/null and its like."
    yield "DevicePolicy=closed"
    yield from (f"DeviceAllow={device} rw" for device in DEVICES)


def _install(unit: Unit) -> Iterator[str]:
    yield "[Install]"
    yield f"WantedBy={'multi-user.target' if unit.user else 'default.target'}"


def _state(unit: Unit) -> str:
    """The base directory as systemd makes it, where it is one that systemd makes."""
    return unit.base.name if unit.base.parent == STATE else ""


def _in_a_home(path: Path) -> bool:
    return any(path.is_relative_to(home) for home in HOMES)


def _plain(value: str) -> str:
    """A value of a whole line: `%` is systemd's, and a line ends where it ends."""
    if any(ord(character) < ord(" ") for character in value):
        raise ValueError(f"{value!r} has a control character, which no unit can hold")
    return value.replace("%", "%%")


def _word(value: str) -> str:
    """A value among others on a line: quoted where it must be."""
    escaped = _plain(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"' if not value or any(character in value for character in " \t;\"'\\") else escaped


def _argument(value: str) -> str:
    """An argument of a command, in which `$` names a variable."""
    return _word(value.replace("$", "$$"))
