"""`coursekeep db migrate-store`: from the file to a server, while nothing runs."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from fakes.cli_process import Done, coursekeep
from fakes.postgres_server import Databases

from coursekeep_daemon.lock import DataDirLock


def test_the_store_is_moved_and_used(tmp_path: Path, databases: Databases) -> None:
    """The command prints what it copied, and with the new `url` the other commands go on there."""
    settings = tmp_path / "settings.toml"
    settings.write_text("")
    target = databases.empty()

    async def cli(*arguments: str) -> Done:
        return await coursekeep(*arguments, COURSEKEEP_SETTINGS=str(settings))

    async def main() -> None:
        assert (await cli("db", "upgrade")).code == 0
        assert (await cli("token", "create", "ops", "--scope", "admin")).code == 0
        held = DataDirLock(tmp_path / "data", lambda: datetime.now(UTC))
        held.acquire()
        refused = await cli("db", "migrate-store", "--to", target)
        held.release()
        assert (refused.code, "another daemon works" in refused.err) == (2, True)
        secret = await cli("db", "migrate-store", "--to", "postgresql://ann:s3cret@localhost/db")
        assert (secret.code, "s3cret" in secret.err) == (2, False)

        moved = await cli("db", "migrate-store", "--to", target, "--json")
        rows = {one["table"]: one["rows"] for one in moved.json["tables"]}
        assert (rows["api_token"], rows["user_account"], rows["run"]) == (1, 1, 0)
        again = await cli("db", "migrate-store", "--to", target)
        assert (again.code, "is not empty" in again.err) == (2, True)
        settings.write_text(f'[store]\nurl = "{target}"\n')
        assert [one["name"] for one in (await cli("token", "list", "--json")).json["items"]] == ["ops"]
        assert (await cli("db", "upgrade")).out.endswith("nothing to do\n")
        shown = await cli("config", "show")
        assert "postgresql://***@" in shown.out

    asyncio.run(main())
    databases.drop(target)
