"""Secrets out of a keyring, with backends chosen by the library's own configuration."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked
from pydantic import SecretStr

from coursekeep import ConnectorSettings, CredentialsNeeded, KeptToken, RetryLater, SettingsError
from coursekeep_daemon.credentials import FileKeeper, KeyringKeeper, keeper_of
from coursekeep_daemon.settings import connector_settings, load_settings

TEXT = """
[integrations.main]
connector = "canvas"
base_url = "https://canvas.example.edu"
token = { keyring = "https://canvas.example.edu/coursekeep" }
"""


class Drawer(KeyringBackend):
    """A keyring in a file, which the variable of the test names."""

    priority = 0.1  # type: ignore[assignment]  # never chosen unless named

    @staticmethod
    def file() -> Path:
        import os

        return Path(os.environ["TEST_KEYRING_FILE"])

    def content(self) -> dict[str, str]:
        return dict(json.loads(self.file().read_text())) if self.file().exists() else {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.content().get(f"{service}|{username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        self.file().write_text(json.dumps({**self.content(), f"{service}|{username}": password}))


class Locked(Drawer):
    """A keyring that nobody has unlocked."""

    def get_password(self, service: str, username: str) -> str | None:
        raise KeyringLocked("the collection of Example Person is locked")


class Broken(Drawer):
    """A keyring whose bus is gone, and that says too much."""

    def get_password(self, service: str, username: str) -> str | None:
        raise RuntimeError("hush-hush")


class Forgetful(Drawer):
    """A keyring that takes everything, and keeps nothing."""

    def set_password(self, service: str, username: str, password: str) -> None:
        pass


@pytest.fixture
def drawer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TEST_KEYRING_FILE", str(tmp_path / "keyring.json"))
    choose(monkeypatch, Drawer)
    return tmp_path / "keyring.json"


def choose(monkeypatch: pytest.MonkeyPatch, backend: type[KeyringBackend] | str) -> None:
    """Have the library take a backend, in the way an administrator does."""
    import sys

    name = backend if isinstance(backend, str) else f"test_keyring_backends.{backend.__name__}"
    monkeypatch.setitem(sys.modules, "test_keyring_backends", sys.modules[__name__])
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", name)


def opened(folder: Path, text: str = TEXT) -> Any:
    """Read the settings and resolve the integration's secrets."""
    path = folder / "settings.toml"
    path.write_text(text, encoding="utf-8")
    return connector_settings(load_settings(path), "main", ConnectorSettings)


def test_a_secret_comes_from_the_keyring(drawer: Path, tmp_path: Path) -> None:
    """A reference names service and user; the service may be an address."""
    drawer.write_text(json.dumps({"https://canvas.example.edu|coursekeep": "from the keyring"}))

    assert opened(tmp_path).token.get_secret_value() == "from the keyring"


def test_the_reference_is_shown_and_the_secret_is_not(drawer: Path, tmp_path: Path) -> None:
    """What `config show` prints names the place of the secret."""
    drawer.write_text(json.dumps({"https://canvas.example.edu|coursekeep": "from the keyring"}))
    opened(tmp_path)

    shown = load_settings(tmp_path / "settings.toml").redacted()["integrations"]["main"]

    assert shown["token"] == {"keyring": "https://canvas.example.edu/coursekeep"}


@pytest.mark.parametrize(
    ("backend", "says"),
    [
        (Drawer, "holds no secret for the service https://canvas.example.edu and the user coursekeep; put it there"),
        (Locked, r"Locked is locked; install and unlock a keyring for the daemon's user"),
        (Broken, r"Broken failed \(RuntimeError\); install and unlock"),
        ("keyring.backends.fail.Keyring", "this machine has no keyring that the daemon can use; install and unlock"),
        ("keyring.backends.null.Keyring", "null.Keyring holds no secret"),
        ("no.such.module.Keyring", "the keyring cannot be opened .ModuleNotFoundError"),
    ],
    ids=str,
)
def test_a_keyring_that_does_not_help_says_why(
    drawer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: Any, says: str
) -> None:
    """The message has the key, the line, what is wrong and what to do, and nothing that a backend said."""
    choose(monkeypatch, backend)

    with pytest.raises(SettingsError, match=says) as caught:
        opened(tmp_path)

    assert str(caught.value).startswith("integrations.main.token (")
    assert "line 5" in str(caught.value)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("name", ["coursekeep", "/user", "service/"])
def test_a_name_without_service_or_user_is_refused(drawer: Path, tmp_path: Path, name: str) -> None:
    """A reference needs both parts."""
    with pytest.raises(SettingsError, match='write "service/user"'):
        opened(tmp_path, TEXT.replace("https://canvas.example.edu/coursekeep", name))


def test_what_came_from_a_keyring_is_kept_there(drawer: Path, tmp_path: Path) -> None:
    """A refresh token from a keyring has its successors kept beside it, and no file holds them."""
    keeper = keeper_of(tmp_path / "data", "main", {"refresh_token": {"keyring": "coursekeep/canvas"}})
    token = KeptToken(seed="digest", token=SecretStr("the next one"))

    async def main() -> KeptToken | None:
        async with keeper.alone():
            assert await keeper.load() is None
            await keeper.save(token)
            return await keeper.load()

    assert isinstance(keeper, KeyringKeeper)
    assert asyncio.run(main()) == token
    assert list(json.loads(drawer.read_text())) == ["coursekeep|canvas.kept"]
    assert [path.name for path in (tmp_path / "data" / "credentials").iterdir()] == ["main.lock"]


def test_a_keyring_that_forgets_is_noticed(drawer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a keyring took is read again before anybody relies on it; one that is locked asks for an operator."""
    keeper = KeyringKeeper(tmp_path, "main", "coursekeep/canvas")

    choose(monkeypatch, Forgetful)
    with pytest.raises(RetryLater, match="the refresh token cannot be kept"):
        asyncio.run(keeper.save(KeptToken(seed="digest")))
    choose(monkeypatch, Locked)
    with pytest.raises(CredentialsNeeded, match="is locked"):
        asyncio.run(keeper.load())


def test_all_others_are_kept_in_a_file(tmp_path: Path) -> None:
    """Without a keyring in the settings the data directory keeps the refresh token."""
    for own in ({}, {"refresh_token": {"env": "TOKEN"}}, {"refresh_token": "text"}):
        assert type(keeper_of(tmp_path, "main", own)) is FileKeeper
