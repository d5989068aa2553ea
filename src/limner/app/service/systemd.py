"""What systemd on this machine is asked to do: to know a unit, to start it, to say how it is, and to forget it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from limner.files import write_atomic

RUNNING = Path("/run/systemd/system")
"""There as long as systemd runs the machine."""
SETTLING = 5.0
"""Seconds that a service must live to count as started."""
LINES = 15
MARK = "# Written by `limner service install`, which replaces it: change it with `systemctl edit`, or limner.toml.\n"


class SystemdProblem(Exception):
    """Something cannot be done; `remedy` says what to do about it."""

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem, self.remedy = problem, remedy
        super().__init__(f"{problem}. {remedy}")


@dataclass(frozen=True, slots=True)
class Systemd:
    """The system's, or with `user` this user's own. `folder` is where its units lie."""

    folder: Path
    user: bool

    @classmethod
    def of(cls, *, user: bool) -> Systemd:
        if not user:
            return cls(Path("/etc/systemd/system"), user)
        configuration = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
        return cls(configuration / "systemd" / "user", user)

    def check(self, *, changing: bool = True) -> None:
        """Raises SystemdProblem where there is no systemd to ask, or this user may not."""
        dry = "Print the unit with --dry-run, and run it where systemd does"
        if shutil.which("systemctl") is None or not RUNNING.is_dir():
            raise SystemdProblem("systemd does not run this machine", dry)
        if self.user and not os.environ.get("XDG_RUNTIME_DIR"):
            remedy = "Log in as this user (not by su), or install for the system: sudo limner service install"
            raise SystemdProblem("this user's own systemd does not run", remedy)
        if changing and not self.user and os.geteuid() != 0:
            raise SystemdProblem("only root changes services of the system", "Put sudo before it, or give --user")

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.service"

    def write(self, name: str, text: str) -> Path:
        """Put the unit in its place. Raises SystemdProblem for a unit that somebody else has written."""
        path = self.path(name)
        if path.exists() and not self.is_ours(name):
            remedy = "Choose another --name, or move that file away"
            raise SystemdProblem(f"{path} is there already, and not written by limner", remedy)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, (MARK + text).encode())
            path.chmod(0o644)
        except OSError as error:
            raise SystemdProblem(f"{path} cannot be written: {error.strerror}", "Make that folder writable") from error
        return path

    def is_ours(self, name: str) -> bool:
        try:
            return self.path(name).read_text("utf-8", "replace").startswith(MARK)
        except OSError:
            return False

    def enable(self, name: str) -> None:
        """Start it with the machine from now on; it is not started now."""
        self.ask("daemon-reload")
        self.ask("enable", f"{name}.service")

    def start(self, name: str) -> None:
        """Start it, anew where it runs. Raises SystemdProblem, with its log, where it does not stay up."""
        self.ask("restart", f"{name}.service")
        end = time.monotonic() + SETTLING
        while time.monotonic() < end:
            time.sleep(0.2)
            if self.state(name) in ("failed", "inactive", "auto-restart"):
                self.run("stop", f"{name}.service")
                raise SystemdProblem(
                    f"the service {name} did not stay up:\n{self.log(name)}", "Mend that, and try again"
                )

    def forget(self, name: str) -> None:
        """Stop it, and delete its unit. Raises SystemdProblem."""
        self.run("disable", "--now", f"{name}.service")
        try:
            self.path(name).unlink()
        except OSError as error:
            raise SystemdProblem(f"{self.path(name)} cannot be deleted: {error.strerror}", "Delete it") from error
        self.ask("daemon-reload")
        self.run("reset-failed", f"{name}.service")

    def state(self, name: str) -> str:
        """`active`, `failed`, ...; `auto-restart` where it has just ended and will be started again."""
        states = ("ActiveState", "SubState")
        shown = self.run("show", f"{name}.service", *(f"--property={state}" for state in states)).stdout
        said = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
        return "auto-restart" if said.get("SubState") == "auto-restart" else said.get("ActiveState", "unknown")

    def status(self, name: str) -> str:
        """What `systemctl status` says."""
        return self.run("status", "--no-pager", "--full", f"{name}.service").stdout

    def log(self, name: str) -> str:
        """The last lines of its log."""
        command = ["journalctl", *self._whose, "--no-pager", "--output=cat", f"--lines={LINES}", "--unit", name]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()

    def ask(self, *what: str) -> None:
        done = self.run(*what)
        if done.returncode:
            words = done.stderr.strip() or done.stdout.strip() or f"exit status {done.returncode}"
            raise SystemdProblem(f"systemctl {' '.join(what)}: {words}", "See what it says, mend it, and try again")

    def run(self, *what: str) -> subprocess.CompletedProcess[str]:
        command = ["systemctl", *self._whose, *what]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    @property
    def _whose(self) -> list[str]:
        return ["--user"] if self.user else []
