"""Lists below others, lists inside of objects, single objects, and files: nothing that belongs to another is lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from fakes.rest_lms import adds_up, export_of, listing, make_connector, pages_stream, serve_course
from fakes.scripted_server import ScriptedServer, answer_json, status

from coursekeep import GapReason, Kind, RetryLater
from coursekeep.rest import Constant, Files, Index, OnePage, Parent, Stream, Whole


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        serve_course(server)
        yield server


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
