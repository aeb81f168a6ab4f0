"""`coursekeep user` and `audit`: accounts on the machine of the daemon."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import typer
from fakes.api_service import ApiHouse, in_house, served
from fakes.cli_process import Done, coursekeep

from coursekeep_daemon.accounts import Accounts
from coursekeep_daemon.cli.commands import users
from coursekeep_daemon.settings import AccountSettings
from coursekeep_daemon.store import Store

PASSWORD = "correct horse battery staple"

Cli = Callable[..., Awaitable[Done]]


def _test(folder: Path, test: Callable[[Cli], Awaitable[None]]) -> None:
    path = folder / "settings.toml"
    path.write_text("")

    async def cli(*arguments: str, stdin: str | None = None) -> Done:
        return await coursekeep(*arguments, stdin=stdin, COURSEKEEP_SETTINGS=str(path))

    async def main() -> None:
        assert (await cli("db", "upgrade")).code == 0
        await test(cli)

    asyncio.run(main())


def _store(folder: Path) -> Store:
    return Store(f"sqlite:///{folder}/data/coursekeep.db")


def test_users_are_added_listed_disabled_and_enabled(tmp_path: Path) -> None:
    """`user add` takes a password or none, `list` shows how each signs in, and changes are in the audit as `cli`."""

    async def test(cli: Cli) -> None:
        added = await cli("user", "add", "ada", "--role", "administrator", "--password-stdin", stdin=PASSWORD + "\n")
        assert (added.code, "added as administrator" in added.out) == (0, True)
        assert (await cli("user", "add", "robot", "--role", "viewer", "--no-password", "--json")).json[
            "role"
        ] == "viewer"
        again = await cli("user", "add", "ADA", "--role", "viewer", "--no-password")
        assert (again.code, "There is a user" in again.err) == (2, True)
        assert (await cli("user", "role", "robot", "operator")).code == 0
        assert (await cli("user", "disable", "Robot")).code == 0
        listed = {each["name"]: each for each in (await cli("user", "list", "--json")).json["items"]}
        assert listed["ada"]["signs_in_with"] == "password"
        assert (listed["robot"]["signs_in_with"], listed["robot"]["role"]) == ("tokens", "operator")
        assert listed["robot"]["disabled_at"]
        assert (await cli("user", "enable", "robot")).code == 0
        async with _store(tmp_path) as store:
            events = (await store.audit_events(who="cli")).items
            assert [each.action for each in events] == [
                "user.enable",
                "user.disable",
                "user.role",
                "user.add",
                "user.add",
            ]
            assert await Accounts(store, AccountSettings()).sign_in("ada", PASSWORD, address="", agent="")

    _test(tmp_path, test)


def test_what_cannot_be_is_refused_with_what_to_do(tmp_path: Path) -> None:
    """A weak password, a bad name, an unknown user or role, and no terminal end with code 2 and change nothing."""

    async def test(cli: Cli) -> None:
        for arguments, stdin, says in (
            (("add", "ada", "--role", "viewer", "--password-stdin"), "short\n", "12 characters"),
            (("add", " ada", "--role", "viewer", "--no-password"), None, "no space at its ends"),
            (("add", "ada", "--role", "viewer"), None, "--password-stdin"),
            (("add", "ada", "--role", "viewer", "--no-password", "--password-stdin"), PASSWORD, "exclude"),
            (("add", "ada", "--role", "root", "--no-password"), None, "root"),
            (("disable", "nobody"), None, "user list"),
        ):
            done = await cli("user", *arguments, stdin=stdin)
            assert (done.code, says in done.err) == (2, True), done
        assert (await cli("user", "list", "--json")).json == {"items": []}

    _test(tmp_path, test)


def test_the_last_administrator_can_be_disabled_here_with_a_warning(tmp_path: Path) -> None:
    """Who has the machine may disable the last administrator; a warning says how to make another."""

    async def test(cli: Cli) -> None:
        await cli("user", "add", "ada", "--role", "administrator", "--password-stdin", stdin=PASSWORD)
        done = await cli("user", "disable", "ada")

        assert done.code == 0
        assert "no enabled user is administrator" in done.err

    _test(tmp_path, test)


def test_a_new_password_ends_the_sessions(tmp_path: Path) -> None:
    """`user password` signs the user out everywhere, and only the new password works."""

    async def test(cli: Cli) -> None:
        await cli("user", "add", "ada", "--role", "viewer", "--password-stdin", stdin=PASSWORD)
        async with _store(tmp_path) as store:
            accounts = Accounts(store, AccountSettings())
            _, secret = await accounts.sign_in("ada", PASSWORD, address="", agent="")
            done = await cli("user", "password", "ada", "--password-stdin", stdin="another long password")
            assert done.code == 0
            assert await accounts.signed_in(secret) is None
            assert await accounts.sign_in("ada", "another long password", address="", agent="")

    _test(tmp_path, test)


def test_a_terminal_asks_twice_and_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal the password is asked for twice, hidden."""
    asked: dict[str, object] = {}

    def prompt(text: str, **how: object) -> str:
        asked.update(how)
        return PASSWORD

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr(typer, "prompt", prompt)

    assert users._read_password(from_stdin=False) == PASSWORD
    assert asked == {"hide_input": True, "confirmation_prompt": True}


def test_tokens_belong_to_users(tmp_path: Path) -> None:
    """`token create --user` makes a token of that user within the role; `token list` shows whose each is."""

    async def test(cli: Cli) -> None:
        await cli("user", "add", "ada", "--role", "operator", "--no-password")
        made = await cli("token", "create", "nightly", "--scope", "operate", "--user", "ada", "--json")
        above = await cli("token", "create", "root", "--scope", "admin", "--user", "ada")
        unknown = await cli("token", "create", "x", "--user", "nobody")
        listed = await cli("token", "list", "--json")

        assert made.json["user"] == "ada"
        assert (above.code, "this token needs administrator" in above.err) == (2, True)
        assert (unknown.code, "no user 'nobody'" in unknown.err) == (2, True)
        assert [(each["name"], each["user"]) for each in listed.json["items"]] == [("nightly", "ada")]

    _test(tmp_path, test)


@pytest.mark.parametrize("as_json", [True, False])
def test_the_audit_is_listed_and_filtered(as_json: bool) -> None:
    """`audit list` asks the daemon who did what, by user, action, target and time."""

    async def test(house: ApiHouse) -> None:
        await house.store.audit("ada", "run.pause", "run 7", "done", {"via": "console"})
        await house.store.audit("bob", "run.pause", "run 8", "done")
        async with served(house) as url:
            common = {"COURSEKEEP_URL": url, "COURSEKEEP_TOKEN": house.tokens["read"]}
            asked = ("--who", "ada", "--action", "run.pause", "--target", "run 7", "--since", "2026-01-01T00:00:00Z")
            done = await coursekeep("audit", "list", *asked, *(["--json"] if as_json else []), **common)
            none = await coursekeep("audit", "list", "--before", "2020-01-01T00:00:00Z", "--json", **common)

        assert done.code == 0
        assert ("run 7" in done.out, "run 8" in done.out) == (True, False)
        assert none.json == {"items": []}

    in_house(test)
