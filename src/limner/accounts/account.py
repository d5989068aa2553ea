"""What is known of those who may use the server."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum

RESERVED = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))})
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._@+-]{0,62}[a-z0-9])?")


class Scope(IntEnum):
    """What a login or a token may do; each includes those before it."""

    READ = 1
    """Look: nodes, models, files, the user's own queue and history."""
    RUN = 2
    """Queue and stop the user's own jobs, upload files, change settings and workflows."""
    ADMIN = 3
    """See and stop everyone's jobs, read the server's log, load and unload models."""


@dataclass(frozen=True, slots=True)
class User:
    name: str
    admin: bool
    created: float
    has_password: bool = True

    @property
    def scope(self) -> Scope:
        return Scope.ADMIN if self.admin else Scope.RUN


@dataclass(frozen=True, slots=True)
class Token:
    """An API token as it is listed; the secret itself is told once, when it is made."""

    id: str
    owner: str
    scope: Scope
    created: float


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a request comes from. Without a name, from anyone, on a server that asks for no login."""

    user: str
    scope: Scope

    @property
    def sees_all(self) -> bool:
        return self.scope is Scope.ADMIN

    @property
    def home(self) -> str:
        """Whose input, output and temporary files are seen: the user's own; all of them, empty, by an admin."""
        return "" if self.sees_all else self.user


class AccountProblem(Exception):
    """`problem` says what is wrong with an account, `remedy` what to do about it."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}. {remedy}")
        self.problem, self.remedy = problem, remedy


def user_name(text: str) -> str:
    """The name as it is kept: lower case, a name that a folder can have, too. Raises `AccountProblem`."""
    name = text.strip().lower()
    if not _NAME.fullmatch(name) or ".." in name or name.partition(".")[0] in RESERVED:
        raise AccountProblem(
            f"{text[:80]!r} cannot be the name of a user", "Use up to 64 letters, digits and . _ - @ + inside"
        )
    return name


def scope_named(text: str) -> Scope:
    """`run` -> `Scope.RUN`. Raises `AccountProblem`."""
    try:
        return Scope[text.strip().upper()]
    except KeyError:
        names = ", ".join(scope.name.lower() for scope in Scope)
        raise AccountProblem(f"there is no scope {text!r}", f"Use one of {names}") from None
