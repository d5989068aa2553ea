"""`limner users`: who may use a server that asks for a login."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from limner.settings import Settings

from .console import errors, output
from .errors import BadInput
from .flags import with_settings

if TYPE_CHECKING:
    from limner.accounts import Accounts

Name = Annotated[str, typer.Argument(help="The user's name.", show_default=False)]
FromInput = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]
folders = with_settings("base_directory", "user_directory")


def application() -> typer.Typer:
    """`users` and what is below it."""
    users = typer.Typer(name="users", no_args_is_help=True, help="Who may use a server that asks for a login.")
    users.command("add")(add)
    users.command("list")(show)
    users.command("password")(password)
    users.command("remove")(remove)
    tokens = typer.Typer(name="token", no_args_is_help=True, help="API tokens, for programs.")
    tokens.command("add")(add_token)
    tokens.command("list")(show_tokens)
    tokens.command("remove")(remove_token)
    users.add_typer(tokens)
    return users


@contextmanager
def _accounts(settings: Settings) -> Iterator[Accounts]:
    from limner.accounts import AccountProblem, Accounts
    from limner.app.accounts import accounts_file

    try:
        accounts = Accounts(accounts_file(settings))
        try:
            yield accounts
        finally:
            accounts.close()
    except AccountProblem as error:
        raise BadInput(error.problem, error.remedy) from error


def _password(from_input: bool) -> str:
    if from_input:
        return sys.stdin.readline().rstrip("\r\n")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))


@folders
def add(
    name: Name,
    admin: Annotated[bool, typer.Option("--admin", help="May see and steer what everyone does.")] = False,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="Comes in by a token or through a trusted proxy only.")
    ] = False,
    password_stdin: FromInput = False,
    *,
    settings: Settings,
) -> None:
    """Add a user. From the first one on, a server asks for a login when it is started."""
    from limner.accounts import user_name

    with _accounts(settings) as accounts:
        user_name(name)
        user = accounts.add(name, None if no_password else _password(password_stdin), admin=admin)
        output().print(f"{user.name} may use the server now", markup=False)
        if len(accounts.users()) == 1:
            errors().print("A server that runs already asks for a login once it is started again.", style="dim")


@folders
def show(*, settings: Settings) -> None:
    """List the users."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("user", "may", "password", "since"):
        table.add_column(column)
    with _accounts(settings) as accounts:
        for user in accounts.users():
            table.add_row(user.name, user.scope.name.lower(), "yes" if user.has_password else "no", _day(user.created))
    output().print(table)


@folders
def password(name: Name, password_stdin: FromInput = False, *, settings: Settings) -> None:
    """Set a user's password; the user is logged out everywhere."""
    with _accounts(settings) as accounts:
        accounts.set_password(name, _password(password_stdin))
    output().print(f"{name} has a new password", markup=False)


@folders
def remove(name: Name, *, settings: Settings) -> None:
    """Remove a user with all tokens and logins. The user's files and finished jobs stay."""
    with _accounts(settings) as accounts:
        accounts.remove(name)
    output().print(f"{name} is removed", markup=False)


@folders
def add_token(
    name: Name,
    scope: Annotated[str, typer.Option("--scope", help="What it may do: read, run or admin.")] = "run",
    *,
    settings: Settings,
) -> None:
    """Make an API token and print it, once: send it as `Authorization: Bearer TOKEN`."""
    from limner.accounts import scope_named

    with _accounts(settings) as accounts:
        token, secret = accounts.new_token(name, scope_named(scope))
    output().print(secret, markup=False)
    errors().print(f"This is token {token.id}; it is not shown again.", style="dim")


@folders
def show_tokens(*, settings: Settings) -> None:
    """List the tokens, without their secrets."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("token", "user", "may", "since"):
        table.add_column(column)
    with _accounts(settings) as accounts:
        for token in accounts.tokens():
            table.add_row(token.id, token.owner, token.scope.name.lower(), _day(token.created))
    output().print(table)


@folders
def remove_token(
    token: Annotated[str, typer.Argument(help="The token's id, as it is listed.", show_default=False)],
    *,
    settings: Settings,
) -> None:
    """Remove a token: it is refused from now on."""
    with _accounts(settings) as accounts:
        accounts.remove_token(token)
    output().print(f"The token {token} is removed", markup=False)


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")
