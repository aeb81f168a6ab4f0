"""Every page of the console, in one list, for the tests of all pages and the pictures of the documentation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fakes.browser_house import PASSWORD, USERS, BrowserHouse
from fakes.daemon_process import wait_for
from fakes.damage import flip
from playwright.sync_api import Page

__all__ = ["PAGES", "PageCase", "tell"]

#: what was told: names of runs and the like, for the paths of pages
Told = Mapping[str, int | str]


@dataclass(frozen=True, kw_only=True)
class PageCase:
    """One page, as someone sees it."""

    #: of its picture: docs/images/NAME.png
    name: str
    #: with the words of `tell` in braces
    path: str
    #: who looks; None: nobody is signed in
    role: str | None = "operator"
    #: what is done on the page before it is looked at; without JavaScript as well
    prepare: Callable[[Page], None] | None = None
    #: what the answer's status is
    status: int = 200
    #: whether the documentation shows it
    pictured: bool = True
    #: whether this is of a daemon in which nothing has happened yet
    fresh: bool = False

    def __str__(self) -> str:
        return self.name


def _wrong_password(page: Page) -> None:
    page.get_by_label("Name").fill("nobody")
    page.get_by_label("Password").fill(f"not {PASSWORD}")
    _press(page, "Sign in")


def _press(page: Page, button: str) -> None:
    with page.expect_navigation():
        page.get_by_role("button", name=button, exact=True).click()


def _follow(page: Page, link: str) -> None:
    with page.expect_navigation():
        page.get_by_role("main").get_by_role("link", name=link, exact=True).click()


def _search(page: Page) -> None:
    page.get_by_label("Search", exact=True).check()
    page.get_by_label("Name, code or SIS id holds").fill("algebra")
    _press(page, "Search")


def _preview(page: Page) -> None:
    page.get_by_label("Course ids").check()
    page.get_by_label("Ids of courses").fill("101, 102, 115\n999999")
    _press(page, "Preview")


def _not_previewed(page: Page) -> None:
    page.get_by_label("End date").check()
    _press(page, "Preview")


def _cancel_opened(page: Page) -> None:
    page.get_by_text("Cancel this run for good").click()


def _accept_opened(page: Page) -> None:
    page.locator("details summary", has_text="Accept").first.click()


def _scheduled(page: Page, cron: str = "0 3 1 3,9 *") -> None:
    page.get_by_label("Name", exact=True).fill("refresh_after_a_year")
    page.get_by_label("Cron rule").fill(cron)
    page.get_by_label("Time zone").fill("Europe/Vienna")
    page.get_by_label("End date").check()
    page.get_by_label("Ended at least so long ago").fill("12 months")
    _press(page, "Preview")


def _connected(page: Page) -> None:
    page.get_by_label("Name of the integration").fill("law_school")
    page.get_by_label("Address", exact=True).fill("https://canvas.example.edu")
    page.get_by_label("Name of the place of Token", exact=True).fill("CANVAS_TOKEN")
    _press(page, "Write the section")


def _half_connected(page: Page) -> None:
    page.get_by_label("Name of the integration").fill("Main!")
    page.get_by_label("Page size").fill("many")
    _press(page, "Write the section")


def _test_message(page: Page) -> None:
    with page.expect_navigation():
        page.get_by_role("row", name="tickets").get_by_role("button", name="Send a test message").click()


def _last_administrator(page: Page) -> None:
    _follow(page, USERS["administrator"])
    _press(page, "Disable")


PAGES: tuple[PageCase, ...] = (
    PageCase(name="sign-in", path="/sign-in", role=None),
    PageCase(name="sign-in-refused", path="/sign-in", role=None, prepare=_wrong_password, pictured=False),
    PageCase(name="imports", path="/"),
    PageCase(name="imports-viewer", path="/", role="viewer", pictured=False),
    PageCase(name="imports-nothing-fits", path="/?status=planning&integration=evening", pictured=False),
    PageCase(
        name="new-import",
        path="/imports/new?integration=main",
        prepare=lambda page: page.get_by_label("Terms").first.check(),
    ),
    PageCase(name="new-import-search", path="/imports/new?integration=main", prepare=_search),
    PageCase(name="new-import-preview", path="/imports/new?integration=main", prepare=_preview),
    PageCase(name="new-import-wrong", path="/imports/new?integration=main", prepare=_not_previewed, pictured=False),
    PageCase(name="run", path="/runs/{errors}"),
    PageCase(name="run-failed", path="/runs/{errors}?status=failed"),
    PageCase(name="run-paused", path="/runs/{paused}", prepare=_cancel_opened),
    PageCase(name="run-large", path="/runs/{large}", pictured=False),
    PageCase(name="integration", path="/integrations/main"),
    PageCase(name="integration-trouble", path="/integrations/evening"),
    PageCase(name="connectors", path="/connectors", pictured=False),
    PageCase(name="connector", path="/connectors/canvas", prepare=_connected),
    PageCase(name="connector-wrong", path="/connectors/oneroster", prepare=_half_connected, pictured=False),
    PageCase(name="courses", path="/courses"),
    PageCase(name="courses-nothing-fits", path="/courses?search=nonsense", role="viewer", pictured=False),
    PageCase(name="package", path="/packages/{package}"),
    PageCase(name="package-viewer", path="/packages/{package}", role="viewer", pictured=False),
    PageCase(
        name="package-verified",
        path="/packages/{package}",
        prepare=lambda page: _press(page, "Verify now"),
        pictured=False,
    ),
    PageCase(name="fixity", path="/fixity", role="administrator", prepare=_accept_opened),
    PageCase(name="fixity-viewer", path="/fixity", role="viewer", pictured=False),
    PageCase(name="fixity-nothing-fits", path="/fixity?state=repaired", pictured=False),
    PageCase(name="schedules", path="/schedules", role="administrator"),
    PageCase(name="schedules-viewer", path="/schedules", role="viewer", pictured=False),
    PageCase(
        name="schedule",
        path="/schedules/{schedule}",
        role="administrator",
        prepare=lambda page: page.get_by_text("Delete this schedule").click(),
    ),
    PageCase(
        name="schedule-declared",
        path="/schedules/ended_courses",
        prepare=lambda page: _press(page, "Preview"),
        pictured=False,
    ),
    PageCase(name="schedule-form", path="/schedules/new?integration=main", role="administrator", prepare=_scheduled),
    PageCase(
        name="schedule-form-wrong",
        path="/schedules/new?integration=main",
        role="administrator",
        prepare=lambda page: _scheduled(page, "at three in the morning"),
        pictured=False,
    ),
    PageCase(name="schedule-edit", path="/schedules/{schedule}/edit", role="administrator", pictured=False),
    PageCase(name="notifications", path="/notifications"),
    PageCase(name="notifications-tested", path="/notifications", prepare=_test_message, pictured=False),
    PageCase(name="activity", path="/activity"),
    PageCase(name="activity-nothing-fits", path="/activity?who=nobody", role="viewer", pictured=False),
    PageCase(name="users", path="/users", role="administrator"),
    PageCase(name="user-new", path="/users/new", role="administrator"),
    PageCase(
        name="user",
        path="/users",
        role="administrator",
        prepare=lambda page: _follow(page, USERS["operator"]),
    ),
    PageCase(name="system", path="/system"),
    PageCase(name="system-administrator", path="/system", role="administrator", pictured=False),
    PageCase(name="statuses", path="/statuses"),
    PageCase(name="account", path="/account", role="viewer"),
    PageCase(name="error-not-found", path="/runs/999999", status=404, pictured=False),
    PageCase(name="error-not-allowed", path="/imports/new", role="viewer", status=403, pictured=False),
    PageCase(
        name="error-not-possible",
        path="/users",
        role="administrator",
        prepare=_last_administrator,
        pictured=False,
    ),
    PageCase(name="fresh-imports", path="/", pictured=False, fresh=True),
    PageCase(name="fresh-imports-viewer", path="/", role="viewer", pictured=False, fresh=True),
    PageCase(
        name="fresh-new-import",
        path="/imports/new",
        prepare=lambda page: page.get_by_label("Terms").first.check(),
        pictured=False,
        fresh=True,
    ),
    PageCase(name="fresh-courses", path="/courses", pictured=False, fresh=True),
    PageCase(name="fresh-schedules", path="/schedules", role="administrator", pictured=False, fresh=True),
    PageCase(name="fresh-fixity", path="/fixity", pictured=False, fresh=True),
    PageCase(name="fresh-notifications", path="/notifications", pictured=False, fresh=True),
)


def tell(house: BrowserHouse) -> Told:
    """Have things happen, so that pages have something to show; return what their paths need."""
    daemon, ended = house.daemon, [str(each) for each in house.campus.courses["ended"]]
    for name in ("main", "evening"):
        daemon.call("POST", f"/integrations/{name}/check")
    assert daemon.call("POST", "/integrations/main/terms/refresh").status_code == 200
    large = daemon.start_run("ids", {"ids": ended[:8]}, note="Courses of the autumn")
    daemon.finished(large)
    errors = _run_with_errors(house, ended)
    # the one with the most gaps shows the most
    *_, damaged, gaps = sorted(daemon.items(large), key=lambda item: item["gaps"])
    _damage(house, str(damaged["package_id"]))
    return {
        "large": large,
        "errors": errors,
        "schedule": _schedule(house),
        "paused": _paused_run(house),
        "package": gaps["package_id"],
    }


def _damage(house: BrowserHouse, package_id: str) -> None:
    """A disk that changed a bit of a package, and a check that found it."""
    path = house.daemon.get(f"/packages/{package_id}")["versions"][0]["path"]
    flip(house.daemon.archive / path)
    report = house.daemon.call("POST", f"/packages/{package_id}/verify").json()
    assert not report["valid"]


def _schedule(house: BrowserHouse) -> str:
    """A schedule that somebody made, and that was run once; what the house declares is there besides."""
    rule = {
        "name": "refresh_arts",
        "integration": "main",
        "cron": "0 3 1 3,9 *",
        "time_zone": "Europe/Vienna",
        "ended_for": "12 months",
        "include": ["account:Faculty of Arts"],
        "on_existing": "refresh",
    }
    made = house.daemon.call("POST", "/schedules", json=rule)
    assert made.status_code == 201, made.text
    started = house.daemon.call("POST", "/schedules/refresh_arts/run")
    assert started.status_code == 202, started.text
    house.daemon.finished(int(started.json()["id"]))
    return "refresh_arts"


def _run_with_errors(house: BrowserHouse, ended: list[str]) -> int:
    """One of each: archived, archived before, failed, failed and reimported, not found."""
    known, mended = house.campus.courses, ended[9]
    house.campus.fault(match=f"GET /api/v1/courses/{mended}*", kind="status", status=403)
    courses = [ended[0], ended[8], mended, str(known["forbidden"]), str(known["unknown"])]
    text = "course_id\n" + "".join(f"{each}\n" for each in courses)
    run = house.daemon.start_run("csv", {"text": text}, note="Asked for by the faculty of arts")
    house.daemon.finished(run)
    house.campus.clear_faults()
    item = next(each["id"] for each in house.daemon.items(run) if each["ref"] == mended)
    again = house.daemon.call("POST", f"/runs/{run}/reimport", json={"items": [item]})
    house.daemon.finished(int(again.json()["id"]))
    return run


def _paused_run(house: BrowserHouse) -> int:
    """Four courses that the LMS never answers for, the rest waiting, and the run paused."""
    house.campus.fault(match="GET /api/v1/courses/*/*", kind="hang", seconds=3600)
    courses = [str(each) for each in house.campus.courses["running"]]
    run = house.daemon.start_run("ids", {"ids": courses}, note="Courses that still run, for the audit")

    def waits() -> bool:
        counts = house.daemon.get(f"/runs/{run}")["counts"]
        return bool(counts["processing"] == 4 and counts["queued"] == len(courses) - 4)

    wait_for("four courses to be archived and the rest to wait", waits)
    assert house.daemon.call("POST", f"/runs/{run}/pause").status_code == 200
    house.campus.clear_faults()
    return run
