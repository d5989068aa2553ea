"""Users, tokens and logins, and what is kept of their secrets."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from limner.accounts import AccountProblem, Accounts, Identity, Scope, user_name


@pytest.fixture
def accounts(tmp_path: Path) -> Iterator[Accounts]:
    opened = Accounts(tmp_path / "limner" / "accounts.sqlite")
    yield opened
    opened.close()


def test_a_password_lets_in_whoever_knows_it(accounts: Accounts) -> None:
    accounts.add("Ann", "correct horse", admin=True)
    found = accounts.check("ANN", "correct horse")
    assert found is not None and found.name == "ann" and found.admin
    for name, password in (("ann", "correct horse "), ("ann", ""), ("bob", "correct horse"), ("ann", "x" * 5000)):
        assert accounts.check(name, password) is None


def test_a_user_without_a_password_has_no_password(accounts: Accounts) -> None:
    accounts.add("bob", None)
    assert accounts.check("bob", "") is None
    assert accounts.check("bob", "None") is None


def test_no_secret_is_kept(accounts: Accounts) -> None:
    accounts.add("ann", "correct horse")
    _, token = accounts.new_token("ann", Scope.RUN)
    cookie = accounts.new_session("ann", 60)
    kept = b"".join(path.read_bytes() for path in accounts.path.parent.iterdir())
    for secret in ("correct horse", token, cookie):
        assert secret.encode() not in kept
    assert b"$argon2id$" in kept
    assert stat.S_IMODE(accounts.path.stat().st_mode) == 0o600


def test_tokens_have_at_most_their_scope_and_their_users(accounts: Accounts) -> None:
    accounts.add("ann", None, admin=True)
    accounts.add("bob", None)
    for owner, scope in (("ann", Scope.ADMIN), ("ann", Scope.READ), ("bob", Scope.RUN)):
        token, secret = accounts.new_token(owner, scope)
        assert accounts.by_token(secret) == Identity(owner, scope)
        accounts.remove_token(token.id)
        assert accounts.by_token(secret) is None
    with pytest.raises(AccountProblem, match="no admin"):
        accounts.new_token("bob", Scope.ADMIN)
    with pytest.raises(AccountProblem, match="no user 'carl'"):
        accounts.new_token("carl", Scope.READ)


def test_a_removed_user_is_out_at_once(accounts: Accounts) -> None:
    accounts.add("ann", "correct horse")
    _, token = accounts.new_token("ann", Scope.RUN)
    cookie = accounts.new_session("ann", 60)
    other = Accounts(accounts.path)
    other.remove("ann")
    other.close()
    assert accounts.by_token(token) is None
    assert accounts.by_session(cookie) is None


def test_logins_end(accounts: Accounts) -> None:
    accounts.add("ann", "correct horse")
    assert accounts.by_session(accounts.new_session("ann", -1)) is None
    cookie, other = accounts.new_session("ann", 60), accounts.new_session("ann", 60)
    accounts.end_session(cookie)
    assert accounts.by_session(cookie) is None
    assert accounts.by_session(other) == Identity("ann", Scope.RUN)
    accounts.set_password("ann", "another horse")
    assert accounts.by_session(other) is None
    assert accounts.check("ann", "correct horse") is None


@pytest.mark.parametrize(
    "name", ["", "..", "a/b", "../a", "con", "nul.txt", "-a", "a" * 65, "a b", "ä", "a\x00", "a..b"]
)
def test_names_that_no_folder_should_have(name: str) -> None:
    with pytest.raises(AccountProblem):
        user_name(name)


def test_short_passwords_and_taken_names_are_refused(accounts: Accounts) -> None:
    with pytest.raises(AccountProblem, match="8 to"):
        accounts.add("ann", "short")
    accounts.add("ann", "long enough")
    with pytest.raises(AccountProblem, match="already"):
        accounts.add("Ann", "long enough")


def test_a_file_that_is_none_of_ours_is_named(tmp_path: Path) -> None:
    (tmp_path / "accounts.sqlite").write_bytes(b"not a database, but a long enough text to be looked at" * 20)
    with pytest.raises(AccountProblem, match=r"accounts\.sqlite"):
        Accounts(tmp_path / "accounts.sqlite")
