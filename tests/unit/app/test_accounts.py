"""Whether a server starts, and whether it asks for a login."""

from __future__ import annotations

from pathlib import Path

import pytest

from limner.accounts import Accounts
from limner.app.accounts import accounts_file, door
from limner.app.listening import CannotServe, bound
from limner.settings import Settings, resolve


def settings_of(base: Path, **flags: object) -> Settings:
    return resolve({"base_directory": str(base), **flags}, {}, base)


def with_user(settings: Settings) -> None:
    accounts = Accounts(accounts_file(settings))
    accounts.add("ann", None)
    accounts.close()


def shut(settings: Settings, address: str) -> bool:
    """Whether a server on this address asks for a login."""
    listening = bound(address, 0)
    try:
        accounts = door(settings, listening)
        if accounts is not None:
            accounts.close()
        return accounts is not None
    finally:
        for opened in listening:
            opened.close()


def test_on_this_machine_alone_nobody_is_asked(tmp_path: Path) -> None:
    assert not shut(settings_of(tmp_path), "127.0.0.1")
    assert settings_of(tmp_path).listen == "127.0.0.1"


def test_once_there_are_users_they_are_asked_there_too(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    with_user(settings)
    assert shut(settings, "127.0.0.1")
    assert shut(settings, "0.0.0.0")


def test_where_others_can_reach_it_it_does_not_start_without_a_user(tmp_path: Path) -> None:
    with pytest.raises(CannotServe, match="limner users add"):
        shut(settings_of(tmp_path), "0.0.0.0")


def test_nor_where_a_proxy_brings_them(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, trusted_proxies="127.0.0.1")
    with pytest.raises(CannotServe, match="limner users add"):
        shut(settings, "127.0.0.1")
    with_user(settings)
    assert shut(settings, "127.0.0.1")


def test_unless_that_is_said(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, insecure_no_auth=True)
    assert not shut(settings, "0.0.0.0")
    with_user(settings)
    assert not shut(settings, "0.0.0.0")


def test_a_proxy_that_names_users_must_be_named(tmp_path: Path) -> None:
    with pytest.raises(CannotServe, match="--trusted-proxies"):
        shut(settings_of(tmp_path, proxy_user_header="X-User"), "127.0.0.1")
    with pytest.raises(CannotServe, match="--trusted-proxies"):
        shut(settings_of(tmp_path, trusted_proxies="10.0.0.1,proxy"), "127.0.0.1")
    assert shut(settings_of(tmp_path, proxy_user_header="X-User", trusted_proxies="10.0.0.1"), "0.0.0.0")
