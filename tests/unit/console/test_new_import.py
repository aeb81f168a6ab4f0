"""The form of a new import: every method, a preview, one run per form, and nothing typed gets lost."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, ClassVar, Literal

import httpx
import pytest
from fakes.console_house import Browser, ConsoleHouse, form_token_of, in_console
from pydantic import Field

from coursekeep import Course, CourseSource, RetryLater, SourceParams
from coursekeep_connectors import register_course_sources
from coursekeep_daemon.console.selection_form import request_of, typed_of
from coursekeep_daemon.requests import RunRequest
from coursekeep_daemon.runs.states import ItemStatus, SkipReason
from coursekeep_daemon.service import BadRequest, PreviewRow
from coursekeep_daemon.settings import IntegrationSettings, Settings
from coursekeep_daemon.store.records import StoredTerm

SOURCES = {source.name: source for source in register_course_sources()}


class FacultyParams(SourceParams):
    """Parameters of many kinds."""

    faculty: str = Field(title="Faculty", description="Its short name.")
    year: int | None = None
    since: date | None = None
    level: Literal["bachelor", "master"] = "bachelor"
    codes: tuple[str, ...] = ()
    strict: bool = True
    limits: dict[str, int] = Field(default_factory=dict)


class FacultySource(CourseSource[FacultyParams]):
    """Takes the courses of a faculty."""

    name: ClassVar[str] = "faculty"
    title: ClassVar[str] = "Courses of a faculty"
    Params: ClassVar[type[SourceParams]] = FacultyParams

    def select(self, connector: Any, params: Any, context: Any) -> Any:
        """Never asked here."""
        raise NotImplementedError


def hidden(page: str, name: str) -> str:
    """Return the value of a hidden field of a page."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, name
    return html.unescape(found[1])


async def submit(browser: Browser, page: httpx.Response, action: str, **fields: object) -> httpx.Response:
    """Press a button of the form as a browser does, with the hidden fields that stand in it."""
    carried = {name: hidden(page.text, name) for name in ("form_token", "key", "previewed", "shown")}
    carried |= {
        name: hidden(page.text, name) for name in ("searched", "found", "csv_name") if f'name="{name}"' in page.text
    }
    data = {"integration": "main", "action": action, **carried, **fields}
    return await browser.client.post("/imports/new", data=data)


async def opened(house: ConsoleHouse, query: str = "") -> tuple[Browser, httpx.Response]:
    """Return an operator's browser on the form."""
    browser = await house.signed_in("operator")
    return browser, await browser.get(f"/imports/new{query}")


def test_the_form_has_all_methods_and_the_one_integration() -> None:
    """Every course source is offered by its name for people, and the only integration is chosen by itself."""

    async def test(house: ConsoleHouse) -> None:
        _, page = await opened(house, "?source=search")

        assert page.status_code == 200
        for title in ("Terms", "CSV file", "Course ids", "Search", "End date"):
            assert f">{title}</label>" in page.text
        assert "<option selected>main</option>" in page.text
        assert 'value="search" checked' in page.text
        assert "No terms of main are known yet" in page.text

    in_console(test)


def test_only_operators_may_import() -> None:
    """A viewer sees no way to the form, and neither opens nor sends it."""

    async def test(house: ConsoleHouse) -> None:
        browser = await house.signed_in("viewer")
        first = await browser.get("/")
        page = await browser.get("/imports/new")
        sent = await browser.post("/imports/new", integration="main", source="ids", ids="1", action="start")

        assert "/imports/new" not in first.text
        assert (page.status_code, sent.status_code) == (403, 403)
        assert (await house.api.store.runs()).items == []

    in_console(test)


@pytest.mark.parametrize(
    ("source", "fields", "params"),
    [
        ("terms", {"terms": ["7", "8"], "include_running": "yes"}, {"terms": ["7", "8"], "include_running": True}),
        ("csv", {"csv": "course_id\r\n1\r\n"}, {"text": "course_id\n1\n"}),
        ("ids", {"ids": " 1, sis:BIO-1\r\n\r\n 3 ,"}, {"ids": ["1", "sis:BIO-1", "3"]}),
        ("search", {"text": " bio "}, {"text": "bio"}),
        ("end_date", {"before": "2026-08-01", "ended_by": "term"}, {"before": "2026-08-01", "ended_by": "term"}),
    ],
)
def test_every_method_makes_its_request(source: str, fields: dict[str, Any], params: dict[str, Any]) -> None:
    """What is typed for a method becomes the parameters of its source, with policy, patterns and note."""

    async def test(house: ConsoleHouse) -> None:
        browser, page = await opened(house)
        more = {"on_existing": "refresh", "include": "BIO-*\r\n\r\nLAW-*", "exclude": "SANDBOX*", "note": " for Kim "}
        preview = await submit(browser, page, "preview", source=source, **fields, **more)
        answer = await submit(browser, preview, "start", source=source, **fields, **more)
        run = (await house.api.store.runs()).items[0]

        assert answer.headers["location"] == f"/runs/{run.id}"
        assert (run.source, run.params, run.on_existing, run.note) == (source, params, "refresh", "for Kim")
        assert run.options == {"include": ["BIO-*", "LAW-*"], "exclude": ["SANDBOX*"]}
        assert run.created_by == "operator"
        asked = house.api.service.previewed[0]
        assert typed_of(asked, SOURCES).source == source
        assert request_of(typed_of(asked, SOURCES), SOURCES) == replace(asked, params=params)

    in_console(test)


def test_a_preview_shows_what_would_become_of_each_course_and_writes_nothing() -> None:
    """Counts, courses and reasons stand below the form, where everything typed is kept."""

    async def test(house: ConsoleHouse) -> None:
        skipped = PreviewRow(
            ref="2",
            course=Course(id="2", name="<b>Law</b>", code="LAW"),
            would=ItemStatus.SKIPPED,
            reason=SkipReason.ARCHIVED,
            detail="archived as version 1 on 2026-01-01",
        )
        house.api.service.preview_rows.append(skipped)
        browser, page = await opened(house)
        answer = await submit(browser, page, "preview", source="ids", ids="1\n2\n9", note="</textarea>")

        assert answer.status_code == 200
        for said in ("Would be archived", "Would not be found", "Would be left alone"):
            assert said in answer.text
        assert "&lt;b&gt;Law&lt;/b&gt;" in answer.text
        assert "Archived as version 1 on 2026-01-01." in answer.text
        assert "1\n2\n9</textarea>" in answer.text
        assert 'value="&lt;/textarea&gt;"' in answer.text
        assert "Start this import" in answer.text
        assert (await house.api.store.runs()).items == []

    in_console(test)


def test_a_paused_integration_is_said_before_a_run_is_started() -> None:
    """The form tells what would hold a run of the chosen integration; starting one is possible all the same."""

    async def test(house: ConsoleHouse) -> None:
        browser, _ = await opened(house)
        await browser.post("/integrations/main/pause")
        page = await browser.get("/imports/new")
        started = await submit(browser, page, "start_unseen", source="ids", ids="1")

        assert "main is held: paused by operator" in page.text
        assert started.status_code == 303

    in_console(test)


def test_a_long_preview_says_where_it_is_cut() -> None:
    """A preview looks at a thousand courses, and says that there are more."""

    async def test(house: ConsoleHouse) -> None:
        row = PreviewRow(ref="1", course=Course(id="1", name="Biology"), would=ItemStatus.QUEUED)
        house.api.service.preview_rows = [row] * 1001
        browser, page = await opened(house)
        answer = await submit(browser, page, "preview", source="ids", ids="1")

        assert "Cut at 1,000 courses" in answer.text

    in_console(test)


def test_a_form_starts_one_run_however_often_it_is_sent() -> None:
    """A double click or a reload leads to the run that was started; the audit names it."""

    async def test(house: ConsoleHouse) -> None:
        browser, page = await opened(house)
        first = await submit(browser, page, "start_unseen", source="ids", ids="1")
        again = await browser.follow(await submit(browser, page, "start_unseen", source="ids", ids="1"))
        other = await submit(browser, page, "start_unseen", source="ids", ids="2")
        more = await submit(browser, other, "start_unseen", source="ids", ids="2")
        runs = (await house.api.store.runs()).items

        assert "This form had started run 1 already." in again.text
        assert (other.status_code, "has started another run before" in other.text) == (409, True)
        assert hidden(other.text, "key") != hidden(page.text, "key")
        assert [first.headers["location"], more.headers["location"]] == ["/runs/1", "/runs/2"]
        assert len(runs) == 2
        event = (await house.api.store.audit_events(target="run 1")).items[-1]
        assert (event.who, event.action, event.result) == ("operator", "run.start", "done")
        assert (event.detail["source"], event.detail["integration"], event.detail["via"]) == ("ids", "main", "console")

    in_console(test)


def test_what_was_changed_after_the_preview_is_previewed_first() -> None:
    """Start takes what was looked at: another selection is shown, and not started."""

    async def test(house: ConsoleHouse) -> None:
        browser, page = await opened(house)
        preview = await submit(browser, page, "preview", source="ids", ids="1")
        changed = await submit(browser, preview, "start", source="ids", ids="1\n2")
        started = await submit(browser, changed, "start", source="ids", ids="1\n2")

        assert (changed.status_code, "has changed since the preview" in changed.text) == (409, True)
        assert started.status_code == 303
        assert len((await house.api.store.runs()).items) == 1

    in_console(test)


def test_a_file_is_read_once_and_carried_in_the_form() -> None:
    """An uploaded file, whatever its encoding, stands as text in the form, so that it need not be chosen again."""

    async def test(house: ConsoleHouse) -> None:
        browser, page = await opened(house)
        fields = {"form_token": form_token_of(page.text), "key": hidden(page.text, "key"), "integration": "main"}
        fields |= {"source": "csv", "action": "preview", "csv": "course_id\n5\n"}
        file = {"file": ("kurse.csv", "course_id;Name\r\n1;Ökologie\r\n".encode("cp1252"), "text/csv")}
        preview = await browser.client.post("/imports/new", data=fields, files=file)
        empty = {"file": ("", b"", "application/octet-stream")}
        again = fields | {"csv": "course_id;Name\r\n1;Ökologie\r\n", "previewed": hidden(preview.text, "previewed")}
        started = await browser.client.post("/imports/new", data=again | {"action": "start"}, files=empty)

        assert "course_id;Name\n1;Ökologie\n</textarea>" in preview.text
        assert "This is the text of kurse.csv" in preview.text
        assert started.status_code == 303
        assert (await house.api.store.runs()).items[0].params == {"text": "course_id;Name\n1;Ökologie\n"}

    in_console(test)


def test_a_file_that_is_no_text_is_refused_beside_the_field() -> None:
    """A spreadsheet is answered with what to do, and the rest of the form stays; other methods do not need it."""

    async def test(house: ConsoleHouse) -> None:
        browser, page = await opened(house)
        fields = {"form_token": form_token_of(page.text), "integration": "main", "source": "csv", "note": "keep me"}
        file = {"file": ("courses.xlsx", b"PK\x03\x04\x00\x00", "application/octet-stream")}
        answer = await browser.client.post("/imports/new", data=fields | {"action": "preview"}, files=file)
        others = fields | {"action": "preview", "source": "ids", "ids": "1"}
        unused = await browser.client.post("/imports/new", data=others, files=file)

        assert (answer.status_code, unused.status_code) == (422, 200)
        assert 'id="csv-wrong">File &#39;courses.xlsx&#39; is not text. Export it as CSV' in answer.text
        assert 'value="keep me"' in answer.text

    in_console(test)


@pytest.mark.parametrize(
    ("source", "what", "field", "said"),
    [
        ("csv", "csv: the row that begins in line 3 cannot be read: x; check its quotes", "csv", "line 3 cannot"),
        ("ids", "ids: name at least one course", "ids", "Name at least one course."),
        ("end_date", "params.before: Field required", "before", "It is missing: fill it in."),
        ("end_date", "before: 2030-01-01 00:00 UTC is in the future", "before", "2030-01-01 00:00 UTC is"),
        ("terms", "terms: Canvas knows no term '7'", "terms", "Canvas knows no term"),
        ("search", "something else is wrong", "params", "Something else is wrong."),
    ],
)
def test_what_a_source_refuses_stands_beside_the_field(source: str, what: str, field: str, said: str) -> None:
    """The source's own words are shown at the field they are about, with status 422."""

    async def test(house: ConsoleHouse) -> None:
        await house.api.store.replace_terms("main", [StoredTerm(integration="main", id="7", name="Autumn")])
        house.api.service.raises = BadRequest(what, where="params")
        browser, page = await opened(house)
        answer = await submit(browser, page, "preview", source=source, ids="1", before="2030-01-01", text="bio")
        shown = html.unescape(answer.text)

        assert answer.status_code == 422
        assert re.search(rf'id="{field}-wrong">[^<]*{re.escape(said)}', shown), shown
        assert ">1</textarea>" in shown.replace("\n", "")
        assert 'value="2030-01-01"' in shown

    in_console(test)


def test_an_lms_that_does_not_answer_is_said_on_the_page() -> None:
    """A preview that the LMS makes impossible is a 502 with the form, and nothing typed is lost."""

    async def test(house: ConsoleHouse) -> None:
        house.api.service.raises = RetryLater("it does not answer.")
        browser, page = await opened(house)
        answer = await submit(browser, page, "preview", source="ids", ids="4711")

        assert answer.status_code == 502
        assert "The LMS did not do its part" in answer.text
        assert "4711</textarea>" in answer.text

    in_console(test)


def test_terms_are_refreshed_and_what_was_typed_stays() -> None:
    """The button reads the terms, shows them to tick, and keeps all other fields."""

    async def test(house: ConsoleHouse) -> None:
        browser, page = await opened(house)
        answer = await submit(browser, page, "refresh_terms", source="ids", ids="4711", terms=["gone"])

        assert "The terms were read again: the LMS has 1." in answer.text
        assert 'name="terms" value="1">' in answer.text
        assert 'value="gone" checked' in answer.text
        assert "4711</textarea>" in answer.text
        assert 'value="terms" checked' in answer.text
        events = (await house.api.store.audit_events(target="main")).items
        assert [event.action for event in events] == ["terms.refresh"]

    in_console(test)


def test_results_of_a_search_are_ticked() -> None:
    """The courses found can be ticked; those are taken, and all found where none is ticked."""

    async def test(house: ConsoleHouse) -> None:
        ended = datetime(2026, 2, 1, tzinfo=UTC)
        course = Course(id="2", name="Bio <2>", code="B2", term_name="Autumn", ended=True, ended_at=ended)
        house.api.service.preview_rows = [
            PreviewRow(ref="1", course=Course(id="1", name="Bio 1"), would=ItemStatus.QUEUED),
            PreviewRow(
                ref="2", course=course, would=ItemStatus.SKIPPED, reason=SkipReason.ARCHIVED, detail="archived as v1"
            ),
        ]
        browser, page = await opened(house)
        found = await submit(browser, page, "search", text="bio")
        kept = await submit(browser, found, "preview", source="search", text="bio", picked=["2"])
        changed = await submit(browser, found, "start_unseen", source="search", text="law", picked=["2"])
        await submit(browser, kept, "start", source="search", text="bio", picked=["2"])

        assert "2 courses found for “bio”" in found.text
        assert "Bio &lt;2&gt;" in found.text
        for said in ("Archived as v1", "1 Feb 2026", "Autumn", "B2"):
            assert said in found.text
        assert 'value="2" checked' in kept.text
        assert (changed.status_code, "Press Search to see" in changed.text) == (422, True)
        (run,) = (await house.api.store.runs()).items
        assert run.params == {"text": "bio", "ids": ["2"]}

    in_console(test)


def test_ticks_belong_to_the_integration_they_were_made_for() -> None:
    """Terms of one LMS are never taken from another, whose ids may be the same."""

    async def test(house: ConsoleHouse) -> None:
        house.api.service.settings = Settings(
            integrations={name: IntegrationSettings(connector="canvas") for name in ("main", "other")}
        )
        await house.api.store.sync_integrations([("main", "canvas", {}), ("other", "canvas", {})])
        await house.api.store.replace_terms("main", [StoredTerm(integration="main", id="1", name="Autumn")])
        await house.api.store.replace_terms("other", [StoredTerm(integration="other", id="1", name="Spring")])
        browser, none = await opened(house)
        page = await browser.get("/imports/new?integration=main")
        nothing = await submit(browser, none, "start_unseen", integration="", source="ids", ids="1")
        moved = await submit(browser, page, "start_unseen", integration="other", source="terms", terms=["1"])
        shown = await submit(browser, page, "show", integration="other", source="terms", terms=["1"], ids="5")

        assert "Choose an integration first" in none.text
        assert (nothing.status_code, "No integration is chosen" in nothing.text) == (422, True)
        assert (moved.status_code, "What was ticked belongs to main." in moved.text) == (422, True)
        assert ("Spring" in shown.text, "Autumn" in shown.text, 'value="1" checked' in shown.text) == (
            True,
            False,
            False,
        )
        assert "5</textarea>" in shown.text
        assert (await house.api.store.runs()).items == []

    in_console(test)


def test_a_source_of_a_plugin_gets_a_form_from_its_parameters() -> None:
    """Texts, numbers, days, choices, lists, flags and the rest have fields, and what is typed becomes parameters."""
    sources = {"faculty": FacultySource}
    typed = {
        "faculty.faculty": "law",
        "faculty.year": "2025",
        "faculty.since": "2025-01-01",
        "faculty.level": "master",
        "faculty.codes": "A\r\nB",
        "faculty.limits": '{"a": 1}',
        "faculty.strict": "",
    }

    async def test(house: ConsoleHouse) -> None:
        house.api.service.sources |= sources
        browser, page = await opened(house)
        await submit(browser, page, "start_unseen", source="faculty", **typed)
        wrong = await submit(browser, page, "preview", source="faculty", **(typed | {"faculty.limits": "{"}))
        letters = await submit(browser, page, "preview", source="faculty", **(typed | {"faculty.year": "nan"}))
        house.api.service.raises = BadRequest("params.faculty: Field required; params.codes.0: x", where="params")
        both = await submit(browser, page, "preview", source="faculty", **(typed | {"faculty.faculty": ""}))
        (run,) = (await house.api.store.runs()).items

        assert "Courses of a faculty" in page.text
        assert "Its short name." in page.text
        params = FacultyParams.model_validate(run.params)
        assert params == FacultyParams(
            faculty="law",
            year=2025,
            since=date(2025, 1, 1),
            level="master",
            codes=("A", "B"),
            strict=False,
            limits={"a": 1},
        )
        assert (wrong.status_code, 'id="faculty.limits-wrong">Limits is not JSON' in wrong.text) == (422, True)
        assert 'id="faculty.year-wrong">Year is no number' in letters.text
        assert 'id="faculty.faculty-wrong">It is missing: fill it in.' in both.text
        assert 'id="faculty.codes-wrong">X.' in both.text
        request = RunRequest(integration="main", source="faculty", params=run.params)
        assert request_of(typed_of(request, sources), sources).params == run.params

    in_console(test)


def test_an_id_that_holds_a_comma_stays_one_id() -> None:
    """What is read back into the form makes the same request, whatever its ids hold."""
    request = RunRequest(integration="main", source="ids", params={"ids": ["1", "sis:LAW, 2", "3"]})
    typed = typed_of(request, SOURCES)

    assert typed.ids == '1\n"sis:LAW, 2"\n3'
    assert request_of(typed, SOURCES).params == request.params
    chosen = RunRequest(integration="main", source="search", params={"text": "law", "ids": ["7"]})
    assert request_of(typed_of(chosen, SOURCES), SOURCES).params == chosen.params


def test_two_hundred_thousand_ids_are_taken() -> None:
    """A large selection goes through the form, and stands in it after the preview."""

    async def test(house: ConsoleHouse) -> None:
        ids = "\r\n".join(str(number) for number in range(1_000_000, 1_200_000))
        browser, page = await opened(house)
        fields = {"form_token": form_token_of(page.text), "integration": "main", "source": "ids", "ids": ids}
        file = {"file": ("", b"", "application/octet-stream")}  # a browser's form of this page is multipart
        preview = await browser.client.post("/imports/new", data=fields | {"action": "preview"}, files=file)
        started = await browser.client.post("/imports/new", data=fields | {"action": "start_unseen"}, files=file)

        assert (preview.status_code, started.status_code) == (200, 303)
        assert "1199999</textarea>" in preview.text
        assert len((await house.api.store.runs()).items[0].params["ids"]) == 200_000

    in_console(test)
