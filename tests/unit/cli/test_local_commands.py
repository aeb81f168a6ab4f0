"""Commands that work without a daemon."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from fakes.cli_process import Done, coursekeep

Cli = Callable[..., Awaitable[Done]]

SETTINGS = """
[archive]
organization = "Example University"

[integrations.main]
connector = "canvas"
base_url = "http://127.0.0.1:1"
token = "a-secret-of-the-lms"
"""


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "settings.toml"
    path.write_text(SETTINGS)
    return path


def _test(settings: Path, test: Callable[[Cli], Awaitable[None]]) -> None:
    async def cli(*arguments: str) -> Done:
        return await coursekeep(*arguments, COURSEKEEP_SETTINGS=str(settings))

    async def main() -> None:
        await test(cli)

    asyncio.run(main())


def test_a_token_is_made_shown_once_and_revoked(settings: Path) -> None:
    """`token create` prints the token last; `list` shows it without its secret; a second of its name is refused."""

    async def test(cli: Cli) -> None:
        assert (await cli("db", "upgrade")).code == 0
        made = await cli("token", "create", "ops", "--scope", "operate")
        secret = made.out.splitlines()[-1]
        assert (made.code, secret[:3]) == (0, "ck_")
        again = await cli("token", "create", "ops")
        assert (again.code, len(again.err.splitlines())) == (2, 1)
        listed = await cli("token", "list", "--json")
        assert [(each["name"], each["scope"]) for each in listed.json["items"]] == [("ops", "operate")]
        assert secret not in listed.out
        assert (await cli("token", "revoke", "ops")).code == 0
        assert (await cli("token", "revoke", "ops")).code == 2
        assert (await cli("token", "create", "x", "--scope", "root")).code == 2

    _test(settings, test)


def test_the_database_is_upgraded_as_often_as_one_likes(settings: Path) -> None:
    """`db upgrade` makes the database, then has nothing to do; before it, other commands say what to run."""

    async def test(cli: Cli) -> None:
        early = await cli("token", "list")
        assert early.code == 2
        assert "coursekeep db upgrade" in early.err
        first = await cli("db", "upgrade")
        assert first.code == 0
        assert "upgraded" in first.out
        second = await cli("db", "upgrade", "--json")
        assert (second.code, second.json["from"]) == (0, None)

    _test(settings, test)


def test_settings_are_shown_without_secrets(settings: Path) -> None:
    """`config show` prints every key in force, and no secret."""

    async def test(cli: Cli) -> None:
        shown, as_json = await cli("config", "show"), await cli("config", "show", "--json")

        assert "archive.organization = 'Example University'" in shown.out
        assert as_json.json["integrations"]["main"]["connector"] == "canvas"
        assert "a-secret-of-the-lms" not in shown.out + as_json.out

    _test(settings, test)


@pytest.mark.parametrize(
    ("text", "says"),
    [("[demon]\n", "demon"), ("[daemon]\nport = 99999\n", "port"), ("nonsense", "TOML")],
)
def test_bad_settings_are_one_line_with_the_key(tmp_path: Path, text: str, says: str) -> None:
    """Unknown keys and bad values end every command with code 2 and a line that names them."""
    path = tmp_path / "settings.toml"
    path.write_text(text)

    async def test(cli: Cli) -> None:
        for command in (["config", "show"], ["serve"], ["run", "list"]):
            done = await cli(*command)
            assert done.code == 2
            assert says in done.err
            assert "Traceback" not in done.err

    _test(path, test)


def test_a_path_that_is_no_package_cannot_be_checked(tmp_path: Path, settings: Path) -> None:
    """`package verify PATH` exits 2 where there is nothing that could be checked, and 1 where a bag is broken."""
    bag = tmp_path / "bag"
    (bag / "data").mkdir(parents=True)
    (bag / "bagit.txt").write_text("BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n")
    (bag / "data" / "x").write_text("x")
    (bag / "manifest-sha512.txt").write_text("0" * 128 + "  data/x\n")

    async def test(cli: Cli) -> None:
        missing = await cli("package", "verify", str(tmp_path / "nothing"))
        strange = await cli("package", "verify", str(settings))
        broken = await cli("package", "verify", str(bag), "--json")

        assert (missing.code, strange.code, broken.code) == (2, 2, 1)
        assert broken.json["valid"] is False
        assert any("data/x" in each["path"] for each in broken.json["problems"])

    _test(settings, test)


def test_help_needs_neither_settings_nor_daemon(tmp_path: Path) -> None:
    """Every command explains itself, with its options and the exit codes at the top."""

    async def test(cli: Cli) -> None:
        top = await cli("--help")
        assert top.code == 0
        assert "Exit codes" in top.out
        assert "--on-existing" in (await cli("run", "start", "--help")).out

    _test(tmp_path / "none.toml", test)
