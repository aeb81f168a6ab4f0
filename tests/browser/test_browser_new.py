"""A new import, from the form to the package, as a person makes it."""

from __future__ import annotations

import zipfile
from collections.abc import Callable

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
