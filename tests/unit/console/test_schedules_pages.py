"""Schedules in the console: the list, the form, one schedule, and that nothing typed or stored gets lost."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fakes.console_house import Browser, ConsoleHouse, form_token_of, in_console

from coursekeep import RetryLater
from coursekeep_connectors import register_course_sources
from coursekeep_daemon.console.schedule_typed import fields_of, typed_schedule
from coursekeep_daemon.console.schedule_view import selection_words
from coursekeep_daemon.service import BadRequest
from coursekeep_daemon.store import Schedule

SOURCES = {source.name: source for source in register_course_sources()}

#: what stands in the fields of a form that makes a good schedule
FORM: dict[str, object] = {
    "name": "ended_courses",
    "integration": "main",
    "cron": "0 3 15 * *",
    "time_zone": "Europe/Vienna",
    "source": "end_date",
    "ended_for": "6 months",
    "ended_by": "course",
    "exclude": "SANDBOX-*\r\naccount:Tests",
    "on_existing": "skip",
    "enabled": "yes",
}


def schedule(name: str = "ended_courses", **changes: Any) -> Schedule:
    """Return a schedule as it is stored."""
    usual = Schedule(
        name=name,
        integration="main",
        cron="0 3 15 * *",
        time_zone="Europe/Vienna",
        source="end_date",
        params={},
        ended_for="6 months",
        ended_by="course",
        include=[],
        exclude=["SANDBOX-*"],
        on_existing="skip",
        enabled=True,
        declared=False,
        created_by="settings",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    return replace(usual, **changes)


async def stored(house: ConsoleHouse, one: Schedule) -> Schedule:
    """Store a schedule."""
    if one.declared:
        await house.api.store.sync_declared_schedules([one])
    else:
        await house.api.store.put_schedule(one)
    return one


def hidden(page: str, name: str) -> str:
    """Return the value of a hidden field of a page."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, name
    return html.unescape(found[1])


def plain(page: str) -> str:
    """Return the text of a page without its marks."""
    text = " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())
    return re.sub(r" ([,.:;])", r"\1", text)


def typed_in(page: str, name: str) -> str:
    """Return what stands in an input."""
    found = re.search(rf'<input id="{name}" name="{name}"[^>]*? value="([^"]*)"', page)
    assert found, name
    return html.unescape(found[1])


async def send(browser: Browser, page: httpx.Response, path: str, action: str, **fields: object) -> httpx.Response:
    """Press a button of the form as a browser does; what is None is not sent."""
    carried = {name: hidden(page.text, name) for name in ("form_token", "shown")}
    if 'name="revision"' in page.text:
        carried["revision"] = hidden(page.text, "revision")
    data = {"action": action, **FORM, **carried, **fields}
    return await browser.client.post(path, data={name: value for name, value in data.items() if value is not None})


async def audited(house: ConsoleHouse) -> list[tuple[str, str, str]]:
    """Return the actions of schedules in the audit, newest first, with target and result."""
    events = (await house.api.store.audit_events()).items
    return [(each.action, each.target, each.result) for each in events if each.action.startswith("schedule.")]


def test_without_schedules_the_page_says_what_they_are_for() -> None:
    """The empty list explains a policy in two stages, and leads an administrator, and nobody else, to the form."""

    async def test(house: ConsoleHouse) -> None:
        for role, leads in (("administrator", True), ("operator", False), ("viewer", False)):
            browser = await house.signed_in(role)
            page = (await browser.get("/schedules")).text
            form = await browser.get("/schedules/new")

            assert "Nothing is scheduled yet" in page
            assert "Many keep two" in page
            assert ('href="/schedules/new"' in page) is leads
            assert form.status_code == (200 if leads else 403)

    in_console(test)


def test_the_list_says_when_what_and_what_went_wrong() -> None:
    """A row has the rule, the next times, the selection in words, the last run with its status, and its error."""

    async def test(house: ConsoleHouse) -> None:
        await stored(house, schedule(name="good", on_existing="refresh", include=["account:Law"]))
        await stored(house, schedule(name="bad", enabled=False))
        run, _ = await house.api.store.create_run(
            integration="main", source="ids", params={"ids": ["7"]}, on_existing="skip", note=None, created_by="x"
        )
        when = datetime(2029, 1, 1, tzinfo=UTC)
        await house.api.store.schedule_fired("good", when, run.id)
        await house.api.store.schedule_fired("bad", when, None, error="integration: <b>no</b> integration")
        page = (await (await house.signed_in("viewer")).get("/schedules")).text

        text = plain(page)
        assert "0 3 15 * * in Europe/Vienna" in text
        assert "Ended at least 6 months ago, by the end of the course itself" in text
        assert "only account:Law without SANDBOX-* Refreshes courses that have a package" in text
        assert "1 Jan 2030, 00:00 then 15 Feb 2030, 02:00, 15 Mar 2030, 02:00" in text
        assert f'<a href="/runs/{run.id}">run {run.id}</a> <span class="badge idle">Queued</span>' in page
        assert "No run was started" in text
        assert "bad started no run when one was due, 1 Jan 2029, 00:00: integration: <b>no</b> integration" in text
        assert "<b>no</b>" not in page
        assert "none while it is disabled" in text
        assert "in settings.toml" not in text

    in_console(test)


def test_a_schedule_is_previewed_then_added() -> None:
    """The preview shows times, cut-off and what is left out, and stores nothing; Save stores what was previewed."""

    async def test(house: ConsoleHouse) -> None:
        browser = await house.signed_in("administrator")
        form = await browser.get("/schedules/new?integration=main")
        preview = await send(browser, form, "/schedules/new", "preview")
        none = await house.api.store.schedules()
        saved = await send(browser, preview, "/schedules/new", "save")
        page = await browser.follow(saved)

        text = plain(preview.text)
        assert preview.status_code == 200
        assert "15 Jan 2030, 02:00 03:00 in Europe/Vienna" in text
        assert preview.text.count("<li><time") == 5
        assert re.search(r"For the run of 15 \w+ \d+, 0\d:00: courses that ended before 15 \w+ \d+, 00:00", text)
        assert "2 Left out Left out." in text
        assert "1 Left out" in text
        assert typed_in(preview.text, "ended_for") == "6 months"
        assert none == []
        made = await house.api.store.schedule("ended_courses")
        assert made is not None
        assert (made.exclude, made.time_zone, made.created_by) == (
            ["SANDBOX-*", "account:Tests"],
            "Europe/Vienna",
            "administrator",
        )
        assert "The schedule ended_courses is added." in page.text
        assert await audited(house) == [("schedule.add", "ended_courses", "done")]

    in_console(test)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("name", "Ended Courses", "a name has 1 to 64 lower-case letters"),
        ("name", "new", "take another name"),
        ("cron", "every day", "is no cron rule"),
        ("cron", "0 0 30 2 *", "there is no such day"),
        ("time_zone", "Vienna", "is no time zone"),
        ("ended_for", "half a year", "is no span"),
        ("ended_for", None, "nothing says how long ago"),
        ("before", "2026-01-31", "Leave one of them out"),
        ("include", "code:", "Include"),
        ("integration", "", "No integration is chosen"),
    ],
)
def test_what_cannot_be_used_is_said_beside_its_field(field: str, value: str | None, said: str) -> None:
    """A mistake gives the form again with 422, the message at the field that is wrong, and everything typed kept."""

    async def test(house: ConsoleHouse) -> None:
        browser = await house.signed_in("administrator")
        form = await browser.get("/schedules/new")
        answer = await send(browser, form, "/schedules/new", "save", **{field: value})

        assert answer.status_code == 422
        beside = re.search(rf'<p class="wrong" id="{field}-wrong">(.*?)</p>', answer.text, re.DOTALL)
        assert beside, field
        assert said.lower() in html.unescape(beside[1]).lower() or field == "include"
        assert "SANDBOX-*\naccount:Tests" in answer.text.replace("\r\n", "\n")
        if isinstance(value, str) and field not in ("include", "integration"):
            assert typed_in(answer.text, field) == value
        assert await house.api.store.schedules() == []

    in_console(test)


def test_a_name_that_is_taken_is_refused() -> None:
    """Adding a schedule never changes another of the same name."""

    async def test(house: ConsoleHouse) -> None:
        before = await stored(house, schedule())
        browser = await house.signed_in("administrator")
        form = await browser.get("/schedules/new")
        answer = await send(browser, form, "/schedules/new", "save", cron="@daily")

        assert (answer.status_code, "Take another name" in answer.text) == (422, True)
        assert await house.api.store.schedule("ended_courses") == before

    in_console(test)


def test_the_edit_form_holds_what_is_stored_and_saves_what_was_changed() -> None:
    """The form begins with the stored rule; the audit names the fields that were changed, and only these."""

    async def test(house: ConsoleHouse) -> None:
        await stored(house, schedule(ended_by="academic_year"))
        browser, address = await house.signed_in("administrator"), "/schedules/ended_courses/edit"
        form = await browser.get(address)
        kept = {"ended_by": "academic_year", "exclude": "SANDBOX-*"}
        same = await browser.follow(await send(browser, form, address, "save", **kept))
        changed = await send(browser, form, address, "save", **kept, ended_for="1 year", enabled=None)

        assert typed_in(form.text, "cron") == "0 3 15 * *"
        assert '<option value="academic_year" selected>the academic year it belongs to</option>' in form.text
        assert "was so already" in same.text
        assert "is changed" in (await browser.follow(changed)).text
        now = await house.api.store.schedule("ended_courses")
        assert now is not None
        expected = replace(schedule(ended_by="academic_year"), ended_for="1 year", enabled=False, revision=2)
        assert replace(now, times_since=None) == expected
        event = (await house.api.store.audit_events()).items[0]
        assert event.detail["fields"] == ["enabled", "ended_for"]

    in_console(test)


def test_who_was_overtaken_is_told_by_whom_and_keeps_what_was_typed() -> None:
    """A form that is older than the stored rule changes nothing; saved again, knowingly, it takes its place."""

    async def test(house: ConsoleHouse) -> None:
        await stored(house, schedule(exclude=["SANDBOX-*", "account:Tests"]))
        browser, address = await house.signed_in("administrator"), "/schedules/ended_courses/edit"
        first = await browser.get(address)
        await send(browser, first, address, "save", cron="@weekly")
        late = await send(browser, first, address, "save", ended_for="1 year", name="other")
        kept = await house.api.store.schedule("ended_courses")
        again = await send(browser, late, address, "save", ended_for="1 year")

        assert late.status_code == 409
        text = plain(late.text)
        assert "the schedule was changed while you edited it, by administrator" in text
        assert "Cron rule @weekly 0 3 15 * *" in text
        assert "Courses Ended at least 6 months ago, by the end of the course itself Ended at least 1 year ago" in text
        assert typed_in(late.text, "ended_for") == "1 year"
        assert kept is not None
        assert (kept.cron, kept.ended_for) == ("@weekly", "6 months")
        assert again.status_code == 303
        now = await house.api.store.schedule("ended_courses")
        assert now is not None
        assert (now.cron, now.ended_for, now.revision) == ("0 3 15 * *", "1 year", 3)
        assert [result for _, _, result in await audited(house)] == ["done", "refused", "done"]

    in_console(test)


def test_an_edit_of_a_schedule_that_is_gone_keeps_what_was_typed() -> None:
    """Where it was deleted meanwhile, the form says so, and can add it again."""

    async def test(house: ConsoleHouse) -> None:
        await stored(house, schedule())
        browser, address = await house.signed_in("administrator"), "/schedules/ended_courses/edit"
        form = await browser.get(address)
        await house.api.store.delete_schedule("ended_courses")
        late = await send(browser, form, address, "save", ended_for="1 year")

        assert (late.status_code, "was deleted meanwhile" in late.text) == (409, True)
        assert (typed_in(late.text, "name"), typed_in(late.text, "ended_for")) == ("ended_courses", "1 year")
        assert 'action="/schedules/new"' in late.text

    in_console(test)


def test_a_declared_schedule_is_marked_and_not_editable() -> None:
    """It says where it is declared, has no button that would change it, and refuses forms that try."""

    async def test(house: ConsoleHouse) -> None:
        await stored(house, schedule(name="fixed", declared=True))
        browser = await house.signed_in("administrator")
        listed, page = (await browser.get("/schedules")).text, (await browser.get("/schedules/fixed")).text

        assert "in settings.toml" in listed
        assert "<code>[schedules.fixed]</code>" in page
        for action in ("edit", "disable", "delete"):
            assert f"/schedules/fixed/{action}" not in page
        assert "/schedules/fixed/run" in page
        assert "/schedules/fixed/preview" in page
        assert (await browser.get("/schedules/fixed/edit")).status_code == 409
        for action in ("edit", "disable", "enable", "delete"):
            answer = await browser.post(f"/schedules/fixed/{action}", action="save", **FORM)
            assert (answer.status_code, "declared in settings.toml" in plain(answer.text)) == (409, True)
        assert await house.api.store.schedule("fixed") == schedule(name="fixed", declared=True)

    in_console(test)


def test_the_buttons_of_a_schedule_do_what_they_say() -> None:
    """Disable, enable and delete change the schedule; its runs stay; each is an audit event."""

    async def test(house: ConsoleHouse) -> None:
        await stored(house, schedule())
        browser = await house.signed_in("administrator")
        disabled = await browser.follow(await browser.post("/schedules/ended_courses/disable"))
        off = await house.api.store.schedule("ended_courses")
        await browser.post("/schedules/ended_courses/enable")
        on = await house.api.store.schedule("ended_courses")
        deleted = await browser.follow(await browser.post("/schedules/ended_courses/delete"))

        assert "none while it is disabled" in disabled.text
        assert off is not None
        assert on is not None
        assert (off.enabled, on.enabled) == (False, True)
        assert "The schedule ended_courses is deleted." in deleted.text
        assert (await browser.get("/schedules/ended_courses")).status_code == 404
        names = [(action, result) for action, _, result in await audited(house)]
        assert names == [("schedule.delete", "done"), ("schedule.change", "done"), ("schedule.change", "done")]

    in_console(test)


def test_run_now_starts_one_run_of_the_schedule() -> None:
    """An operator starts its run at once; the same form sent twice starts one, and the audit names the run."""

    async def test(house: ConsoleHouse) -> None:
        await stored(house, schedule())
        browser = await house.signed_in("operator")
        page = await browser.get("/schedules/ended_courses")
        form = {"form_token": form_token_of(page.text), "key": hidden(page.text, "key")}
        first = await browser.client.post("/schedules/ended_courses/run", data=form)
        again = await browser.client.post("/schedules/ended_courses/run", data=form)

        runs = (await house.api.store.runs(schedule="ended_courses")).items
        assert [run.created_by for run in runs] == ["operator"]
        assert first.headers["location"] == again.headers["location"] == f"/runs/{runs[0].id}"
        assert "had started run" in (await browser.follow(again)).text
        events = [each for each in (await house.api.store.audit_events()).items if each.action == "schedule.run"]
        assert [each.detail["run"] for each in events] == [runs[0].id] * 2

    in_console(test)


def test_the_preview_of_a_schedule_shows_what_the_lms_has_and_why_it_cannot() -> None:
    """The button asks the LMS, reading the address again does not; a failure keeps the page and gives the reason."""

    async def test(house: ConsoleHouse) -> None:
        await stored(house, schedule())
        browser = await house.signed_in("operator")
        shown = await browser.post("/schedules/ended_courses/preview")
        read_again = await browser.get("/schedules/ended_courses/preview")

        async def broken(name: str, limit: int = 0) -> None:
            raise RetryLater("The LMS is away.")

        house.api.service.preview_schedule = broken
        failed = await browser.post("/schedules/ended_courses/preview")

        assert "It would take no course." in shown.text
        assert (read_again.status_code, read_again.headers["location"]) == (303, "/schedules/ended_courses")
        assert (failed.status_code, "There is no preview." in failed.text) == (502, True)
        assert "Which courses" in failed.text

    in_console(test)


def test_the_runs_of_a_schedule_are_listed_and_filtered() -> None:
    """Its page lists its runs; the first page shows only these when asked to, says so, and keeps other filters."""

    async def test(house: ConsoleHouse) -> None:
        await stored(house, schedule())
        for made_by in ("ended_courses", None):
            await house.api.store.create_run(
                integration="main",
                source="ids",
                params={"ids": ["7"]},
                on_existing="skip",
                note=None,
                created_by="x",
                schedule=made_by,
            )
        browser = await house.signed_in("viewer")
        page = (await browser.get("/schedules/ended_courses")).text
        filtered = (await browser.get("/?schedule=ended_courses")).text

        assert 'href="/?schedule=ended_courses"' in page
        assert ("Run 1<" in page, "Run 2<" in page) == (True, False)
        assert ("Run 1<" in filtered, "Run 2<" in filtered) == (True, False)
        assert "Runs of the schedule" in filtered
        assert hidden(filtered, "schedule") == "ended_courses"

    in_console(test)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ended_by": "academic_year"}, "Ended at least 6 months ago, by the end of the academic year it belongs to"),
        ({"ended_for": None, "params": {"before": "2026-01-31"}}, "Ended before 2026-01-31, by the end of the course"),
        ({"ended_for": None, "source": "terms", "params": {"terms": ["7", "8"]}}, "Terms 7, 8"),
        ({"ended_for": None, "source": "ids", "params": {"ids": [str(n) for n in range(10)]}}, "and 2 more"),
        ({"ended_for": None, "source": "csv", "params": {"text": "course_id\n1\n"}}, "CSV file of 2 lines"),
        ({"ended_for": None, "source": "search", "params": {"text": "bio", "ids": ["7"]}}, "“bio”, of these 7"),
        ({"ended_for": None, "source": "faculty", "params": {"faculty": "law"}}, "faculty: faculty law"),
    ],
)
def test_every_selection_has_words_and_survives_the_form(changes: dict[str, Any], words: str) -> None:
    """What a schedule takes is said in words, and opening and saving its form changes nothing of it."""
    one = schedule(**changes)

    assert words in selection_words(one)
    if one.source in SOURCES:
        fields = fields_of(typed_schedule(one, SOURCES), SOURCES, "UTC")
        if "before" in one.params:
            assert fields["params"] == {**one.params, "ended_by": "course"}
            fields["params"] = one.params
        assert {name: getattr(one, name) for name in fields} == fields


def test_a_schedule_without_its_plugin_says_so_before_it_is_saved() -> None:
    """Where no plugin brings the source any more, the form warns that saving puts another in its place."""

    async def test(house: ConsoleHouse) -> None:
        await stored(house, schedule(ended_for=None, source="faculty", params={"faculty": "law"}))
        browser = await house.signed_in("administrator")

        assert "which no plugin brings now" in (await browser.get("/schedules/ended_courses/edit")).text

    in_console(test)


def test_a_refusal_of_the_service_stands_in_the_form() -> None:
    """What only the service can know, such as parameters of the source, stands beside its field as well."""

    async def test(house: ConsoleHouse) -> None:
        async def refuse(fields: dict[str, Any], *, by: str) -> None:
            raise BadRequest("params.terms: List should have at least 1 item", where="params", remedy="See the list.")

        house.api.service.create_schedule = refuse
        browser = await house.signed_in("administrator")
        form = await browser.get("/schedules/new")
        answer = await send(browser, form, "/schedules/new", "save", source="terms")

        assert answer.status_code == 422
        assert '<p class="wrong" id="terms-wrong">List should have at least 1 item.</p>' in answer.text
        assert await audited(house) == [("schedule.add", "ended_courses", "refused")]

    in_console(test)
