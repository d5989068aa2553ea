"""The text of units: quoting, and what differs between a machine's and a user's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from limner.app.service import Unit, text

UNIT = Unit(name="limner", command=("/opt/x/limner", "serve"), base=Path("/srv/pictures"), user="limner")


def lines(unit: Unit) -> list[str]:
    return text(unit).splitlines()


def test_words_are_quoted_as_systemd_reads_them() -> None:
    base = Path('/srv/a "b" 100%')
    unit = replace(UNIT, base=base, command=("/x/limner", "--base-directory", str(base), "$HOME", ""), writes=(base,))
    written = lines(unit)
    assert r'ExecStart=/x/limner --base-directory "/srv/a \"b\" 100%%" $$HOME ""' in written
    assert r'ReadWritePaths="/srv/a \"b\" 100%%"' in written
    assert 'WorkingDirectory=/srv/a "b" 100%%' in written, "a line of one path is not unquoted"


def test_a_line_cannot_be_ended() -> None:
    with pytest.raises(ValueError, match="control character"):
        text(replace(UNIT, base=Path("/srv/a\nExecStartPre=/bin/evil")))


def test_folders_below_var_lib_are_made_by_systemd() -> None:
    written = lines(replace(UNIT, base=Path("/var/lib/pictures"), writes=(Path("/var/lib/pictures"), Path("/mnt/out"))))
    assert "StateDirectory=pictures" in written and "ReadWritePaths=/mnt/out" in written
    assert not any(line.startswith("StateDirectory=") for line in lines(UNIT))


@pytest.mark.parametrize(("path", "said"), [("/home/ann/.limner", "read-only"), ("/srv/pictures", "yes")])
def test_homes_are_seen_only_by_who_lives_there(path: str, said: str) -> None:
    assert f"ProtectHome={said}" in lines(replace(UNIT, base=Path(path), writes=(Path(path),)))
    assert f"ProtectHome={said}" in lines(replace(UNIT, reads=(Path(path),)))


def test_a_port_below_1024_needs_the_one_capability() -> None:
    assert "CapabilityBoundingSet=" in lines(UNIT) and "AmbientCapabilities=" in lines(UNIT)
    assert "AmbientCapabilities=CAP_NET_BIND_SERVICE" in lines(replace(UNIT, privileged_port=True))


def test_a_users_own_unit_asks_nothing_that_only_root_can_do() -> None:
    written = text(replace(UNIT, user=""))
    assert "WantedBy=default.target" in written and "NoNewPrivileges=yes" in written
    for name in ("User=", "ProtectSystem=", "CapabilityBoundingSet=", "DevicePolicy=", "network-online"):
        assert name not in written
