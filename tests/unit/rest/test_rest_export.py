"""What a declared connector makes of an LMS's answers: records, files, and a gap for all that cannot be had."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from fakes.rest_lms import adds_up, export_of, listing, make_connector, pages_stream, serve_course
from fakes.scripted_server import ScriptedServer, answer, answer_json, status

from coursekeep import CredentialsNeeded, GapReason, Kind, NotFound, RetryLater
from coursekeep.rest import (
    SWITCHED_OFF,
    Constant,
    Each,
    Files,
    Index,
    OnePage,
    Parent,
    Stream,
    Total,
    Unread,
    Whole,
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


POSTS = Stream(
    name="posts",
    parent="topics",
    path="/courses/{course_id}/topics/{parent_id}/posts",
    params={"in": "{parent.slug}"},
    key="items",
    kind=Kind.POSTS,
    fields={"discussion_id": Parent("id"), "message_html": "text"},
)
TOPICS = pages_stream(name="topics", path="/courses/{course_id}/topics", kind=Kind.DISCUSSIONS)


def topic(number: int) -> dict[str, Any]:
    """Describe a topic."""
    return {"id": number, "title": f"Topic {number}", "slug": f"a b/{number}"}


def test_a_list_below_is_read_for_each_object(server: ScriptedServer) -> None:
    """A stream with a parent is asked once for each of its objects, with what its path and parameters name."""
    server.on("/courses/1/topics", listing(topic(5), topic(6), topic(5)))
    server.on("/courses/1/topics/5/posts", listing({"id": 1, "text": "Hello"}))
    server.on("/courses/1/topics/6/posts", listing({"id": 2, "text": "Hi"}))
    export = export_of(make_connector(server.url, TOPICS, POSTS))

    assert {id_: data["discussion_id"] for id_, data in export.of(Kind.POSTS).items()} == {"1": "5", "2": "6"}
    assert [target for target in server.targets() if "posts" in target] == [
        "/courses/1/topics/5/posts?in=a+b%2F5",
        "/courses/1/topics/6/posts?in=a+b%2F6",
    ]
    assert [page.body["id"] for page in export.pages if page.endpoint == "posts"] == ["5-1", "6-1"]
    assert adds_up(export, [Kind.POSTS, Kind.DISCUSSIONS])


def test_lists_below_are_asked_for_at_once_and_taken_in_order(server: ScriptedServer) -> None:
    """Several lists are under way at the same time, no more than the settings allow; parts come in the LMS's order."""
    gate = server.gate()
    server.on("/courses/1/topics", listing(*(topic(n) for n in range(1, 10))))
    for n in range(1, 10):
        posts = listing({"id": 100 - n, "text": "Hello"})
        server.on(f"/courses/1/topics/{n}/posts", gate.before(posts) if n <= 4 else posts)
    opener = threading.Thread(target=lambda: (server.wait_for(lambda: server.in_flight == 4), gate.open()))
    opener.start()
    export = export_of(make_connector(server.url, TOPICS, POSTS))
    opener.join()

    assert server.most_in_flight == 4
    assert [record.id for record in export.records[Kind.POSTS]] == [str(100 - n) for n in range(1, 10)]
    assert adds_up(export, [Kind.POSTS])


def test_an_outage_in_a_list_below_is_raised(server: ScriptedServer) -> None:
    """Among lists that are asked for at once, an outage ends the export, and the others are given up."""
    server.on("/courses/1/topics", listing(*(topic(n) for n in range(1, 10))))
    for n in range(1, 10):
        server.on(f"/courses/1/topics/{n}/posts", status(503) if n == 3 else listing())

    with pytest.raises(RetryLater):
        export_of(make_connector(server.url, TOPICS, POSTS))


def test_one_list_below_that_is_refused_is_a_gap_of_its_parent(server: ScriptedServer) -> None:
    """The lists of other objects are read; the gap names the object whose list is missing."""
    server.on("/courses/1/topics", listing(topic(5), topic(6)))
    server.on("/courses/1/topics/5/posts", status(403))
    server.on("/courses/1/topics/6/posts", listing({"id": 2, "text": "Hi"}))
    export = export_of(make_connector(server.url, TOPICS, POSTS))

    assert list(export.of(Kind.POSTS)) == ["2"]
    assert [(gap.kind, gap.id, gap.count) for gap in export.gaps] == [(Kind.POSTS, "5", None)]


@pytest.mark.parametrize("broken", [status(403), listing(topic(5), {"title": "no id", "slug": "x"})])
def test_what_belongs_to_unread_objects_is_a_gap_too(server: ScriptedServer, broken: Any) -> None:
    """Where not all parents are known, what belongs to the others is missing as well, and is told."""
    server.on("/courses/1/topics", broken)
    server.on("/courses/1/topics/5/posts", listing())
    export = export_of(make_connector(server.url, TOPICS, POSTS))

    (gap,) = export.gaps_of(Kind.POSTS)
    assert gap.count is None
    assert "topics" in gap.detail


def test_an_id_cannot_lead_out_of_its_path(server: ScriptedServer) -> None:
    """Whatever stands in an id is one segment of a path; one that cannot be is a gap, and is not asked for."""
    server.on("/courses/1/topics", listing(topic(0) | {"id": "../../secrets?x=1#"}, topic(0) | {"id": ".."}))
    server.on("/courses/1/topics/..%2F..%2Fsecrets%3Fx%3D1%23/posts", listing())
    export = export_of(make_connector(server.url, TOPICS, POSTS))

    asked = [target for target in server.targets() if "posts" in target]
    assert [target.split("?")[0] for target in asked] == ["/courses/1/topics/..%2F..%2Fsecrets%3Fx%3D1%23/posts"]
    assert ".." in {gap.id for gap in export.gaps_of(Kind.POSTS)}


def test_a_list_inside_needs_no_request(server: ScriptedServer) -> None:
    """A list that stands in each object of the parent is read from there; null and `?` mean that it is empty."""
    inside = Stream(
        name="replies",
        parent="topics",
        inside="replies?",
        kind=Kind.POSTS,
        fields={"discussion_id": Parent("id"), "message_html": "text"},
    )
    server.on(
        "/courses/1/topics",
        listing(topic(5) | {"replies": [{"id": 1, "text": "Hello"}]}, topic(6) | {"replies": None}, topic(7)),
    )
    export = export_of(make_connector(server.url, TOPICS, inside))

    assert export.of(Kind.POSTS) == {"1": {"discussion_id": "5", "message_html": "Hello"}}
    assert adds_up(export, [Kind.POSTS])
    assert export.gaps == []


@pytest.mark.parametrize("replies", ["many", {"id": 1}])
def test_a_list_inside_that_is_none_is_a_gap(server: ScriptedServer, replies: Any) -> None:
    """Where something else than a list stands inside, the gap names the parent."""
    inside = Stream(
        name="replies", parent="topics", inside="replies", kind=Kind.POSTS, fields={"discussion_id": Parent("id")}
    )
    server.on("/courses/1/topics", listing(topic(5) | {"replies": replies}, topic(6)))
    export = export_of(make_connector(server.url, TOPICS, inside))

    assert [(gap.id, gap.count) for gap in export.gaps_of(Kind.POSTS)] == [("5", None), ("6", None)]


def test_an_index_leads_to_whole_objects(server: ScriptedServer) -> None:
    """Each object of an index is asked for; one that is refused is expected, and a gap."""
    server.on("/courses/1/list", listing({"id": 7}, {"id": 8}))
    server.on("/courses/1/pages/7", answer_json({"id": 7, "title": "Moss"}))
    server.on("/courses/1/pages/8", status(403))
    index = Index(name="list", path="/courses/{course_id}/list", key="items", kind=Kind.PAGES)
    whole = pages_stream(parent="list", path="/courses/{course_id}/pages/{parent_id}", key=None, single=True)
    export = export_of(make_connector(server.url, index, whole))

    assert export.of(Kind.PAGES) == {"7": {"title": "Moss"}}
    assert [(gap.id, gap.reason, gap.count) for gap in export.gaps] == [("8", GapReason.NO_ACCESS, 1)]
    assert [each.count for each in export.expected if each.kind is Kind.PAGES] == [2]
    assert adds_up(export, [Kind.PAGES])


def test_a_single_object_may_be_kept_whole(server: ScriptedServer) -> None:
    """`Whole` keeps an object as the LMS gave it, under a name that the connector chooses."""
    server.on("/courses/1/settings", answer_json({"late": {"penalty": 10}}))
    stream = Stream(
        name="settings",
        path="/courses/{course_id}/settings",
        single=True,
        kind=Kind.SETTINGS,
        id=Constant("settings"),
        fields={"value": Whole()},
    )

    assert export_of(make_connector(server.url, stream)).of(Kind.SETTINGS) == {
        "settings": {"value": {"late": {"penalty": 10}}}
    }


FILES = Files(name="files", path="/courses/{course_id}/files", size="size?", digest="md5?", digest_algorithm="md5")


def test_files_are_named_with_their_addresses(server: ScriptedServer) -> None:
    """A path is completed, an address stays; sizes may be text, and a digest gets its algorithm."""
    listed = [
        {"id": 1, "name": "a.txt", "url": "/f/1", "size": "4", "md5": "00ff"},
        {"id": 2, "name": "../b", "url": "https://files.example/2?sig=1"},
    ]
    server.on("/courses/1/files", answer_json(listed))
    export = export_of(make_connector(server.url, FILES, paging=OnePage()))

    assert [(file.name, file.url, file.size, file.digest) for file in export.files] == [
        ("a.txt", f"{server.url}/f/1", 4, "md5:00ff"),
        ("../b", "https://files.example/2?sig=1", None, None),
    ]
    assert "sig=1" not in repr(export.pages)
    assert adds_up(export, [Kind.FILES])


def test_a_file_without_address_is_withheld(server: ScriptedServer) -> None:
    """A null address means what `withheld` says; one that is no text makes no sense. Both are gaps."""
    listed = [{"id": 1, "name": "a", "url": None}, {"id": 2, "name": "b", "url": 7.5}, {"id": 3, "name": "c"}]
    server.on("/courses/1/files", answer_json(listed))
    export = export_of(make_connector(server.url, FILES, paging=OnePage()))

    assert [file.withheld for file in export.files] == ["locked", "malformed", "malformed"]
    assert adds_up(export, [Kind.FILES])


def test_files_inside_leave_no_address_in_the_raw_answer(server: ScriptedServer) -> None:
    """The addresses of attachments are taken out of the answer of the list that they stand in."""
    attached = Files(name="attached", parent="topics", inside="files", group="discussions", url="links.get")
    file = {"id": 1, "name": "a", "links": {"get": "/f/1?secret=1", "see": "/s/1"}}
    server.on("/courses/1/topics", listing(topic(5) | {"files": [file]}))
    export = export_of(make_connector(server.url, TOPICS, attached))

    (raw,) = [page.body for page in export.pages if page.endpoint == "topics"]
    assert raw[0]["files"] == [{"id": 1, "name": "a", "links": {"see": "/s/1"}}]
    assert [file.group for file in export.files] == ["discussions"]


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
