"""Who may use the server: users, their passwords, API tokens and logins.

`Accounts(path)` keeps them in a file; `Identity` is whom a request comes from, with the `Scope` of what it may do.
`Preferences(database)` are the editor's settings of each profile.
"""

from .account import AccountProblem, Identity, Scope, Token, User, scope_named, user_name
from .preferences import Preferences
from .store import TOKEN_PREFIX, Accounts

__all__ = [
    "TOKEN_PREFIX",
    "AccountProblem",
    "Accounts",
    "Identity",
    "Preferences",
    "Scope",
    "Token",
    "User",
    "scope_named",
    "user_name",
]
