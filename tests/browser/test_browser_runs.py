"""Runs as a person controls them: on the page of a run, with and without JavaScript."""

from __future__ import annotations

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
    house.campus.fault(match="GET /api/v1/courses/*/*", kind="hang", seconds=10, times=4)
    run = house.daemon.start_run("ids", {"ids": courses})
    visitor = visit()
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
