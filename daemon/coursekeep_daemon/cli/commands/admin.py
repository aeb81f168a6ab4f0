"""`coursekeep token`, `db` and `config`: on the machine of the daemon, without asking it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer

from coursekeep_daemon.cli.call import Call, command
from coursekeep_daemon.cli.commands import database as database_commands
from coursekeep_daemon.cli.errors import CliError, told_as_cli_errors

if TYPE_CHECKING:
    from coursekeep_daemon.store import Store

__all__ = ["WHO", "register", "with_store"]

T = TypeVar("T")

#: who acts, in the audit, when no token does
WHO = "cli"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    token = typer.Typer(help="Tokens for the API. Needs access to the daemon's database.", no_args_is_help=True)
    app.add_typer(token, name="token")
    command(token, "create", local=True)(token_create)
    command(token, "list", local=True)(token_list)
    command(token, "revoke", local=True)(token_revoke)
    database = typer.Typer(help="The daemon's database.", no_args_is_help=True)
    app.add_typer(database, name="db")
    command(database, "upgrade", local=True)(db_upgrade)
    command(database, "migrate-store", local=True)(db_migrate_store)
    database_commands.register(database)
    config = typer.Typer(help="The settings.", no_args_is_help=True)
    app.add_typer(config, name="config")
    command(config, "show", local=True)(config_show)


def token_create(
    call: Call,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is for; shown in the audit.")],
    scope: Annotated[
        Literal["read", "operate", "admin"], typer.Option("--scope", help="What it allows; each includes those before.")
    ] = "read",
    user: Annotated[
        str | None, typer.Option("--user", help="Whose it is.", show_default="an account of the token's name")
    ] = None,
) -> None:
    """Make a token of a user and print it last. It cannot be shown again: only its hash is stored."""
    from coursekeep_daemon.accounts import check_name

    async def create(store: Store) -> tuple[Any, str, str]:
        check_name(name)
        token, secret = await store.create_token(name, scope, user=user)
        owner = next(each.name for each in await store.users() if each.id == token.user_id)
        await store.audit(WHO, "token.create", name, "done", {"scope": scope, "user": owner})
        return token, secret, owner

    token, secret, owner = with_store(call, create)
    if call.as_json:
        call.print.data({"id": token.id, "name": token.name, "scope": token.scope, "user": owner, "token": secret})
        return
    call.print.say(f"token {name!r} of {owner!r} with scope {scope}; keep it, it cannot be shown again:")
    call.print.say(secret)


def token_list(call: Call) -> None:
    """List tokens, without their secrets."""
    names = ("id", "name", "scope", "created_at", "last_used_at", "revoked_at")

    async def read(store: Store) -> list[dict[str, Any]]:
        owners = {each.id: each.name for each in await store.users()}
        return [
            {name: getattr(token, name) for name in names} | {"user": owners.get(token.user_id or 0)}
            for token in await store.tokens()
        ]

    tokens = with_store(call, read)
    if call.as_json:
        call.print.data({"items": tokens})
    else:
        shown = ("id", "name", "user", *names[2:])
        call.print.table(shown, [[token[name] for name in shown] for token in tokens])


def token_revoke(
    call: Call, name: Annotated[str, typer.Argument(metavar="NAME", help="Name that the token was made with.")]
) -> None:
    """Revoke a token. The daemon refuses it from the next request on."""

    async def revoke(store: Store) -> bool:
        revoked = await store.revoke_token(name)
        await store.audit(WHO, "token.revoke", name, "done" if revoked else "refused", {})
        return revoked

    if not with_store(call, revoke):
        raise CliError(f"there is no token {name!r} that could be revoked. `coursekeep token list` shows all.")
    if call.as_json:
        call.print.data({"revoked": name})
    else:
        call.print.say(f"token {name!r} revoked")


def db_upgrade(call: Call) -> None:
    """Bring the database to this release, making it where there is none. Harmless where nothing is due."""
    from coursekeep_daemon.secrets import without_credentials
    from coursekeep_daemon.settings import store_password
    from coursekeep_daemon.store import Store

    url = without_credentials(call.settings.store.url)
    with told_as_cli_errors():
        came_from = Store.upgrade(call.settings.store.url, password=store_password(call.settings), folder=True)
    if call.as_json:
        call.print.data({"url": url, "from": came_from})
    elif came_from is None:
        call.print.say(f"{url}: nothing to do")
    else:
        call.print.say(f"{url}: upgraded (was: {came_from})")


def db_migrate_store(
    call: Call,
    to: Annotated[str, typer.Option("--to", metavar="URL", help="Empty database: postgresql://user@host/database.")],
) -> None:
    """Copy the database from SQLite into an empty PostgreSQL database, and compare both. Stop the daemon first."""
    from datetime import UTC, datetime

    from coursekeep_daemon.lock import DataDirLock
    from coursekeep_daemon.settings import store_password
    from coursekeep_daemon.store import move_store

    source = call.settings.store.url
    lock = DataDirLock(call.settings.daemon.data_dir, lambda: datetime.now(UTC))
    with told_as_cli_errors():
        lock.acquire()
        try:
            moved = move_store(source, to, password=store_password(call.settings))
        finally:
            lock.release()
    if call.as_json:
        tables = [{"table": one.name, "rows": one.rows, "sha256": one.digest} for one in moved]
        call.print.data({"from": source, "to": to, "tables": tables})
        return
    call.print.table(("table", "rows", "sha256"), [(one.name, one.rows, one.digest[:16]) for one in moved])
    call.print.say(f"{source} is as it was. Set `url` in [store] to {to!r}, then start the daemon.")


def config_show(call: Call) -> None:
    """Show the settings in force, without secrets."""
    settings = call.settings.redacted()
    if call.as_json:
        call.print.data(settings)
        return
    for key, value in _flat(settings):
        call.print.say(f"{key} = {value!r}")


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def with_store(call: Call, work: Callable[[Store], Awaitable[T]]) -> T:
    from coursekeep_daemon.settings import store_password
    from coursekeep_daemon.store import Store

    async def run() -> T:
        store = Store(call.settings.store.url, password=store_password(call.settings))
        await store.start()
        try:
            return await work(store)
        finally:
            await store.stop()

    with told_as_cli_errors():
        return asyncio.run(run())
