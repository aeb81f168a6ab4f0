"""Runs as a person controls them: on the page of a run, with and without JavaScript."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator

import pytest
from fakes.browser_house import BrowserHouse, Visitor
from playwright.sync_api import expect

pytestmark = pytest.mark.xdist_group("browser-runs")

Visit = Callable[..., Visitor]


@pytest.fixture(params=[True, False], ids=["script", "no-script"])
def javascript(request: pytest.FixtureRequest) -> bool:
    """Whether the browser runs scripts."""
    return bool(request.param)


@pytest.fixture
def held(house: BrowserHouse) -> Iterator[Callable[..., int]]:
    """Start runs while all is paused, so that they wait for the test; lift the pause at the end."""
    assert house.daemon.call("POST", "/pause").status_code == 200

    def start(*courses: int) -> int:
        return house.daemon.start_run("ids", {"ids": [str(each) for each in courses]}, on_existing="refresh")

    yield start
    house.daemon.call("POST", "/resume")


def test_counters_change_while_one_looks(house: BrowserHouse, visit: Visit, held: Callable[..., int]) -> None:
    """The page of a run shows what becomes of its courses as it happens, without being loaded anew."""
    run = held(101, 105, 106)
    visitor = visit("viewer")
    visitor.open(f"/runs/{run}")
    visitor.is_live()
    visitor.mark()
    visitor.sees("All imports are paused")
    house.daemon.call("POST", "/resume")

    expect(visitor.count("Completed")).to_have_text("3")
    visitor.sees(visitor.page.locator("#run-head").get_by_text("Completed"))
    visitor.sees(visitor.page.locator("#overall-holds .note"), absent=True)
    assert visitor.unmoved()


@pytest.mark.parametrize("path", ["/", "/runs/{run}", "/integrations/main"])
def test_nothing_is_asked_while_nothing_happens(house: BrowserHouse, visit: Visit, path: str) -> None:
    """A page that is open asks the daemon nothing for an hour in which nothing happens: it does not poll."""
    run = house.daemon.start_run("ids", {"ids": ["999999"]})
    house.daemon.finished(run)
    visitor = visit()
    visitor.page.clock.install()
    with visitor.page.expect_response(lambda answer: answer.request.resource_type == "fetch") as first:
        visitor.open(path.format(run=run))
    first.value.finished()
    visitor.is_live()
    # a page that has just begun to listen reads itself once more, or twice
    visitor.page.clock.run_for("00:10")
    visitor.page.evaluate("0")
    asked: list[str] = []
    visitor.page.on("request", lambda request: asked.append(request.url))
    visitor.page.clock.run_for("01:00:00")
    visitor.page.evaluate("0")

    assert asked == []


def test_a_run_is_paused_resumed_and_ends(
    house: BrowserHouse, visit: Visit, held: Callable[..., int], javascript: bool
) -> None:
    """A run is paused and resumed with the buttons of its page, which says what holds it."""
    run = held(101)
    visitor = visit(javascript=javascript)
    visitor.open(f"/runs/{run}")
    visitor.press("Pause")
    visitor.sees("The run is paused. What is being archived finishes.")
    visitor.sees("All imports are paused")
    visitor.press("Resume all")
    visitor.open(f"/runs/{run}")
    visitor.sees("This run is paused: paused by registrar")
    assert house.daemon.get(f"/runs/{run}")["counts"]["processing"] == 0
    visitor.press("Resume this run")
    visitor.sees("The run goes on.")

    visitor.sees(visitor.page.locator("#run-head .badge", has_text="Completed"))
    timeline = visitor.page.locator("#run-timeline")
    expect(timeline).to_contain_text("Paused by registrar")
    expect(timeline).to_contain_text("Resumed by registrar")


def test_a_run_that_is_held_is_canceled(
    house: BrowserHouse, visit: Visit, held: Callable[..., int], javascript: bool
) -> None:
    """A disclosure says what canceling means, and its button ends the run for good."""
    run = held(101)
    visitor = visit(javascript=javascript)
    visitor.open(f"/runs/{run}")
    visitor.press("Pause")
    visitor.page.get_by_text("Cancel this run for good").click()
    visitor.sees("A canceled run cannot go on")
    visitor.press(f"Cancel run {run}")
    visitor.sees("The run is canceled. Packages that were written stay.")

    visitor.sees(visitor.page.locator("#run-head .badge", has_text="Canceled"))
    expect(visitor.page.get_by_role("button", name="Resume", exact=True)).to_have_count(0)
    assert house.daemon.get(f"/runs/{run}")["status"] == "canceled"


@pytest.mark.slow
def test_cancel_leaves_what_is_being_archived(house: BrowserHouse, visit: Visit) -> None:
    """While courses are being archived the page says to pause first; what is in process at a cancel finishes."""
    courses = [str(each) for each in house.campus.courses["running"][:6]]
    visitor = visit()  # which may take as long as signing in does
    house.campus.fault(match="GET /api/v1/courses/*/*", kind="hang", seconds=20, times=4)
    run = house.daemon.start_run("ids", {"ids": courses})
    visitor.open(f"/runs/{run}")
    expect(visitor.count("Processing")).to_have_text("4")
    visitor.sees("To cancel the run, pause it first.")
    visitor.press("Pause")
    expect(visitor.page.get_by_text("To cancel the run, pause it first.")).to_have_count(0)
    visitor.page.get_by_text("Cancel this run for good").click()
    visitor.press(f"Cancel run {run}")
    expect(visitor.count("Canceled")).to_have_text("2")
    visitor.is_live()
    visitor.mark()

    expect(visitor.count("Completed")).to_have_text("4")
    assert visitor.unmoved()
    assert house.daemon.get(f"/runs/{run}")["status"] == "canceled"


def test_all_that_failed_is_reimported(house: BrowserHouse, visit: Visit, javascript: bool) -> None:
    """One button takes all failed courses again; once that worked, the old run says so and leads there."""
    old = house.failing_run(102, 103)
    visitor = visit(javascript=javascript)
    visitor.open(f"/runs/{old}")
    visitor.press("Reimport all that failed")
    visitor.sees(f"This run takes 2 courses of run {old} again.")
    visitor.sees(visitor.page.locator("#run-head .badge", has_text="Completed"))
    new = int(visitor.page.url.rpartition("/")[2])
    visitor.follow(f"run {old}")
    visitor.sees(visitor.page.locator("#items .badge", has_text="Failed, reimported").nth(1))
    visitor.follow(f"run {new}", visitor.page.locator("#items"))

    assert visitor.page.url.endswith(f"/runs/{new}")


def test_ticked_courses_are_reimported(house: BrowserHouse, visit: Visit, javascript: bool) -> None:
    """Only the courses that were ticked are taken again; the others stay failed. Without a tick nothing begins."""
    old = house.failing_run(101, 105, 106)
    visitor = visit(javascript=javascript)
    visitor.open(f"/runs/{old}?status=failed")
    visitor.press("Reimport the ticked courses")
    visitor.sees("Tick the courses to reimport first.")
    visitor.page.get_by_label("Reimport 101").check()
    visitor.page.get_by_label("Reimport 106").check()
    visitor.press("Reimport the ticked courses")
    visitor.sees(f"This run takes 2 courses of run {old} again.")
    visitor.sees(visitor.page.locator("#run-head .badge", has_text="Completed"))
    visitor.open(f"/runs/{old}")

    assert visitor.count("Failed, reimported").inner_text() == "2"
    rows = visitor.page.locator("#items tbody tr")
    assert rows.filter(has_text="105").locator(".badge").inner_text() == "Failed"


def test_courses_are_filtered_by_status(house: BrowserHouse, visit: Visit, javascript: bool) -> None:
    """A counter leads to the courses of its status, and the filter stays in the address."""
    run = house.daemon.start_run("ids", {"ids": ["999999", str(house.campus.courses["forbidden"])]})
    house.daemon.finished(run)
    visitor = visit("viewer", javascript=javascript)
    visitor.open(f"/runs/{run}")
    rows = visitor.page.locator("#items tbody tr")
    expect(rows).to_have_count(2)
    visitor.follow("1 Not found")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("999999")
    assert visitor.page.url.endswith(f"/runs/{run}?status=not_found")
    visitor.follow("2 All")

    expect(rows).to_have_count(2)
    expect(rows.filter(has_text="No access.")).to_contain_text("Give the integration's account the right")


def test_all_courses_of_a_run_are_downloaded(house: BrowserHouse, visit: Visit, javascript: bool) -> None:
    """The button gives a file for a spreadsheet, named by the run, with a line for each course."""
    run = house.daemon.start_run("ids", {"ids": ["999999", str(house.campus.courses["forbidden"])]})
    house.daemon.finished(run)
    visitor = visit("viewer", javascript=javascript)
    visitor.open(f"/runs/{run}")
    with visitor.page.expect_download() as download:
        visitor.page.get_by_role("link", name="Download CSV").click()

    assert download.value.suggested_filename == f"run-{run}-items.csv"
    with download.value.path().open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    assert {line["status"] for line in lines} == {"not_found", "failed"}


def test_two_people_watch_one_run(house: BrowserHouse, visit: Visit, held: Callable[..., int]) -> None:
    """What one does the other sees at once; who is second is told so, and nothing is done twice."""
    run = held(101)
    acts, watches = visit("operator"), visit("administrator")
    for each in (acts, watches):
        each.open(f"/runs/{run}")
        each.is_live()
        each.sees(each.page.get_by_role("button", name="Pause", exact=True))
    watches.mark()
    acts.press("Pause")
    watches.sees(watches.page.get_by_role("button", name="Resume", exact=True))
    expect(watches.page.locator("#run-timeline")).to_contain_text("Paused by registrar")
    assert watches.unmoved()

    # the second one's page is of before the first one acted, as without a connection
    late = visit("administrator", javascript=False)
    late.open(f"/runs/{run}")
    acts.press("Resume")
    late.press("Resume")
    late.sees("That is not possible now")
    late.follow("Back")

    watches.sees(watches.page.get_by_role("button", name="Pause", exact=True))
    expect(watches.page.locator("#run-timeline").get_by_text("Resumed by")).to_have_count(1)


@pytest.mark.slow
def test_a_page_outlives_a_restart(house: BrowserHouse, visit: Visit) -> None:
    """A page that is open while the daemon is restarted says so, and is live again by itself, signed in as before."""
    run = house.failing_run(107)
    house.daemon.variables = {**house.daemon.variables, "COURSEKEEP_DAEMON__PORT": house.daemon.url.rpartition(":")[2]}
    visitor = visit()
    visitor.open(f"/runs/{run}")
    visitor.is_live()
    visitor.mark()
    house.daemon.stop()
    visitor.sees("Connection lost; trying again")
    house.daemon.start()
    visitor.is_live()
    assert house.daemon.call("POST", f"/runs/{run}/reimport").status_code == 202

    expect(visitor.count("Failed, reimported")).to_have_text("1")
    assert visitor.unmoved()
