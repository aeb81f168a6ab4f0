"""What a declared connector makes of an LMS's answers: records, files, and a gap for all that cannot be had."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fakes.rest_lms import adds_up, export_of, listing, make_connector, pages_stream, serve_course
from fakes.scripted_server import ScriptedServer, answer, answer_json, status

from coursekeep import CredentialsNeeded, GapReason, Kind, NotFound, RetryLater
from coursekeep.rest import (
    SWITCHED_OFF,
    Choice,
    Constant,
    Each,
    Total,
    Unread,
)
from coursekeep.testing import Export

PAGES = "/courses/1/pages"


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        serve_course(server)
        yield server


def pages(server: ScriptedServer, **declared: Any) -> Export:
    """Export the pages of the course."""
    return export_of(make_connector(server.url, pages_stream(**declared)))


def test_fields_are_mapped_and_the_rest_is_kept(server: ScriptedServer) -> None:
    """A record has Coursekeep's names; the answer itself, unmapped fields too, stays as a raw page."""
    server.on(PAGES, listing({"id": 7, "title": "Moss", "colour": "green"}))
    export = pages(server)

    assert export.of(Kind.PAGES) == {"7": {"title": "Moss"}}
    assert [page.body for page in export.pages if page.endpoint == "pages"] == [
        [{"id": 7, "title": "Moss", "colour": "green"}]
    ]
    assert adds_up(export, [Kind.PAGES])
    assert export.gaps == []


def test_the_answer_for_the_course_is_kept(server: ScriptedServer) -> None:
    """What the LMS says of the course itself is a raw page too."""
    export = export_of(make_connector(server.url))

    assert [(page.endpoint, page.body["name"]) for page in export.pages] == [("course", "Botany")]


def test_a_missing_field_is_null_and_told(server: ScriptedServer) -> None:
    """A mapped field that objects lack leaves the records in place; one gap names it and how often."""
    server.on(PAGES, listing(*({"id": n} for n in range(7, 0, -1)), {"id": 9, "title": "Moss"}))
    export = pages(server)

    (gap,) = export.gaps
    assert len(export.of(Kind.PAGES)) == 8
    assert export.of(Kind.PAGES)["1"] == {}
    assert (gap.kind, gap.count, gap.reason) == (Kind.PAGES, 0, GapReason.MALFORMED)
    assert "title of pages is missing" in gap.detail
    assert "7 records (1, 2, 3, 4, 5 and others)" in gap.detail
    assert adds_up(export, [Kind.PAGES])


def test_a_field_that_may_be_missing_is_no_gap(server: ScriptedServer) -> None:
    """A place with `?` may be left out by the LMS."""
    server.on(PAGES, listing({"id": 7}))

    assert pages(server, fields={"title": "title?"}).gaps == []


def test_a_value_that_the_model_refuses_is_null_and_told_without_it(server: ScriptedServer) -> None:
    """A value of the wrong type stands as null; the gap names field and record, and does not repeat the value."""
    server.on(PAGES, listing({"id": 7, "title": ["a personal matter"]}))
    export = pages(server)

    assert export.of(Kind.PAGES) == {"7": {}}
    assert "title" in export.gaps[0].detail
    assert "personal" not in export.gaps[0].detail


def test_what_a_connector_does_not_read_is_a_gap(server: ScriptedServer) -> None:
    """A kind that the LMS has, and no stream reads, is named in every course, so that none passes for whole."""
    export = export_of(
        make_connector(server.url, unread=(Unread(kind=Kind.QUIZZES, what="Quizzes have an API of their own."),))
    )

    assert [(gap.kind, gap.reason, gap.count, gap.id) for gap in export.gaps] == [("quizzes", "not_read", None, None)]


@pytest.mark.parametrize(
    "item", ["text", None, {"title": "no id"}, {"id": None}, {"id": ""}, {"id": True}, {"id": {"a": 1}}]
)
def test_an_object_without_a_usable_id_is_a_gap(server: ScriptedServer, item: Any) -> None:
    """What is no object, or has no id, is counted as expected and as missing; the others are kept."""
    server.on(PAGES, listing(item, {"id": 7, "title": "Moss"}))
    export = pages(server)

    assert list(export.of(Kind.PAGES)) == ["7"]
    assert [(gap.reason, gap.count) for gap in export.gaps] == [(GapReason.MALFORMED, 1)]
    assert adds_up(export, [Kind.PAGES])


def test_an_object_that_lacks_what_its_kind_needs_is_a_gap(server: ScriptedServer) -> None:
    """A record that its model refuses as a whole is a gap with its id, and says which field."""
    server.on(PAGES, listing({"id": 7, "role": "student"}))
    fields = {"person_id": "person", "role": "role", "state": Constant("active")}
    export = pages(server, kind=Kind.ENROLLMENTS, fields=fields)

    (gap,) = export.gaps
    assert (gap.id, gap.count) == ("7", 1)
    assert "person_id is missing" in gap.detail
    assert adds_up(export, [Kind.ENROLLMENTS])


def test_an_object_that_moved_between_pages_counts_once(server: ScriptedServer) -> None:
    """The same object on two pages is one record."""
    again = {"id": 7, "title": "Moss"}
    server.on(PAGES, listing(again, following="/more"))
    server.on("/more", listing(again, {"id": 8, "title": "Fern"}))
    export = pages(server)

    assert len(export.records[Kind.PAGES]) == 2
    assert adds_up(export, [Kind.PAGES])
    assert export.gaps == []


def test_two_objects_of_one_id_are_one_record_and_one_gap(server: ScriptedServer) -> None:
    """Of two different objects with one id the first is kept, and the second is told, not lost."""
    server.on(PAGES, listing({"id": 7, "title": "Moss"}, {"id": 7, "title": "Fern"}))
    export = pages(server)

    assert export.of(Kind.PAGES)["7"] == {"title": "Moss"}
    assert [(gap.id, gap.count) for gap in export.gaps] == [("7", 1)]
    assert adds_up(export, [Kind.PAGES])


def test_two_lists_may_hold_the_same_object(server: ScriptedServer) -> None:
    """An object that two streams of a kind give alike is one record."""
    server.on(PAGES, listing({"id": 7, "title": "Moss"}))
    server.on("/courses/1/front", listing({"id": 7, "title": "Moss"}, {"id": 8, "title": "Fern"}))
    front = pages_stream(name="front", path="/courses/{course_id}/front")
    export = export_of(make_connector(server.url, pages_stream(), front))

    assert len(export.records[Kind.PAGES]) == 2
    assert adds_up(export, [Kind.PAGES])


@pytest.mark.parametrize("total", [Total(at="count"), Total(header="X-Total")], ids=["body", "header"])
def test_what_is_counted_but_not_listed_is_a_gap(server: ScriptedServer, total: Total) -> None:
    """Where the LMS counts more than it lists, the difference is a gap, and the basis says who counted."""
    body = {"items": [{"id": 7, "title": "Moss"}], "count": 3}
    server.on(PAGES, answer_json(body, headers={"X-Total": "3"}))
    export = pages(server, total=total)

    assert [(gap.reason, gap.count) for gap in export.gaps] == [(GapReason.UNEXPLAINED, 2)]
    assert [each.count for each in export.expected] == [3]
    assert "counted by the LMS" in export.expected[0].basis
    assert adds_up(export, [Kind.PAGES])


@pytest.mark.parametrize("said", [None, "many", -1, True, 0, 1])
def test_a_count_that_says_nothing_takes_nothing_away(server: ScriptedServer, said: Any) -> None:
    """A count that is none, or is smaller than the list, leaves every record where it is."""
    server.on(PAGES, listing({"id": 7, "title": "Moss"}, {"id": 8, "title": "Fern"}, count=said))
    export = pages(server, total=Total(at="count"))

    assert len(export.of(Kind.PAGES)) == 2
    assert adds_up(export, [Kind.PAGES])


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (status(403), GapReason.NO_ACCESS),
        (status(404), GapReason.NOT_FOUND),
        (status(400), GapReason.MALFORMED),
        (answer("<html>Log in</html>"), GapReason.MALFORMED),
        (answer_json({"items": "none"}), GapReason.MALFORMED),
        (answer_json([]), GapReason.MALFORMED),
        (listing(following="http://elsewhere.example/"), GapReason.MALFORMED),
    ],
)
def test_a_list_that_cannot_be_read_is_a_gap(server: ScriptedServer, broken: Any, reason: GapReason) -> None:
    """A list that is refused or makes no sense is a gap of unknown size; what came before it is kept."""
    server.on(PAGES, listing({"id": 7, "title": "Moss"}, following="/more"))
    server.on("/more", broken)
    export = pages(server)

    assert list(export.of(Kind.PAGES)) == ["7"]
    assert [(gap.reason, gap.count, gap.id) for gap in export.gaps] == [(reason, None, None)]
    assert [each.count for each in export.expected] == [1]


def test_a_list_that_breaks_off_counts_what_is_missing(server: ScriptedServer) -> None:
    """Where the LMS has said how many there are, the gap says how many are missing."""
    server.on(PAGES, listing({"id": 7, "title": "Moss"}, following="/more", count=10))
    server.on("/more", status(403))
    export = pages(server, total=Total(at="count"))

    assert [gap.count for gap in export.gaps] == [9]
    assert adds_up(export, [Kind.PAGES])


def test_a_loop_of_pages_is_a_gap(server: ScriptedServer) -> None:
    """A page that leads back is no list without end."""
    server.on(PAGES, listing({"id": 7, "title": "Moss"}, following=PAGES))
    export = pages(server)

    assert [gap.reason for gap in export.gaps] == [GapReason.MALFORMED]


def test_the_next_stream_is_read_all_the_same(server: ScriptedServer) -> None:
    """A list that cannot be read does not keep others from being read."""
    server.on(PAGES, status(403))
    server.on("/courses/1/front", listing({"id": 8, "title": "Fern"}))
    front = pages_stream(name="front", path="/courses/{course_id}/front")
    export = export_of(make_connector(server.url, pages_stream(), front))

    assert list(export.of(Kind.PAGES)) == ["8"]
    assert len(export.gaps) == 1


@pytest.mark.parametrize(("code", "error"), [(401, CredentialsNeeded), (503, RetryLater), (429, RetryLater)])
def test_credentials_and_outages_are_raised(server: ScriptedServer, code: int, error: type[Exception]) -> None:
    """What an operator must mend, and what will pass, is no gap: the course is read again later."""
    server.on(PAGES, listing({"id": 7, "title": "Moss"}, following="/more"))
    server.on("/more", status(code))

    with pytest.raises(error):
        pages(server)


def test_a_course_that_vanishes_meanwhile_is_not_found(server: ScriptedServer) -> None:
    """A 404 in the middle is a gap only while the course itself is still there."""
    course = answer_json({"id": 1, "name": "Botany", "end": None})
    server.on("/courses/1", course, course, status(404))
    server.on(PAGES, status(404))

    with pytest.raises(NotFound, match="vanished"):
        pages(server)


@pytest.mark.parametrize("code", [404, 403, 422])
def test_what_is_switched_off_is_no_gap(server: ScriptedServer, code: int) -> None:
    """Where a refusal means that the course does without, nothing is missing; it says so as the basis."""
    server.on(PAGES, status(code))
    export = pages(server, means={code: SWITCHED_OFF})

    assert export.gaps == []
    assert [(each.count, each.basis) for each in export.expected] == [(0, "switched off in the course")]


def test_a_refusal_in_the_middle_never_means_switched_off(server: ScriptedServer) -> None:
    """A list that has begun is there: what refuses its rest is a gap."""
    server.on(PAGES, listing({"id": 7, "title": "Moss"}, following="/more"))
    server.on("/more", status(404))
    export = pages(server, means={404: SWITCHED_OFF})

    assert [gap.reason for gap in export.gaps] == [GapReason.NOT_FOUND]


def test_a_refusal_may_mean_another_reason(server: ScriptedServer) -> None:
    """`means` gives a status the reason that it has for this LMS."""
    server.on(PAGES, status(403))

    assert [gap.reason for gap in pages(server, means={403: GapReason.LOCKED}).gaps] == ["locked"]


def test_ids_of_files_are_collected_from_a_list(server: ScriptedServer) -> None:
    """`Each` takes one place of every object in a list, as text where Coursekeep's field is text."""
    fields = {"assignment_id": "task", "file_ids": Each("files", "id")}
    server.on(PAGES, listing({"id": 7, "task": 3, "files": [{"id": 1}, {"id": "x"}]}))
    export = pages(server, kind=Kind.SUBMISSIONS, fields=fields)

    assert export.of(Kind.SUBMISSIONS)["7"] == {"assignment_id": "3", "file_ids": ["1", "x"]}


def test_a_function_gives_what_a_map_cannot(server: ScriptedServer) -> None:
    """`more` returns further fields; where it fails, the record stands without them, and a gap says so."""
    server.on(PAGES, listing({"id": 7, "title": "Moss", "state": "live"}, {"id": 8, "title": "Fern"}))
    export = pages(server, more=lambda item: {"published": item["state"] == "live"})

    assert export.of(Kind.PAGES) == {"7": {"title": "Moss", "published": True}, "8": {"title": "Fern"}}
    assert "KeyError" in export.gaps[0].detail
    assert adds_up(export, [Kind.PAGES])


@pytest.mark.parametrize(
    ("given", "word", "value", "told"),
    [
        ({}, "live", True, 0),
        ({}, "odd", None, 1),
        ({}, None, None, 0),
        ({"other": None}, "odd", None, 0),
        ({"other": None}, None, None, 0),
        ({"other": False}, "odd", False, 0),
        ({"other": False}, None, False, 0),
    ],
)
def test_a_word_that_a_choice_does_not_know(
    server: ScriptedServer, given: dict[str, Any], word: str | None, value: bool | None, told: int
) -> None:
    """Without `other` an unknown word is a gap and null is null; `other` stands for both, None among what it may be."""
    server.on("/courses/1/pages", listing({"id": 7, "title": "Moss", "state": word}))
    export = pages(server, fields={"title": "title", "published": Choice("state", {"live": True}, **given)})

    assert export.of(Kind.PAGES)["7"].get("published") is value
    assert len(export.gaps) == told
