"""Users, tokens, sessions and the activity, as administrators and users meet them."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from fakes.browser_house import PASSWORD, USERS, BrowserHouse, Visitor, fill_sign_in, sign_in_as
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.xdist_group("browser-schedules")

Visit = Callable[..., Visitor]


@pytest.fixture(params=[True, False], ids=["script", "no-script"])
def javascript(request: pytest.FixtureRequest) -> bool:
    """Whether the browser runs scripts."""
    return bool(request.param)


def role(page: Page, name: str) -> Locator:
    """Return the radio button of a role; its label tells what the role may do as well."""
    return page.get_by_role("radio", name=re.compile(rf"^{name}\."))


def test_a_user_is_added_lowered_and_disabled(house: BrowserHouse, visit: Visit, javascript: bool) -> None:
    """Who is added can sign in at once; a lower role holds from the next click on, and disabling ends the session."""
    name = "newcomer" if javascript else "latecomer"
    boss, other = visit("administrator", javascript=javascript), visit(None, javascript=javascript)
    boss.open("/users")
    boss.follow("Add a user")
    boss.page.get_by_label("Name").fill(name)
    role(boss.page, "Operator").check()
    boss.page.get_by_label("New password").fill(PASSWORD)
    boss.page.get_by_label("The same once more").fill(PASSWORD)
    boss.press("Add the user")
    boss.sees(f"{name} is added.")
    sign_in_as(other, name, PASSWORD)
    expect(other.page.get_by_role("button", name="Pause all")).to_be_visible()
    role(boss.page, "Viewer").check()
    boss.press("Change the role")
    boss.sees(f"{name} is viewer now.")
    other.press("Pause all")
    expect(other.page.get_by_role("heading", level=1)).to_have_text("You may not do this")
    other.follow("To the imports")
    expect(other.page.get_by_role("button", name="Pause all")).to_have_count(0)
    boss.press("Disable")
    boss.sees(f"{name} is disabled and signed out")
    other.follow("Courses")
    expect(other.page.get_by_role("heading", name="Sign in")).to_be_visible()
    sign_in_as(other, name, PASSWORD)

    expect(other.page.get_by_role("alert")).to_have_text("The name or the password is wrong.")


def test_passwords_that_differ_keep_what_was_typed(visit: Visit, javascript: bool) -> None:
    """The form of a new user says what is wrong beside the field, keeps name and role, and never a password."""
    visitor = visit("administrator", javascript=javascript)
    page = visitor.page
    visitor.open("/users/new")
    page.get_by_label("Name").fill("typist")
    role(page, "Operator").check()
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_label("The same once more").fill(f"{PASSWORD}?")
    visitor.press("Add the user")

    expect(page.locator(".wrong").first).to_be_visible()
    expect(page.get_by_label("Name")).to_have_value("typist")
    expect(role(page, "Operator")).to_be_checked()
    expect(page.get_by_label("New password")).to_have_value("")


def test_a_token_works_and_is_shown_once(house: BrowserHouse, visit: Visit, javascript: bool) -> None:
    """A token made on the account page acts in its scope, is never shown again, and stops when it is revoked."""
    name = "script-token" if javascript else "plain-token"
    visitor = visit(javascript=javascript)
    page = visitor.page
    visitor.open("/account")
    page.get_by_label("Name of a new token").fill(name)
    page.get_by_label("Scope").select_option("read")
    visitor.press("Make the token")
    secret = page.locator("#secret").inner_text()

    def status(method: str, path: str) -> int:
        headers = {"Authorization": f"Bearer {secret}"}
        return httpx.request(method, f"{house.daemon.url}/api/v1{path}", headers=headers).status_code

    assert (status("GET", "/runs"), status("POST", "/pause")) == (200, 403)
    visitor.follow("Back to your account")
    assert secret not in page.content()
    visitor.press(f"Revoke {name}")
    visitor.sees(f"The token {name} is revoked.")

    assert status("GET", "/runs") == 401


def test_signing_out_everywhere_ends_the_other_browser(house: BrowserHouse, visit: Visit, javascript: bool) -> None:
    """One button ends all sessions of a user: that of the browser itself, and those elsewhere at their next click."""
    name = "traveller" if javascript else "commuter"
    new = {"name": name, "role": "viewer", "password": PASSWORD}
    assert house.daemon.call("POST", "/users", json=new).status_code == 201
    here, there = visit(None, javascript=javascript), visit(None, javascript=javascript)
    for each in (here, there):
        sign_in_as(each, name, PASSWORD)
    here.open("/account")
    expect(here.page.locator("main tbody tr")).to_have_count(2)
    here.press("Sign out everywhere")
    here.sees("You are signed out everywhere.")
    there.follow("Courses")

    expect(there.page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_password_is_changed(house: BrowserHouse, visit: Visit, javascript: bool) -> None:
    """The current password is asked for; afterwards only the new one signs in."""
    name = "careful" if javascript else "wary"
    new = {"name": name, "role": "viewer", "password": PASSWORD}
    assert house.daemon.call("POST", "/users", json=new).status_code == 201
    visitor = visit(None, javascript=javascript)
    page = visitor.page
    sign_in_as(visitor, name, PASSWORD)
    visitor.open("/account")
    for current in ("not it at all", PASSWORD):
        page.get_by_label("Current password").fill(current)
        page.get_by_label("New password").fill(f"{PASSWORD} again")
        page.get_by_label("The same once more").fill(f"{PASSWORD} again")
        visitor.press("Change the password")
        if current != PASSWORD:
            expect(page.locator("#current-wrong")).to_be_visible()
    visitor.sees("Your password is changed.")
    visitor.press("Sign out")
    sign_in_as(visitor, name, PASSWORD)
    expect(page.get_by_role("alert")).to_have_text("The name or the password is wrong.")
    sign_in_as(visitor, name, f"{PASSWORD} again")

    expect(page.get_by_role("heading", level=1)).to_have_text("Imports")


def test_the_activity_tells_who_did_what(visit: Visit, javascript: bool) -> None:
    """What was done, and what was refused, stands in the activity with who and when, and filters find it."""
    actor = visit(javascript=javascript)
    actor.open("/integrations/evening")
    for name in ("Pause", "Resume"):
        actor.press(name, actor.page.get_by_role("main"))
    visitor = visit("viewer", javascript=javascript)
    rows = visitor.page.locator("main tbody tr")
    visitor.open("/activity")
    expect(rows.filter(has_text=USERS["operator"]).first).to_be_visible()
    visitor.page.get_by_label("Who").fill(USERS["operator"])
    visitor.page.get_by_label("Action").select_option("integration.pause")
    visitor.page.get_by_label("Target").fill("evening")
    visitor.press("Filter")
    expect(rows.first).to_contain_text("evening")
    expect(rows.filter(has_not_text=USERS["operator"])).to_have_count(0)
    visitor.follow("evening", rows.first)
    assert visitor.page.url.endswith("/integrations/evening")
    tomorrow = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()
    visitor.open(f"/activity?who={USERS['operator']}&since={tomorrow}")
    visitor.sees("Nothing that was done fits this filter.")
    visitor.follow("Show all", visitor.page.get_by_role("main"))

    expect(rows.first).to_be_visible()


def test_a_failed_sign_in_is_in_the_activity(visit: Visit) -> None:
    """A password that was wrong is told to administrators, with the name where it is a user's."""
    stranger = visit(None)
    sign_in_as(stranger, USERS["viewer"], "not the password")
    visitor = visit(None)
    fill_sign_in(visitor, "administrator")
    visitor.open("/activity")

    refused = visitor.page.locator("main tbody tr").filter(has_text="Refused").first
    expect(refused).to_contain_text(USERS["viewer"])
