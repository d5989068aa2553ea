"""Users, tokens and logins in a SQLite file that only its owner may read.

Secrets are never kept: passwords as argon2 hashes, tokens and cookies (256 random bits each) as SHA-256 digests.
Safe to use from many threads and by several processes: the command line changes what a running server sees at once.
"""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from limner.database import DatabaseProblem, opened, problem_of

from .account import AccountProblem, Identity, Scope, Token, User, user_name
from .passwords import hashed, matches

TOKEN_PREFIX = "lmn_"


class Accounts:
    """The users of one installation."""

    def __init__(self, path: Path) -> None:
        """Open or make the file. Raises `AccountProblem`."""
        self.path = path
        self._lock = threading.Lock()
        try:
            self._file = opened(path, "accounts")
        except DatabaseProblem as error:
            raise AccountProblem(error.problem, error.remedy) from error

    def close(self) -> None:
        self._file.close()

    def _write(self, statement: str, values: Sequence[object]) -> int:
        """Rows that were changed. Raises `AccountProblem`, `sqlite3.IntegrityError`."""
        try:
            with self._lock:
                return self._file.execute(statement, values).rowcount
        except sqlite3.IntegrityError:
            raise
        except sqlite3.Error as error:
            raise _problem(error, self.path, "written") from error

    def _rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[object, ...]]:
        try:
            with self._lock:
                return self._file.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise _problem(error, self.path, "read") from error

    # Users

    def users(self) -> list[User]:
        rows = self._rows("SELECT name, admin, created, password IS NOT NULL FROM users ORDER BY name")
        return [User(str(name), bool(admin), float(str(since)), bool(known)) for name, admin, since, known in rows]

    def user(self, name: str) -> User | None:
        return next((user for user in self.users() if user.name == name), None)

    def add(self, name: str, password: str | None, *, admin: bool = False) -> User:
        """A new user. Raises `AccountProblem`."""
        name, kept = user_name(name), hashed(password) if password is not None else None
        try:
            self._write("INSERT INTO users VALUES (?, ?, ?, ?)", (name, admin, kept, time.time()))
        except sqlite3.IntegrityError:
            raise AccountProblem(f"there is a user {name} already", "Choose another name") from None
        return User(name, admin, time.time(), password is not None)

    def set_password(self, name: str, password: str) -> None:
        """Another password; whoever is logged in as this user is logged out. Raises `AccountProblem`."""
        kept = hashed(password)
        self._needed(name)
        self._write("UPDATE users SET password = ? WHERE name = ?", (kept, name))
        self._write("DELETE FROM sessions WHERE owner = ?", (name,))

    def remove(self, name: str) -> None:
        """Forget a user with all tokens and logins. Raises `AccountProblem`."""
        self._needed(name)
        self._write("DELETE FROM users WHERE name = ?", (name,))

    def _needed(self, name: str) -> User:
        user = self.user(name)
        if user is None:
            known = ", ".join(user.name for user in self.users()) or "none"
            raise AccountProblem(f"there is no user {name!r}", f"The users are: {known}")
        return user

    def check(self, name: str, password: str) -> User | None:
        """The user, if the password is right. Takes a tenth of a second and 64 MiB, whatever the answer."""
        rows = self._rows("SELECT password FROM users WHERE name = ?", (name.strip().lower(),))
        kept = rows[0][0] if rows else None
        return self.user(name.strip().lower()) if matches(password, str(kept) if kept is not None else None) else None

    # Tokens

    def tokens(self) -> list[Token]:
        rows = self._rows("SELECT id, owner, scope, created FROM tokens ORDER BY owner, created")
        return [Token(str(name), str(owner), Scope[str(scope)], float(str(at))) for name, owner, scope, at in rows]

    def new_token(self, owner: str, scope: Scope) -> tuple[Token, str]:
        """A token and its secret, which cannot be read again. Raises `AccountProblem`."""
        user = self._needed(owner)
        if scope > user.scope:
            raise AccountProblem(f"{owner} is no admin", "Make a token with the scope run or read")
        secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
        token = Token(secrets.token_hex(4), owner, scope, time.time())
        row = (token.id, owner, scope.name, _digest(secret), token.created)
        self._write("INSERT INTO tokens VALUES (?, ?, ?, ?, ?)", row)
        return token, secret

    def remove_token(self, name: str) -> None:
        """Raises `AccountProblem`."""
        if not self._write("DELETE FROM tokens WHERE id = ?", (name,)):
            raise AccountProblem(f"there is no token {name!r}", "List them with: limner users token list")

    def by_token(self, secret: str) -> Identity | None:
        query = "SELECT owner, scope, admin FROM tokens JOIN users ON name = owner WHERE digest = ?"
        rows = self._rows(query, (_digest(secret),))
        if not rows:
            return None
        owner, scope, admin = rows[0]
        return Identity(str(owner), min(Scope[str(scope)], Scope.ADMIN if admin else Scope.RUN))

    # Logins

    def new_session(self, owner: str, seconds: float) -> str:
        """A cookie's secret for a browser that has logged in."""
        secret = secrets.token_urlsafe(32)
        self._write("DELETE FROM sessions WHERE expires < ?", (time.time(),))
        self._write("INSERT INTO sessions VALUES (?, ?, ?)", (_digest(secret), owner, time.time() + seconds))
        return secret

    def by_session(self, secret: str) -> Identity | None:
        query = "SELECT owner, admin FROM sessions JOIN users ON name = owner WHERE digest = ? AND expires > ?"
        rows = self._rows(query, (_digest(secret), time.time()))
        return Identity(str(rows[0][0]), Scope.ADMIN if rows[0][1] else Scope.RUN) if rows else None

    def end_session(self, secret: str) -> None:
        self._write("DELETE FROM sessions WHERE digest = ?", (_digest(secret),))


def _problem(error: sqlite3.Error, path: Path, doing: str) -> AccountProblem:
    problem = problem_of(error, path, doing)
    return AccountProblem(problem.problem, problem.remedy)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
