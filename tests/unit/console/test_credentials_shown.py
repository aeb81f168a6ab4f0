"""Where the end of credentials is seen: pages, API and command line."""

from __future__ import annotations

from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from fakes.api_service import ApiHouse, in_house, served
from fakes.cli_process import coursekeep
from fakes.console_house import ConsoleHouse, in_console

from coursekeep_daemon.expiry import CredentialsEnd, EndBasis, EndState
from coursekeep_daemon.runs.holds import Hold, HoldLevel

AT = datetime(2027, 2, 1, tzinfo=UTC)


def known(house: Any, state: EndState, last_day: date | None = date(2027, 1, 31)) -> None:
    """Have the service know when the credentials of `main` end."""
    basis = EndBasis.CREDENTIALS if last_day is None else EndBasis.SETTINGS
    end = CredentialsEnd(integration="main", at=AT, basis=basis, state=state, last_day=last_day)
    house.service.expiry = SimpleNamespace(of={"main": end}.get, all=lambda: {"main": end})


@pytest.mark.parametrize(
    ("state", "badge"), [(EndState.GOOD, "Good"), (EndState.EXPIRING, "End soon"), (EndState.EXPIRED, "Ended")]
)
def test_pages_show_how_credentials_stand(state: EndState, badge: str) -> None:
    """The page of the integration and the system page name the state, the moment, and who says so."""

    async def test(house: ConsoleHouse) -> None:
        known(house.api, state)
        browser = await house.signed_in("viewer")
        for path in ("/integrations/main", "/system"):
            page = (await browser.get(path)).text
            assert f">{badge}</span>" in page
            assert "2027-02-01" in page
            assert "the settings" in page
        page = (await browser.get("/integrations/main")).text
        assert ("The credentials end soon" in page) == (state is EndState.EXPIRING)

    in_console(test)


def test_the_first_page_warns() -> None:
    """The tile of an integration whose credentials end soon says so."""

    async def test(house: ConsoleHouse) -> None:
        browser = await house.signed_in("viewer")
        before = (await browser.get("/")).text
        known(house.api, EndState.EXPIRING, last_day=None)
        after = (await browser.get("/")).text
        assert "Credentials end soon" not in before
        assert "Credentials end soon" in after

    in_console(test)


def test_the_api_tells_it() -> None:
    """Integrations and the system have the end; null where nobody says."""

    async def test(house: ConsoleHouse) -> None:
        async with house.api.client("read") as client:
            before = (await client.get("/integrations/main")).json()["credentials_end"]
            known(house.api, EndState.EXPIRING)
            shown = (await client.get("/integrations/main")).json()["credentials_end"]
            (system,) = (await client.get("/system")).json()["credentials"]
        assert before is None
        assert shown == {"at": "2027-02-01T00:00:00Z", "basis": "settings", "state": "expiring"}
        assert system == {**shown, "integration": "main"}

    in_console(test)


def test_the_command_line_shows_it() -> None:
    """`coursekeep system` has a table of credentials where an end is known."""

    async def test(house: ApiHouse) -> None:
        known(SimpleNamespace(service=house.service), EndState.EXPIRING)
        async with served(house) as url:
            done = await coursekeep("system", COURSEKEEP_URL=url, COURSEKEEP_TOKEN=house.tokens["admin"])
        assert "credentials" in done.out
        assert "expiring" in done.out

    in_house(test)


def test_a_run_that_waits_for_credentials_says_what_to_do() -> None:
    """`coursekeep run start` names what holds the new run, and how to go on."""

    async def test(house: ApiHouse) -> None:
        reason = "the credentials have ended: 2027-01-31 is their last day"
        house.service.holds.holding = Hold(level=HoldLevel.CREDENTIALS, since=AT, reason=reason)
        async with served(house) as url:
            access = {"COURSEKEEP_URL": url, "COURSEKEEP_TOKEN": house.tokens["operate"]}
            done = await coursekeep("run", "start", "--integration", "main", "--ids", "1", **access)
        said = " ".join(done.out.split())
        assert f"It waits: {reason}." in said
        assert "then run: coursekeep check main" in said

    in_house(test)
