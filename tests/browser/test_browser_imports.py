"""Signing in, integrations and the list of runs, as a person meets them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from fakes.browser_house import FAR_NAME, PASSWORD, USERS, BrowserHouse, Visitor, fill_sign_in
from playwright.sync_api import Locator, expect

pytestmark = pytest.mark.xdist_group("browser-imports")

Visit = Callable[..., Visitor]


@pytest.fixture(params=[True, False], ids=["script", "no-script"])
def javascript(request: pytest.FixtureRequest) -> bool:
    """Whether the browser runs scripts."""
    return bool(request.param)


def tile(visitor: Visitor, name: str) -> Locator:
    """Return the tile of an integration."""
    return visitor.page.get_by_role("article", name=name)


def test_signing_in_leads_to_where_one_wanted(house: BrowserHouse, visit: Visit, javascript: bool) -> None:
    """Who is not signed in is asked to, and then finds the page that was asked for; signing out ends it."""
    visitor = visit(None, javascript=javascript)
    visitor.open("/?status=failed")
    visitor.page.get_by_label("Name").fill(USERS["viewer"])
    visitor.page.get_by_label("Password").fill(PASSWORD)
    visitor.press("Sign in")
    assert visitor.page.url == f"{house.daemon.url}/?status=failed"
    expect(visitor.page.get_by_role("button", name="Pause all")).to_have_count(0)
    visitor.press("Sign out")
    visitor.sees("You are signed out.")
    visitor.open("/")

    expect(visitor.page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_the_console_works_from_another_machine(house: BrowserHouse, visit: Visit, javascript: bool) -> None:
    """Over plain http, by a name that is not loopback, one signs in and presses buttons as well."""
    visitor = visit(None, javascript=javascript, base_url=house.daemon.url.replace("127.0.0.1", FAR_NAME))
    fill_sign_in(visitor, "operator")
    visitor.press("Pause", tile(visitor, "evening"))
    visitor.sees("evening is paused.")
    visitor.press("Resume", tile(visitor, "evening"))

    visitor.sees("evening goes on.")


def test_a_wrong_password_keeps_the_name(visit: Visit, javascript: bool) -> None:
    """The form comes back with what is wrong and the name that was typed, but not the password."""
    visitor = visit(None, javascript=javascript)
    visitor.open("/sign-in")
    visitor.page.get_by_label("Name").fill("Registrar")
    visitor.page.get_by_label("Password").fill("not it")
    visitor.press("Sign in")

    expect(visitor.page.get_by_role("alert")).to_have_text("The name or the password is wrong.")
    expect(visitor.page.get_by_label("Name")).to_have_value("Registrar")
    expect(visitor.page.get_by_label("Password")).to_have_value("")


def test_signing_out_ends_the_session_of_open_pages(visit: Visit) -> None:
    """A page that is still open in another tab shows nothing more once its visitor has signed out."""
    visitor = visit(None)
    fill_sign_in(visitor, "administrator")
    other = visitor.context.new_page()
    other.goto("/")
    visitor.press("Sign out")
    other.reload()

    expect(other.get_by_role("heading", name="Sign in")).to_be_visible()


def test_integrations_are_checked_from_their_tiles(visit: Visit, javascript: bool) -> None:
    """A check says whether all is well, or at which step it failed and what to do about it."""
    visitor = visit(javascript=javascript)
    visitor.open("/")
    visitor.press("Check", tile(visitor, "main"))
    visitor.sees("Every step of the check is well.")
    visitor.open("/")
    visitor.press("Check", tile(visitor, "evening"))
    visitor.sees("The check failed at: credentials.")
    expect(visitor.page.locator("#check")).to_contain_text("token")
    visitor.follow("Imports")

    expect(tile(visitor, "main").locator(".badge")).to_have_text("Well")
    expect(tile(visitor, "evening").locator(".badge")).to_have_text("Check failed")
    visitor.follow("credentials", tile(visitor, "evening"))
    assert visitor.page.url.endswith("/integrations/evening#check")


def test_terms_are_read_again(visit: Visit, javascript: bool) -> None:
    """Refreshing the terms says how many there are, and lists them."""
    visitor = visit(javascript=javascript)
    visitor.open("/integrations/main")
    visitor.press("Refresh terms")
    visitor.sees("The terms were read again: the LMS has 5.")

    expect(visitor.page.locator("#terms tbody tr")).to_have_count(5)


def test_terms_that_cannot_be_read_say_why(visit: Visit, javascript: bool) -> None:
    """Where the LMS refuses, the page says so and leads back."""
    visitor = visit(javascript=javascript)
    visitor.open("/integrations/evening")
    visitor.press("Refresh terms")
    visitor.sees(visitor.page.get_by_role("heading", level=1))
    expect(visitor.page.locator("main")).to_contain_text("credentials")
    visitor.follow("Back")

    assert visitor.page.url.endswith("/integrations/evening")


def test_all_is_paused_and_resumed(visit: Visit, javascript: bool) -> None:
    """One button holds everything; every page says so and can end it; whoever else looks sees both happen."""
    other = visit("viewer")
    other.open("/")
    other.is_live()
    other.mark()
    visitor = visit(javascript=javascript)
    visitor.open("/")
    visitor.press("Pause all")
    visitor.sees("All imports are paused. What is being archived finishes.")
    other.sees(other.page.locator("#overall-holds .note"))
    expect(tile(other, "main").locator(".badge")).to_have_text("Paused")
    visitor.open("/statuses")
    visitor.press("Resume all")
    visitor.sees("All imports go on, except those that are paused themselves.")

    other.sees(other.page.locator("#overall-holds .note"), absent=True)
    assert other.unmoved()


def test_one_integration_is_paused_and_resumed(visit: Visit, javascript: bool) -> None:
    """A tile pauses and resumes its integration, and the others go on."""
    visitor = visit(javascript=javascript)
    visitor.open("/")
    visitor.press("Pause", tile(visitor, "main"))
    visitor.sees("main is paused.")
    expect(tile(visitor, "main").locator(".badge")).to_have_text("Paused")
    expect(tile(visitor, "evening").locator(".badge")).not_to_have_text("Paused")
    visitor.press("Resume", tile(visitor, "main"))

    visitor.sees("main goes on.")


def test_runs_are_filtered_and_paged(house: BrowserHouse, visit: Visit, javascript: bool) -> None:
    """Filters narrow the list and stay in the form; the next page goes on where this one ends."""
    runs = [house.daemon.start_run("ids", {"ids": ["999999"]}) for _ in range(27)]
    for run in runs:
        house.daemon.finished(run)
    failing = house.failing_run(101)
    visitor = visit("viewer", javascript=javascript)
    visitor.open("/")
    rows = visitor.page.locator("#runs tbody tr")
    expect(rows).to_have_count(25)
    visitor.follow("Next page")
    expect(rows.filter(has_text=f"Run {runs[2]}").first).to_be_visible()
    visitor.follow("First page")
    visitor.page.get_by_label("Status", exact=True).select_option("Completed with errors")
    visitor.page.get_by_label("Integration").select_option("main")
    visitor.press("Filter")
    expect(rows.filter(has_text=f"Run {failing}")).to_have_count(1)
    expect(rows.locator(".badge").filter(has_not_text="Completed with errors")).to_have_count(0)
    expect(visitor.page.get_by_label("Status", exact=True)).to_have_value("completed_with_errors")
    visitor.page.get_by_label("From", exact=True).fill((datetime.now(UTC) + timedelta(days=2)).date().isoformat())
    visitor.press("Filter")
    visitor.sees("No run fits this filter.")
    visitor.follow("Show all")

    expect(rows).to_have_count(25)
