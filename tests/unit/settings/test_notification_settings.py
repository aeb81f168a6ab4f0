"""Settings of notifications: what they take, what stops the start, and that no address is ever shown."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from coursekeep import SettingsError
from coursekeep_daemon.notifications.opening import open_targets
from coursekeep_daemon.notifications.records import NotificationKind
from coursekeep_daemon.notifications.targets import Target
from coursekeep_daemon.settings import Settings, load_settings

#: Apprise imports a module that Python has deprecated
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

MAIN = '[integrations.main]\nconnector = "canvas"\n'


def read(folder: Path, text: str) -> Settings:
    path = folder / "settings.toml"
    path.write_text(text)
    return load_settings(path)


def targets(settings: Settings) -> list[Target]:
    async def main() -> list[Target]:
        async with AsyncExitStack() as stack:
            return await open_targets(settings, stack)

    return asyncio.run(main())


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(SettingsError) as caught:
        targets(read(folder, text))
    said = str(caught.value)
    assert "hidden" not in said
    return said


def test_targets_are_opened_with_their_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses and secrets come from text, variable or file; events and integrations from lists, else all."""
    monkeypatch.setenv("MAIL_URL", "mailto://u:hidden@mail.example.edu?to=a@example.edu")
    monkeypatch.setenv("COURSEKEEP_NOTIFICATIONS__LATE__URL", "json://example.edu/hidden")
    (tmp_path / "hook").write_text("https://example.edu/hidden\n")
    settings = read(
        tmp_path,
        MAIN
        + '[notifications.mail]\nurl = { env = "MAIL_URL" }\n'
        + '[notifications.hook]\nkind = "webhook"\nurl = { file = "hook" }\nsecret = "hidden"\n'
        + 'events = ["storage_held"]\nintegrations = ["main"]\n',
    )
    found = {target.name: target for target in targets(settings)}

    assert {name: target.kind for name, target in found.items()} == {
        "mail": "apprise",
        "hook": "webhook",
        "late": "apprise",
    }
    assert found["hook"].events == {"storage_held"}
    assert (len(found["mail"].events), found["hook"].integrations) == (len(NotificationKind), {"main"})
    assert "hidden" not in f"{settings.redacted()} {settings!r} {settings.model_dump_json()}"
    assert settings.redacted()["notifications"]["mail"]["url"] == {"env": "MAIL_URL"}


@pytest.mark.parametrize(
    ("text", "key", "line", "says"),
    [
        ('url = "hidden"', "url", 2, "Apprise cannot read this address"),
        ('url = "nosuch://u:hidden@host"', "url", 2, "Apprise cannot read this address"),
        ('kind = "webhook"\nurl = "ftp://hidden"', "url", 3, "begins with http:// or https://"),
        ('url = { env = "NOT_SET_ANYWHERE" }', "url", 2, "NOT_SET_ANYWHERE is not set"),
        ('url = { file = "missing" }', "url", 2, "cannot be read"),
        ('url = "json://hidden"\nsecret = "hidden"', "secret", 3, "only a webhook is signed"),
        ('url = "json://hidden"\nevents = ["weather"]', "events", 3, "'run_failed'"),
        ('url = "json://hidden"\nintegrations = ["mian"]', "integrations", 3, "did you mean main?"),
        ('kind = "pigeon"\nurl = "hidden"', "kind", 2, "'webhook'"),
        ('url = ""', "url", 2, "empty"),
        ('url = { env = "A", file = "hidden" }', "url", 2, "or text"),
        ("url = { env = 5 }", "url", 2, "or text"),
        ("url = 5", "url", 2, "or text"),
        ('kind = "webhook"', "url", 1, "needed"),
    ],
)
def test_what_cannot_be_used_stops_the_start(tmp_path: Path, text: str, key: str, line: int, says: str) -> None:
    """A wrong target names its key and line and what is allowed, and never the address."""
    said = refusal(tmp_path, f"[notifications.ops]\n{text}\n{MAIN}")

    assert f"notifications.ops.{key}" in said
    assert f"line {line}" in said
    assert says in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("url", ["https://example.edu", "http://10.0.0.1:8350"])
def test_a_public_url_is_kept_as_it_is(tmp_path: Path, url: str) -> None:
    """`public_url` is an http or https address."""
    assert read(tmp_path, f'[daemon]\npublic_url = "{url}"\n').daemon.public_url == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.edu",
        "ftp://example.edu",
        "https://example.edu/",
        "https://example.edu/archive",
        "https://",
        "https://a.example/?b",
        "https://u@a.example",
    ],
)
def test_a_public_url_that_makes_no_links_is_refused(tmp_path: Path, url: str) -> None:
    """Anything else than such an address without a path or a / at its end stops the start."""
    with pytest.raises(SettingsError, match=r"daemon.public_url .*line 2.*without a path or a / at its end"):
        read(tmp_path, f'[daemon]\npublic_url = "{url}"\n')
