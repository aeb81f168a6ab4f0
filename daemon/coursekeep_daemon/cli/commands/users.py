"""`coursekeep user`: who may use Coursekeep. On the machine of the daemon, without asking it."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from coursekeep_daemon.cli.call import Call, command
from coursekeep_daemon.cli.commands.admin import WHO, with_store
from coursekeep_daemon.cli.errors import CliError, told_as_cli_errors

if TYPE_CHECKING:
    from coursekeep_daemon.store import Store, User, UserChange

__all__ = ["register"]

_Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the user, in whatever case.")]
_RoleWord = Literal["viewer", "operator", "administrator"]
_FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]

_FIELDS = ("id", "name", "role", "signs_in_with", "created_at", "last_signed_in_at", "disabled_at")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Users. Needs access to the daemon's database.", no_args_is_help=True)
    app.add_typer(group, name="user")
    command(group, "add", local=True)(add)
    command(group, "list", local=True)(list_users)
    command(group, "disable", local=True)(disable)
    command(group, "enable", local=True)(enable)
    command(group, "role", local=True)(set_role)
    command(group, "password", local=True)(set_password)


def add(
    call: Call,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name to sign in with; shown in runs and in the audit.")],
    role: Annotated[_RoleWord, typer.Option("--role", help="What the user may do; each includes those before.")],
    from_stdin: _FromStdin = False,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="For programs, which have tokens and do not sign in.")
    ] = False,
) -> None:
    """Add a user. A terminal asks for the password twice."""
    from coursekeep_daemon.accounts import check_name
    from coursekeep_daemon.store import Role

    if from_stdin and no_password:
        raise CliError("--password-stdin and --no-password exclude each other. Give one of them.")
    with told_as_cli_errors():
        check_name(name)
    kept = None if no_password else _new_hash(name, from_stdin=from_stdin)

    async def work(store: Store) -> User:
        made = await store.create_user(name, Role(role), password_hash=kept)
        await store.audit(WHO, "user.add", made.name, "done", {"role": role})
        return made

    _show(call, with_store(call, work), f"user {name!r} added as {role}")


def list_users(call: Call) -> None:
    """List users, disabled ones too."""

    async def read(store: Store) -> list[User]:
        return await store.users()

    users = [_data(each) for each in with_store(call, read)]
    if call.as_json:
        call.print.data({"items": users})
    else:
        call.print.table(_FIELDS, [[each[name] for name in _FIELDS] for each in users])


def disable(call: Call, name: _Name) -> None:
    """Let a user in no more: sessions end and tokens are refused from the next request on."""
    from coursekeep_daemon.store import UserChange

    _change(call, name, "user.disable", UserChange(disabled=True), "disabled")


def enable(call: Call, name: _Name) -> None:
    """Let a disabled user in again. Tokens that are not revoked work again; sessions have ended."""
    from coursekeep_daemon.store import UserChange

    _change(call, name, "user.enable", UserChange(disabled=False), "enabled")


def set_role(
    call: Call, name: _Name, role: Annotated[_RoleWord, typer.Argument(metavar="ROLE", help="The new role.")]
) -> None:
    """Change a user's role, and with it what the user's tokens may do."""
    from coursekeep_daemon.store import Role, UserChange

    _change(call, name, "user.role", UserChange(role=Role(role)), f"is {role} now", role=role)


def set_password(call: Call, name: _Name, from_stdin: _FromStdin = False) -> None:
    """Give a user another password, and end the user's sessions. A terminal asks for it twice."""
    from coursekeep_daemon.store import UserChange

    known = with_store(call, _found(name))
    change = UserChange(password_hash=_new_hash(known.name, from_stdin=from_stdin))
    _change(call, name, "user.password", change, "has a new password; its sessions have ended")


def _change(call: Call, name: str, action: str, change: UserChange, said: str, **detail: str) -> None:
    async def work(store: Store) -> tuple[User, bool]:
        changed = await store.change_user((await _found(name)(store)).id, change)
        await store.audit(WHO, action, changed.name, "done", detail)
        return changed, await store.lacks_administrator()

    changed, lacking = with_store(call, work)
    _show(call, changed, f"user {changed.name!r} {said}")
    if lacking:
        print(  # noqa: T201  # stderr is where warnings go
            "coursekeep: warning: no enabled user is administrator now. `coursekeep user role NAME administrator` "
            "makes somebody one.",
            file=sys.stderr,
        )


def _found(name: str) -> Callable[[Store], Awaitable[User]]:
    async def find(store: Store) -> User:
        user = await store.user(name)
        if user is None:
            raise CliError(f"there is no user {name!r}. `coursekeep user list` shows all.")
        return user

    return find


def _new_hash(name: str, *, from_stdin: bool) -> str:
    """Ask for a password, check it, and return its hash. Nothing is stored yet."""
    from coursekeep_daemon.accounts import check_password, hash_password

    password = _read_password(from_stdin=from_stdin)
    with told_as_cli_errors():
        check_password(password, name)
    return hash_password(password)


def _read_password(*, from_stdin: bool) -> str:
    if from_stdin:
        try:
            return sys.stdin.buffer.readline().decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise CliError("the password on standard input is not UTF-8 text.") from None
    if not sys.stdin.isatty():
        raise CliError(
            "there is no terminal to ask for a password. Send it with --password-stdin; `user add` also takes "
            "--no-password."
        )
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


def _show(call: Call, user: User, said: str) -> None:
    if call.as_json:
        call.print.data(_data(user))
    else:
        call.print.say(said)


def _data(user: User) -> dict[str, Any]:
    return {name: getattr(user, name) for name in _FIELDS}
