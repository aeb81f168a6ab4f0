"""The form of a connector: the section that it writes is one that the daemon reads, and no secret is typed in."""

from __future__ import annotations

import html
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from fakes.console_house import ConsoleHouse, in_console

from coursekeep_daemon.settings import IntegrationSettings, Settings, connector_settings, load_settings

CANVAS = {
    "name": "main",
    "own.base_url": "https://canvas.example.edu",
    "own.token.place": "env",
    "own.token": "CANVAS_TOKEN",
    "own.account": "self",
    "own.native_export": ["", "yes"],
    "own.page_revisions": ["", "yes"],
    "own.module_progress": ["", "yes"],
    "common.enabled": ["", "yes"],
}


def section_of(page: str) -> str:
    """Return the section that a page shows."""
    found = re.search(r"<pre[^>]*>(.*?)</pre>", page, re.DOTALL)
    return html.unescape(found[1]) if found else ""


def wrong_of(page: str) -> dict[str, str]:
    """Return what a page says is wrong, by field."""
    return {key: html.unescape(text) for key, text in re.findall(r'<p class="wrong" id="(.+?)-wrong">(.*?)</p>', page)}


async def filled(house: ConsoleHouse, connector: str, **typed: Any) -> tuple[int, str]:
    browser = await house.signed_in("operator")
    answer = await browser.post(f"/connectors/{connector}", **typed)
    return answer.status_code, answer.text


def test_every_connector_has_a_form() -> None:
    """The list leads operators to a form that shows every setting of the connector's own model."""

    async def test(house: ConsoleHouse) -> None:
        browser = await house.signed_in("operator")
        listed = (await browser.get("/connectors")).text
        for name, connector in house.api.service.connectors.items():
            page = (await browser.get(f"/connectors/{name}")).text
            assert f'href="/connectors/{name}"' in listed
            for field, about in connector.Settings.model_fields.items():
                assert f'name="own.{field}"' in page, f"{name}: {field}"
                assert html.escape(about.title or "", quote=False) in html.unescape(page).replace("&", "&amp;")

    in_console(test)


def test_the_section_is_one_that_the_daemon_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is shown has no defaults, names the variable, and is read by the daemon as it was typed."""
    monkeypatch.setenv("CANVAS_TOKEN", "from the environment")
    typed = CANVAS | {
        "own.contact": 'Team "LMS" \\ C:\\',
        "own.native_export": "",
        "own.file_hosts": "files.example.edu\r\nother.example.edu\r\n",
        "own.timeout": "30",
        "common.expires_on": "2027-01-31",
    }
    pages: list[str] = []

    async def test(house: ConsoleHouse) -> None:
        status, page = await filled(house, "canvas", **typed)
        assert status == 200
        assert "environment variable <code>CANVAS_TOKEN</code>" in page
        pages.append(page)
        model = house.api.service.connectors["canvas"].Settings
        path = tmp_path / "settings.toml"
        path.write_text(section_of(page), encoding="utf-8")
        read: Any = connector_settings(load_settings(path), "main", model)
        assert (read.contact, read.native_export, read.timeout) == ('Team "LMS" \\ C:\\', False, 30)
        assert read.file_hosts == ("files.example.edu", "other.example.edu")
        assert read.token.get_secret_value() == "from the environment"

    in_console(test)

    table = tomllib.loads(section_of(pages[0]))["integrations"]["main"]
    assert sorted(table) == sorted(
        ["connector", "base_url", "token", "contact", "native_export", "file_hosts", "timeout", "expires_on"]
    )


@pytest.mark.parametrize(
    ("changed", "field", "says"),
    [
        ({"name": "Main!"}, "name", "lower-case letters"),
        ({"own.base_url": ""}, "own.base_url", "This is needed."),
        ({"own.base_url": "canvas"}, "own.base_url", "String should match pattern '^https?://'."),
        ({"own.max_concurrency": "many"}, "own.max_concurrency", "Is no number"),
        ({"own.max_concurrency": "0"}, "own.max_concurrency", "greater than or equal to 1"),
        ({"own.token": "7~secret!"}, "own.token", "never the secret itself"),
        ({"own.token.place": "keyring"}, "own.token", "service/user"),
        ({"own.token.place": "elsewhere"}, "own.token", "choose where the secret is"),
        ({"common.expires_on": "soon"}, "common.expires_on", "is no day"),
        ({"common.courses_at_once": "999"}, "common.courses_at_once", "less than or equal to 64"),
        ({"common.academic_year_ends": "someday"}, "common.academic_year_ends", "08-31"),
    ],
)
def test_what_cannot_be_is_told_at_its_field(changed: dict[str, str], field: str, says: str) -> None:
    """The connector's own words stand at the field, what was typed stays, and no section is shown."""

    async def test(house: ConsoleHouse) -> None:
        status, page = await filled(house, "canvas", **(CANVAS | changed))
        assert status == 422
        assert says.lower() in wrong_of(page).get(field, "").lower(), wrong_of(page)
        assert section_of(page) == ""
        assert 'value="self"' in page

    in_console(test)


def test_what_is_wrong_with_the_whole_is_told_at_the_top() -> None:
    """A rule between fields is the connector's, and told as it says it."""

    async def test(house: ConsoleHouse) -> None:
        status, page = await filled(house, "canvas", **(CANVAS | {"own.token": ""}))
        assert status == 422
        assert "Set token, or client_id, client_secret and refresh_token together." in page

    in_console(test)


def test_places_of_secrets_are_written_as_references() -> None:
    """A file and a keyring become references; the page says what the keyring is to hold, and relative files stay so."""

    async def test(house: ConsoleHouse) -> None:
        typed = CANVAS | {
            "own.token": "",
            "own.client_id": "10000000000042",
            "own.client_secret.place": "file",
            "own.client_secret": "/etc/coursekeep/canvas-key",
            "own.refresh_token.place": "keyring",
            "own.refresh_token": "coursekeep/canvas",
        }
        status, page = await filled(house, "canvas", **typed)
        table = tomllib.loads(section_of(page))["integrations"]["main"]
        assert status == 200
        assert table["client_id"] == "10000000000042"
        assert table["client_secret"] == {"file": "/etc/coursekeep/canvas-key"}
        assert table["refresh_token"] == {"keyring": "coursekeep/canvas"}
        assert "service <code>coursekeep</code> and the user <code>canvas</code>" in page

    in_console(test)


def test_administrators_find_what_is_set_without_its_secrets() -> None:
    """The form of an integration holds its settings; a secret written there is left out, and operators are refused."""
    kept = {"base_url": "https://canvas.example.edu", "timeout": 7, "client_secret": "hush-hush", "contact": "<b>&"}
    settings = Settings(
        integrations={
            "main": IntegrationSettings(connector="canvas", expiry_notice=3, token={"file": "/etc/token"}, **kept)
        }
    )

    async def test(house: ConsoleHouse) -> None:
        house.api.service.settings = settings
        page = (await (await house.signed_in("administrator")).get("/connectors/canvas?integration=main")).text
        refused = await (await house.signed_in("operator")).get("/connectors/canvas?integration=main")
        other = await (await house.signed_in("administrator")).get("/connectors/moodle?integration=main")
        assert (refused.status_code, other.status_code) == (403, 404)
        assert "hush-hush" not in page
        for shown in ('value="/etc/token"', '<option value="file" selected>', 'value="7.0"', 'value="7"', 'value="3"'):
            assert shown in page or shown == 'value="7.0"'
        assert "<b>&" not in page

    in_console(test)


def test_a_connector_without_description_says_so() -> None:
    """A connector whose settings cannot be described has a page that says how to go on."""

    async def test(house: ConsoleHouse) -> None:
        canvas = house.api.service.connectors["canvas"]
        odd = type("Odd", (canvas,), {"name": "odd", "Settings": int})
        house.api.service.connectors["odd"] = odd
        page = (await (await house.signed_in("operator")).get("/connectors/odd")).text
        assert "cannot be shown as a form" in page

    in_console(test)
