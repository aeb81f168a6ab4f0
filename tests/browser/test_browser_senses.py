"""How pages are reached and read: by keyboard alone, in the visitor's zone and theme, while they change."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from fakes.browser_house import PASSWORD, USERS, BrowserHouse, Visitor
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.xdist_group("browser-imports")

Visit = Callable[..., Visitor]

_FOCUS = """() => {
    const it = document.activeElement, style = getComputedStyle(it), box = it.getBoundingClientRect();
    return {
        name: it.getAttribute("aria-label") || it.labels?.[0]?.textContent || it.textContent.trim(),
        tag: it.tagName,
        outlined: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
        inside: box.width > 0 && box.right > 0 && box.bottom > 0 && box.top < innerHeight,
    };
}"""


def tab_to(page: Page, name: str, tag: str) -> None:
    """Press Tab until something of this name has the focus; each stop on the way must be seen to have it."""
    for _ in range(80):
        page.keyboard.press("Tab")
        stop = page.evaluate(_FOCUS)
        if stop["tag"] == "BODY":
            continue
        assert stop["outlined"], f"nothing shows that {stop} has the focus"
        assert stop["inside"], f"{stop} has the focus beyond the screen"
        if stop["tag"] == tag and stop["name"] == name:
            return
    raise AssertionError(f"no {tag} named {name!r} is reached with Tab")


@pytest.mark.parametrize("javascript", [True, False], ids=["script", "no-script"])
def test_the_keyboard_is_enough(house: BrowserHouse, visit: Visit, javascript: bool) -> None:
    """Someone without a mouse signs in, opens a run, pauses it, cancels it, and sees the focus all the while."""
    assert house.daemon.call("POST", "/integrations/main/pause").status_code == 200
    run = house.daemon.start_run("ids", {"ids": ["101"]})
    visitor = visit(None, javascript=javascript)
    keyboard = visitor.page.keyboard

    def enter() -> None:
        with visitor.page.expect_navigation():
            keyboard.press("Enter")

    try:
        visitor.open("/")
        # the name has the focus from the start
        expect(visitor.page.locator("input[name=name]")).to_be_focused()
        keyboard.type(USERS["operator"])
        keyboard.press("Tab")
        keyboard.type(PASSWORD)
        enter()
        tab_to(visitor.page, f"Run {run}", "A")
        enter()
        tab_to(visitor.page, "Pause", "BUTTON")
        enter()
        visitor.sees("The run is paused.")
        tab_to(visitor.page, "Cancel this run for good", "SUMMARY")
        keyboard.press("Enter")
        tab_to(visitor.page, f"Cancel run {run}", "BUTTON")
        enter()
        visitor.sees("The run is canceled.")
    finally:
        house.daemon.call("POST", "/integrations/main/resume")

    assert house.daemon.get(f"/runs/{run}")["status"] == "canceled"


@pytest.mark.parametrize("javascript", [True, False], ids=["script", "no-script"])
def test_the_keyboard_is_enough_for_a_new_import(house: BrowserHouse, visit: Visit, javascript: bool) -> None:
    """Without a mouse one chooses integration, method and courses, previews the import, and starts it."""
    visitor = visit(javascript=javascript)
    page, keyboard = visitor.page, visitor.page.keyboard

    def enter() -> None:
        with page.expect_navigation():
            keyboard.press("Enter")

    visitor.open("/")
    tab_to(page, "New import", "A")
    enter()
    tab_to(page, "Integration", "SELECT")
    keyboard.type("main")
    # radio buttons are one stop; arrows go from one to the next
    tab_to(page, page.locator("input[name=source]:checked + label").inner_text(), "INPUT")
    for _ in range(8):
        if page.evaluate(_FOCUS)["name"] == "Course ids":
            break
        keyboard.press("ArrowDown")
    tab_to(page, "Ids of courses", "TEXTAREA")
    keyboard.type("999998, 999999")
    tab_to(page, "Preview", "BUTTON")
    enter()
    expect(page.locator(".preview tbody tr")).to_have_count(2)
    tab_to(page, "Start this import", "BUTTON")
    enter()
    visitor.sees(page.locator("#run-head .badge", has_text="Completed"))

    run = house.daemon.get(f"/runs/{page.url.rpartition('/')[2]}")
    assert run["counts"]["not_found"] == 2


def test_one_can_skip_to_the_content(visit: Visit) -> None:
    """The first stop of every page leads past the navigation."""
    visitor = visit()
    visitor.open("/")
    visitor.page.keyboard.press("Tab")
    assert visitor.page.evaluate(_FOCUS)["name"] == "Skip to the content"
    visitor.page.keyboard.press("Enter")

    expect(visitor.page.locator("main")).to_be_focused()


def test_focus_and_ticks_stay_while_the_page_changes(house: BrowserHouse, visit: Visit) -> None:
    """What has the focus keeps it, what is ticked stays ticked, and what is open stays open, while the page changes."""
    run = house.failing_run(101, 102)
    visitor = visit()
    visitor.open(f"/runs/{run}")
    visitor.is_live()
    visitor.mark()
    tick = visitor.page.get_by_label("Reimport 102")
    tick.focus()
    visitor.page.keyboard.press("Space")
    item = next(each["id"] for each in house.daemon.items(run) if each["ref"] == "101")
    assert house.daemon.call("POST", f"/runs/{run}/reimport", json={"items": [item]}).status_code == 202
    expect(visitor.count("Failed, reimported")).to_have_text("1")

    assert visitor.unmoved()
    expect(tick).to_be_checked()
    expect(tick).to_be_focused()


def test_moments_are_in_the_visitors_zone(house: BrowserHouse, visit: Visit) -> None:
    """Times are shown in the browser's zone from the first page on; the exact one, with UTC, is in the title."""
    run = house.failing_run(101)
    visitor = visit("viewer", timezone_id="Pacific/Auckland")
    visitor.open(f"/runs/{run}")
    shown = visitor.page.locator("#run-timeline time").first
    expect(shown).to_have_attribute("title", re.compile(r"NZ[DS]T \(.* UTC\)$"))
    exact = datetime.fromisoformat(shown.get_attribute("datetime") or "")
    local = exact.astimezone(ZoneInfo("Pacific/Auckland"))

    assert shown.inner_text() == f"{local.day} {local:%b %Y, %H:%M}"
    assert shown.get_attribute("title") == (
        f"{local:%A} {local.day} {local:%B %Y, %H:%M:%S %Z} ({exact:%Y-%m-%d %H:%M:%S} UTC)"
    )


@pytest.mark.parametrize("javascript", [True, False], ids=["script", "no-script"])
def test_theme_and_zone_are_chosen(visit: Visit, javascript: bool) -> None:
    """Whoever chooses a theme and a zone sees pages in them, whatever system and browser say."""
    visitor = visit("viewer", javascript=javascript, color_scheme="light")
    visitor.open("/account")
    visitor.page.get_by_label("Theme").select_option("Dark")
    visitor.page.get_by_label("Time zone").select_option("Asia/Tokyo")
    visitor.press("Save")
    visitor.sees("Saved for this browser.")

    expect(visitor.page.get_by_label("Time zone")).to_have_value("Asia/Tokyo")
    expect(visitor.page.locator("html")).to_have_attribute("data-theme", "dark")
    if javascript:
        assert visitor.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 21, 24)"
