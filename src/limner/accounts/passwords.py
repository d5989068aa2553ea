"""Passwords: argon2id with the parameters of RFC 9106 for machines with little memory (64 MiB, 3 passes, 4 lanes)."""

from __future__ import annotations

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from .account import AccountProblem

SHORTEST, LONGEST = 8, 1024


def checked_password(password: str) -> str:
    """The password, if it will do. Raises `AccountProblem`."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise AccountProblem(
            f"the password has {len(password)} characters", f"Use one of {SHORTEST} to {LONGEST} characters"
        )
    return password


def hashed(password: str) -> str:
    """The hash to keep. Raises `AccountProblem`."""
    return PasswordHasher().hash(checked_password(password))


def matches(password: str, kept: str | None) -> bool:
    """Whether this is the password. As slow without a hash to compare with, so that no name can be told by the time."""
    if len(password) > LONGEST:
        return False
    try:
        return PasswordHasher().verify(kept or _NOBODY, password) and kept is not None
    except (VerificationError, InvalidHashError):
        return False


_NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
"""A well-formed hash that no password has."""
