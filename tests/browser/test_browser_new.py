"""A new import, from the form to the package, as a person makes it."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from fakes.browser_house import BrowserHouse, Visitor
from playwright.sync_api import expect

pytestmark = pytest.mark.xdist_group("browser-imports")

Visit = Callable[..., Visitor]


@pytest.fixture(params=[True, False], ids=["script", "no-script"])
def javascript(request: pytest.FixtureRequest) -> bool:
    """Whether the browser runs scripts."""
    return bool(request.param)


def test_an_import_is_previewed_started_and_verified(house: BrowserHouse, visit: Visit, javascript: bool) -> None:
    """From the first page to a verified package and its download, with a preview before anything begins."""
    visitor = visit(javascript=javascript)
    page = visitor.page
    visitor.open("/imports/new?integration=main")
    page.get_by_label("Course ids").check()
    page.get_by_label("Ids of courses").fill("104\n999999")
    page.get_by_label("Refresh them").check()
    page.get_by_label("Note").fill("Drama")
    before = len(house.daemon.get("/runs", limit=200)["items"])
    visitor.press("Preview")
    expect(page.locator(".preview tbody tr")).to_have_count(2)
    assert len(house.daemon.get("/runs", limit=200)["items"]) == before
    visitor.press("Start this import")
    visitor.sees(page.locator("#run-head .badge", has_text="Completed"))
    expect(page.locator("#run-head")).to_contain_text("Drama")
    page.locator("#items").get_by_role("link", name="Version").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Drama")
    with page.expect_download() as download:
        page.get_by_role("link", name="as zip bag").click()
    with zipfile.ZipFile(download.value.path()) as bag:
        assert any(name.endswith("bagit.txt") for name in bag.namelist())
    visitor.press("Verify now")

    visitor.sees("The package is valid.")


def test_what_is_wrong_keeps_what_was_typed(visit: Visit, javascript: bool) -> None:
    """A form that cannot be used comes back with the reason beside the field, and all that was typed."""
    visitor = visit(javascript=javascript)
    page = visitor.page
    visitor.open("/imports/new?integration=main")
    page.get_by_label("Search", exact=True).check()
    page.get_by_label("Name, code or SIS id holds").fill("a")
    page.get_by_label("Note").fill("kept")
    visitor.press("Preview")

    expect(page.get_by_label("Search", exact=True)).to_be_checked()
    expect(page.get_by_label("Name, code or SIS id holds")).to_have_value("a")
    expect(page.get_by_label("Note")).to_have_value("kept")
    expect(page.locator(".wrong").first).to_be_visible()


def test_a_file_is_chosen(house: BrowserHouse, visit: Visit, javascript: bool) -> None:
    """A CSV file is chosen and previewed; its text is kept, so that starting needs no second choice."""
    visitor = visit(javascript=javascript)
    page = visitor.page
    visitor.open("/imports/new?integration=main")
    page.get_by_label("CSV file", exact=True).first.check()
    table = {"name": "courses.csv", "mimeType": "text/csv", "buffer": b"course_id\n999999\n"}
    page.locator("input[type=file]").set_input_files(table)
    visitor.press("Preview")
    visitor.sees("This is the text of courses.csv")
    visitor.press("Start this import")

    visitor.sees(page.locator("#run-counts").get_by_text("Not found"))


def test_a_file_is_dropped_on_the_frame(visit: Visit) -> None:
    """A CSV file that is dropped on the field's frame is taken as if it had been chosen."""
    visitor = visit()
    page = visitor.page
    visitor.open("/imports/new?integration=main")
    page.get_by_label("CSV file", exact=True).first.check()
    dropped = page.evaluate_handle("""() => {
        const held = new DataTransfer();
        held.items.add(new File(["course_id\\n999998\\n999999\\n"], "dropped.csv", { type: "text/csv" }));
        return held;
    }""")
    frame = page.locator("[data-drop]")
    frame.dispatch_event("dragover", {"dataTransfer": dropped})
    expect(frame).to_have_class("field drop over")
    frame.dispatch_event("drop", {"dataTransfer": dropped})
    expect(frame).to_have_class("field drop")
    visitor.press("Preview")
    visitor.sees("This is the text of dropped.csv")
    expect(page.locator(".preview tbody tr")).to_have_count(2)
    visitor.press("Start this import")

    expect(visitor.count("Not found")).to_have_text("2")


def test_an_import_takes_terms(house: BrowserHouse, visit: Visit, javascript: bool) -> None:
    """Terms are read from the LMS on the spot, a box narrows their list, and the ticked one decides what is taken."""
    visitor = visit(javascript=javascript)
    page = visitor.page
    visitor.open("/imports/new?integration=main")
    page.get_by_label("Note").fill("a term")
    page.get_by_label("Terms", exact=True).check()
    visitor.press("Refresh terms")
    visitor.sees("The terms were read again: the LMS has 5.")
    choices = page.locator("#terms-choices .choice:visible")
    expect(choices).to_have_count(5)
    box = page.get_by_label("Show only terms with")
    if javascript:
        box.fill("two years")
        expect(choices).to_have_count(1)
    else:
        expect(box).to_be_hidden()
    page.get_by_label("Two years ago").check()
    visitor.press("Preview")
    courses = page.locator(".preview tbody tr").count()
    assert courses > 0
    expect(page.get_by_label("Two years ago")).to_be_checked()
    visitor.press("Start this import")
    visitor.sees(page.locator("#run-head .badge", has_text="Completed"))
    run = house.daemon.get(f"/runs/{page.url.rpartition('/')[2]}")

    assert (run["source"], run["params"]["terms"], run["note"]) == ("terms", ["11"], "a term")
    assert sum(run["counts"].values()) == courses


def test_an_import_takes_what_ended_before_a_day(house: BrowserHouse, visit: Visit, javascript: bool) -> None:
    """The day and whose end counts are typed; the preview shows what has ended by then."""
    visitor = visit(javascript=javascript)
    page = visitor.page
    day = (datetime.now(UTC) - timedelta(days=500)).date().isoformat()
    visitor.open("/imports/new?integration=main")
    page.get_by_label("End date").check()
    page.get_by_label("Ended before").fill(day)
    page.get_by_label("The end that counts is that of").select_option("term")
    visitor.press("Preview")
    courses = page.locator(".preview tbody tr").count()
    assert courses > 0
    expect(page.get_by_label("Ended before")).to_have_value(day)
    visitor.press("Start this import")
    visitor.sees(page.locator("#run-head .badge", has_text="Completed"))
    run = house.daemon.get(f"/runs/{page.url.rpartition('/')[2]}")

    assert run["source"] == "end_date"
    assert sum(run["counts"].values()) == courses


def test_an_import_takes_what_is_ticked_among_the_found(house: BrowserHouse, visit: Visit, javascript: bool) -> None:
    """A search lists what it finds; only what is ticked there is taken, and the ticks outlast the preview."""
    visitor = visit(javascript=javascript)
    page = visitor.page
    visitor.open("/imports/new?integration=main")
    page.get_by_label("Search", exact=True).check()
    page.get_by_label("Name, code or SIS id holds").fill("al")
    visitor.press("Search")
    found = page.locator(".found tbody tr")
    assert found.count() > 2
    ticks = page.locator("input[name=picked]")
    if javascript:
        page.get_by_label("Tick all").check()
        expect(page.locator("input[name=picked]:checked")).to_have_count(found.count())
        page.get_by_label("Tick all").uncheck()
    for index in (0, 1):
        ticks.nth(index).check()
    wanted = {ticks.nth(index).get_attribute("value") for index in (0, 1)}
    visitor.press("Preview")
    expect(page.locator(".preview tbody tr")).to_have_count(2)
    expect(page.locator("input[name=picked]:checked")).to_have_count(2)
    visitor.press("Start this import")
    visitor.sees(page.locator("#run-head .badge", has_text="Completed"))
    run = int(page.url.rpartition("/")[2])

    assert {each["course_id"] for each in house.daemon.items(run)} == wanted
