"""`limner users`."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from limner.accounts import Accounts, Identity, Scope
from limner.cli.main import status


@pytest.fixture
def users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    def run(*arguments: str, given: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(given))
        code = status(["users", *arguments, "--base-directory", str(tmp_path)])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def kept(tmp_path: Path) -> Accounts:
    return Accounts(tmp_path / "user" / "limner" / "accounts.sqlite")


def test_users_are_added_listed_and_removed(users, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    assert users("add", "Ann", "--admin", "--password-stdin", given="correct horse\n")[0] == 0
    assert users("add", "bob", "--no-password")[0] == 0
    _, out, _ = users("list")
    assert [line.split()[:3] for line in out.splitlines()[1:]] == [["ann", "admin", "yes"], ["bob", "run", "no"]]
    accounts = kept(tmp_path)
    assert accounts.check("ann", "correct horse") is not None
    assert users("password", "ann", "--password-stdin", given="another horse\n")[0] == 0
    assert accounts.check("ann", "correct horse") is None
    assert users("remove", "ann")[0] == 0
    assert [user.name for user in accounts.users()] == ["bob"]
    accounts.close()


def test_a_token_is_printed_once(users, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    users("add", "bob", "--no-password")
    code, out, _ = users("token", "add", "bob", "--scope", "read")
    secret = out.strip()
    accounts = kept(tmp_path)
    assert code == 0 and accounts.by_token(secret) == Identity("bob", Scope.READ)
    _, listed, _ = users("token", "list")
    assert secret not in listed and "read" in listed
    assert users("token", "remove", accounts.tokens()[0].id)[0] == 0
    assert accounts.by_token(secret) is None
    accounts.close()


@pytest.mark.parametrize(
    "arguments",
    [
        ("add", "../x", "--no-password"),
        ("remove", "nobody"),
        ("token", "add", "nobody"),
        ("token", "remove", "x"),
        ("add", "ann", "--password-stdin"),
    ],
)
def test_what_cannot_be_is_said(users, arguments: tuple[str, ...]) -> None:  # type: ignore[no-untyped-def]
    code, _, err = users(*arguments, given="short\n")
    assert code == 2 and err.startswith("Bad input: ")
