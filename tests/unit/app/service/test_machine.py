"""What a service on this machine is like."""

from __future__ import annotations

import os
import pwd
import shlex
from pathlib import Path

import pytest

from limner.app.service import Scope, SystemdProblem, wanted
from limner.app.service.machine import Owner, arguments, owner
from limner.settings import as_flags, declarations, flag, resolve

ANN = Owner("ann", Path("/home/ann"), 1000, 1000)


def test_what_limner_toml_says_is_not_said_again(tmp_path: Path) -> None:
    (tmp_path / "limner.toml").write_text('port = 9000\nlog_format = "json"\n')
    settings = resolve({"base_directory": tmp_path, "listen": "10.0.0.5"}, {})
    assert list(arguments(settings)) == ["--listen", "10.0.0.5"]
    unit = wanted("limner", Scope.SYSTEM, ANN, settings)
    assert unit.command[-5:] == ("serve", "--base-directory", str(tmp_path), "--listen", "10.0.0.5")


def test_the_flags_give_the_same_settings(tmp_path: Path) -> None:
    """Every setting that has another value is said, by a flag that is read back as the same."""
    (tmp_path / "limner.toml").write_text("session_days = 7\n")
    given = {
        "base_directory": tmp_path,
        "output_directory": tmp_path / "a b",
        "extra_model_paths_config": [str(tmp_path / "1.yaml"), str(tmp_path / "2.yaml")],
        "cache_memory": "3GB",
        "insecure_no_auth": True,
        "metrics_port": 0,
        "trusted_hosts": "pictures.example.org",
    }
    settings = resolve(given, {})
    words = list(arguments(settings))
    found: dict[str, object] = {"base_directory": str(tmp_path)}
    names = {flag(name): (name, str(member.type)) for name, member, _ in declarations()}
    while words:
        name, kind = names[words.pop(0)]
        if kind == "bool":
            found[name] = True
        elif "tuple" in kind:
            several = found.setdefault(name, [])
            assert isinstance(several, list)
            several.append(words.pop(0))
        else:
            found[name] = words.pop(0)
    assert as_flags(resolve(found, {})) == as_flags(settings)


def test_what_no_flag_can_say_is_refused(tmp_path: Path) -> None:
    (tmp_path / "limner.toml").write_text("cpu = true\n")
    settings = resolve({"base_directory": tmp_path, "cpu": False}, {})
    with pytest.raises(SystemdProblem, match="switches cpu on"):
        list(arguments(settings))


def test_with_sudo_it_is_the_callers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    unit = wanted("limner", Scope.SYSTEM, ANN, resolve({}, {}))
    assert unit.user == "ann" and unit.base == Path("/home/ann/.limner") and unit.writes == (unit.base,)
    account = Owner("limner", Path("/var/lib/limner"), 999, 999)
    assert wanted("limner", Scope.SYSTEM, account, resolve({}, {})).base == Path("/var/lib/limner")
    assert wanted("limner", Scope.SYSTEM, ANN, resolve({"base_directory": "/srv/x"}, {})).base == Path("/srv/x")


def test_folders_elsewhere_may_be_written(tmp_path: Path) -> None:
    given = {"base_directory": tmp_path, "output_directory": "/mnt/out", "temp_directory": tmp_path / "below"}
    assert wanted("limner", Scope.SYSTEM, ANN, resolve(given, {})).writes == (tmp_path, Path("/mnt/out"))


def test_a_worker_takes_a_workers_settings(tmp_path: Path) -> None:
    settings = resolve({"base_directory": tmp_path, "port": 80, "cpu": True}, {})
    unit = wanted("w", Scope.SYSTEM, ANN, settings, address="10.0.0.1:6379", taken=("cpu",))
    assert unit.command[-6:] == ("worker", "--address", "10.0.0.1:6379", "--base-directory", str(tmp_path), "--cpu")
    assert not unit.privileged_port and wanted("s", Scope.SYSTEM, ANN, settings).privileged_port


def test_who_runs_it() -> None:
    me = pwd.getpwuid(os.geteuid())
    assert owner(Scope.USER, "", {"SUDO_USER": "nobody"}).name == me.pw_name
    assert owner(Scope.SYSTEM, "", {"SUDO_USER": "nobody"}).name == "nobody"
    assert owner(Scope.SYSTEM, "root", {}).uid == 0
    with pytest.raises(SystemdProblem, match="no user 'nobody-of-this-name'") as refused:
        owner(Scope.SYSTEM, "nobody-of-this-name", {})
    assert "useradd" in refused.value.remedy
    with pytest.raises(SystemdProblem, match="would run as root"):
        owner(Scope.SYSTEM, "", {"SUDO_USER": "root"})


@pytest.mark.parametrize("name", ["", "a b", "../x", "a/b", "-x", "x" * 200])
def test_names(name: str, tmp_path: Path) -> None:
    with pytest.raises(SystemdProblem, match="no name of a service"):
        wanted(name, Scope.USER, ANN, resolve({"base_directory": tmp_path}, {}))


def test_the_command_can_be_read_by_a_shell(tmp_path: Path) -> None:
    command = wanted("limner", Scope.USER, ANN, resolve({"base_directory": tmp_path / "a b"}, {})).command
    assert shlex.split(shlex.join(command)) == list(command) and Path(command[0]).is_file()
