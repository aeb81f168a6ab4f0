"""Schedules as a person keeps them: made, tried, changed, run, deleted."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fakes.browser_house import BrowserHouse, Visitor
from playwright.sync_api import expect

pytestmark = pytest.mark.xdist_group("browser-schedules")

Visit = Callable[..., Visitor]


@pytest.fixture(params=[True, False], ids=["script", "no-script"])
def javascript(request: pytest.FixtureRequest) -> bool:
    """Whether the browser runs scripts."""
    return bool(request.param)


def made(house: BrowserHouse, name: str, **more: object) -> str:
    """Add a schedule over the API and return its name."""
    rule = {"name": name, "integration": "main", "cron": "0 3 29 2 *", "ended_for": "6 months", **more}
    answer = house.daemon.call("POST", "/schedules", json=rule)
    assert answer.status_code == 201, answer.text
    return name


def test_a_schedule_is_previewed_and_added(house: BrowserHouse, visit: Visit, javascript: bool) -> None:
    """Nothing is stored before Save; the preview says what the next run would take, and what a pattern leaves out."""
    name = "with_script" if javascript else "without_script"
    visitor = visit("administrator", javascript=javascript)
    page = visitor.page
    visitor.open("/schedules")
    visitor.follow("Add a schedule")
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Integration").select_option("main")
    page.get_by_label("Cron rule").fill("0 3 29 2 *")
    page.get_by_label("Time zone").fill("Europe/Vienna")
    page.get_by_label("End date").check()
    page.get_by_label("Ended at least so long ago").fill("6 months")
    page.get_by_text("Take or leave out by pattern").click()
    page.get_by_label("Leave out").fill("name:*1*")
    visitor.press("Preview")
    expect(page.get_by_role("heading", name="What the next run would take")).to_be_visible()
    expect(page.locator(".preview tbody tr").filter(has_text="name:*1*").first).to_be_visible()
    expect(page.locator("#fires li").first).to_contain_text("29 Feb")
    assert house.daemon.call("GET", f"/schedules/{name}").status_code == 404
    visitor.press("Save this schedule")
    visitor.sees(f"The schedule {name} is added.")
    visitor.follow("Schedules")

    row = page.locator("#schedules tbody tr").filter(has_text=name)
    expect(row.locator(".badge")).to_have_text("Enabled")
    stored = house.daemon.get(f"/schedules/{name}")
    assert (stored["cron"], stored["time_zone"], stored["ended_for"]) == ("0 3 29 2 *", "Europe/Vienna", "6 months")
    assert (stored["exclude"], stored["created_by"]) == (["name:*1*"], "admin")


def test_a_schedule_is_changed_run_and_deleted(house: BrowserHouse, visit: Visit, javascript: bool) -> None:
    """Its page edits it, holds it, runs it now, leads to its runs, and deletes it; the runs stay."""
    name = made(house, f"short_lived_{javascript}".lower(), source="ids", params={"ids": ["999999"]}, ended_for=None)
    visitor = visit("administrator", javascript=javascript)
    page = visitor.page
    visitor.open(f"/schedules/{name}")
    visitor.follow("Edit")
    page.get_by_label("Cron rule").fill("30 4 29 2 *")
    visitor.press("Save")
    visitor.sees(f"The schedule {name} is changed.")
    visitor.press("Disable")
    visitor.sees(f"{name} is disabled: it starts nothing.")
    visitor.sees("none while it is disabled")
    visitor.press("Preview")
    expect(page.locator(".preview tbody tr")).to_have_count(1)
    visitor.press("Run now")
    visitor.sees(page.locator("#run-head .badge", has_text="Completed"))
    run = int(page.url.rpartition("/")[2])
    assert house.daemon.get(f"/runs/{run}")["schedule"] == name
    visitor.follow(name)
    expect(page.locator("#schedule-runs tbody tr")).to_have_count(1)
    expect(page.locator("#schedule-runs")).to_contain_text("admin")
    page.get_by_text("Delete this schedule").click()
    visitor.press(f"Delete {name}")
    visitor.sees(f"The schedule {name} is deleted.")
    expect(page.locator("#schedules tbody tr").filter(has_text=name)).to_have_count(0)

    assert house.daemon.call("GET", f"/schedules/{name}").status_code == 404
    assert house.daemon.get(f"/runs/{run}")["status"] == "completed"


def test_a_rule_that_cannot_be_read_keeps_what_was_typed(visit: Visit, javascript: bool) -> None:
    """The form comes back with the reason beside the field, the field in focus, and nothing lost."""
    visitor = visit("administrator", javascript=javascript)
    page = visitor.page
    visitor.open("/schedules/new?integration=main")
    page.get_by_label("Name", exact=True).fill("kept")
    page.get_by_label("Cron rule").fill("at three")
    page.get_by_label("Course ids").check()
    page.get_by_label("Ids of courses").fill("101")
    visitor.press("Save")

    expect(page.locator("#cron-wrong")).to_be_visible()
    expect(page.get_by_label("Name", exact=True)).to_have_value("kept")
    expect(page.get_by_label("Cron rule")).to_have_value("at three")
    expect(page.get_by_label("Ids of courses")).to_have_value("101")
    if javascript:
        expect(page.get_by_label("Cron rule")).to_be_focused()


def test_two_people_edit_one_schedule(house: BrowserHouse, visit: Visit, javascript: bool) -> None:
    """Who saves second is told who was first and where the two differ; nothing is lost, and saving again decides."""
    name = made(house, f"shared_{javascript}".lower())
    late = visit("administrator", javascript=javascript)
    late.open(f"/schedules/{name}/edit")
    late.page.get_by_label("Ended at least so long ago").fill("9 months")
    first = visit("administrator")
    first.open(f"/schedules/{name}/edit")
    first.page.get_by_label("Ended at least so long ago").fill("2 years")
    first.press("Save")
    late.press("Save")
    late.sees("Nothing was saved: the schedule was changed while you edited it")
    expect(late.page.get_by_role("row", name="2 years")).to_contain_text("9 months")
    expect(late.page.get_by_label("Ended at least so long ago")).to_have_value("9 months")
    assert house.daemon.get(f"/schedules/{name}")["ended_for"] == "2 years"
    late.press("Save")
    late.sees(f"The schedule {name} is changed.")

    assert house.daemon.get(f"/schedules/{name}")["ended_for"] == "9 months"


def test_a_declared_schedule_is_shown_and_not_edited(visit: Visit) -> None:
    """One of settings.toml says so, can be previewed and run, and has no button that would change it."""
    visitor = visit("administrator")
    visitor.open("/schedules/ended_courses")
    visitor.sees("This schedule is declared in settings.toml")
    expect(visitor.page.get_by_role("button", name="Run now")).to_be_visible()

    for name in ("Edit", "Disable", "Delete"):
        expect(visitor.page.get_by_role("main").get_by_text(name, exact=True)).to_have_count(0)
