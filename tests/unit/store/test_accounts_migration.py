"""The migration that brings accounts: what tokens of the release before become."""

from __future__ import annotations

import asyncio
import hashlib

from alembic import command
from sqlalchemy import text

from coursekeep_daemon.store import Role, Store, schema
from coursekeep_daemon.store.opening import open_database

_MOMENT = "2026-05-20 12:00:00.000000"


def test_tokens_get_their_owners(new_url: str) -> None:
    """Each name that tokens were made with becomes an account without a password, in the role that its tokens need."""
    url = new_url
    database = open_database(url)
    database.create()
    tokens = [("ops", "read", _MOMENT), ("Ops", "operate", None), ("ops", "admin", None), ("metrics", "read", None)]
    with database.writer.begin() as connection:
        config = schema._config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        for number, (name, scope, revoked_at) in enumerate(tokens):
            digest = hashlib.sha256(f"secret {number}".encode()).digest()
            row = {"name": name, "scope": scope, "digest": digest, "created_at": _MOMENT, "revoked_at": revoked_at}
            columns = ", ".join(row)
            marks = ", ".join(f":{column}" for column in row)
            connection.execute(text(f"INSERT INTO api_token ({columns}) VALUES ({marks})"), row)
    database.close()

    assert Store.upgrade(url) == "0002"

    async def main() -> None:
        async with Store(url) as store:
            users = await store.users()
            assert [(user.name, user.role, user.signs_in_with) for user in users] == [
                ("metrics", Role.VIEWER, "tokens"),
                ("ops", Role.ADMINISTRATOR, "tokens"),
            ]
            owners = {user.id: user.name for user in users}
            assert [owners[token.user_id or 0] for token in await store.tokens()] == ["ops", "ops", "ops", "metrics"]
            found = await store.token_for("secret 2")
            assert found is not None
            assert found[1].name == "ops"
            assert await store.token_for("secret 0") is None  # revoked stays revoked

    asyncio.run(main())
