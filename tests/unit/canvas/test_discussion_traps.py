"""Canvas's traps around discussions."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from fakes.canvas_answers import CanvasAnswers, forbidden, paged, parts_of

from coursekeep import Gap, GapReason, Kind, Part, Record, RemoteFile, RetryLater
from coursekeep_connectors.canvas.discussions import announcements, discussions
from coursekeep_connectors.canvas.replies import entries_of

TOPICS = "/api/v1/courses/7/discussion_topics"
NOT_YET = httpx.Response(503)


def _topic(number: int, **more: Any) -> dict[str, Any]:
    return {"id": number, "title": f"Topic {number}", "discussion_subentry_count": 0, **more}


def _entry(number: int, **more: Any) -> dict[str, Any]:
    return {"id": number, "user_id": 3, "parent_id": None, "message": f"<p>{number}</p>", **more}


def _view(*entries: Any, **more: Any) -> dict[str, Any]:
    return {"participants": [], "view": list(entries), "new_entries": [], **more}


def _read(canvas: CanvasAnswers, **settings: Any) -> list[Part]:
    reading = canvas.reading(**settings)
    return parts_of(reading.guarded(discussions(reading, reading.space), Kind.DISCUSSIONS, Kind.POSTS))


def _posts(parts: list[Part]) -> dict[str, Record]:
    return {part.id: part for part in parts if isinstance(part, Record) and part.kind is Kind.POSTS}


def _gaps(parts: list[Part]) -> list[Gap]:
    return [part for part in parts if isinstance(part, Gap)]


def test_view_is_asked_again_after_503() -> None:
    """A view that is not prepared yet is asked for until it is."""
    canvas = CanvasAnswers().on(TOPICS, [_topic(1)])
    canvas.on(f"{TOPICS}/1/view", NOT_YET, NOT_YET, _view(_entry(10)))

    assert _posts(_read(canvas)).keys() == {"10"}


def test_view_that_never_comes_is_read_one_by_one() -> None:
    """Where Canvas never prepares the view, entries and replies are read from their own lists."""
    canvas = CanvasAnswers().on(TOPICS, [_topic(1)]).on(f"{TOPICS}/1/view", NOT_YET)
    canvas.on(f"{TOPICS}/1/entries", paged([_entry(10, recent_replies=[_entry(11)])], [_entry(12)]))
    canvas.on(f"{TOPICS}/1/entries/10/replies", [_entry(11, parent_id=10)])

    posts = _posts(_read(canvas, view_timeout=0.0))

    assert posts.keys() == {"10", "11", "12"}
    assert posts["11"].data["parent_id"] == "10"


def test_other_outages_are_not_waited_for() -> None:
    """Any failure but 503 while reading a view ends the export for now."""
    canvas = CanvasAnswers().on(TOPICS, [_topic(1)]).on(f"{TOPICS}/1/view", httpx.Response(502))

    with pytest.raises(RetryLater):
        _read(canvas)


def test_new_entries_are_merged() -> None:
    """Replies newer than the view are in the posts, and a newer state of a known one takes its place."""
    canvas = CanvasAnswers().on(TOPICS, [_topic(1)])
    newer = [_entry(11, parent_id=10, message="new"), _entry(10, message="edited")]
    canvas.on(f"{TOPICS}/1/view", _view(_entry(10), new_entries=newer))

    posts = _posts(_read(canvas))

    assert posts["10"].data["message_html"] == "edited"
    assert posts["11"].data["parent_id"] == "10"


def test_deleted_entries_are_tombstones() -> None:
    """A deleted reply keeps its place in the tree, without author and message."""
    deleted = {"id": 10, "parent_id": None, "deleted": True, "replies": [_entry(11, parent_id=10)]}
    canvas = CanvasAnswers().on(TOPICS, [_topic(1, discussion_subentry_count=1)]).on(f"{TOPICS}/1/view", _view(deleted))

    parts = _read(canvas)

    assert _posts(parts)["10"].data["deleted"] is True
    assert _posts(parts)["11"].data["parent_id"] == "10"
    assert _gaps(parts) == []


def test_deep_trees_are_read_whole() -> None:
    """A thread of ten thousand levels is read without running out of stack."""
    entry = _entry(10_000)
    for number in range(9_999, 0, -1):
        entry = {**_entry(number), "replies": [entry]}

    entries = entries_of({"view": [entry]})

    assert len(entries) == 10_000
    assert entries[-1]["parent_id"] == 9_999


def test_children_of_group_discussions_are_visited() -> None:
    """The shell's children in the groups are topics of their own, with their replies, once."""
    child = {"id": 5, "group_id": 40}
    canvas = CanvasAnswers().on(TOPICS, [_topic(1, group_topic_children=[child])]).on(f"{TOPICS}/1/view", _view())
    canvas.on("/api/v1/groups/40/discussion_topics/5", _topic(5, root_topic_id=1, discussion_subentry_count=1))
    canvas.on("/api/v1/groups/40/discussion_topics/5/view", _view(_entry(50)))

    parts = _read(canvas)

    topics = {part.id: part for part in parts if isinstance(part, Record) and part.kind is Kind.DISCUSSIONS}
    assert (topics["5"].data["group_id"], topics["5"].data["parent_id"]) == ("40", "1")
    assert _posts(parts)["50"].data["discussion_id"] == "5"


def test_anonymous_topics_are_a_gap() -> None:
    """Canvas hands out no replies to anonymous topics: a gap of as many as it counts."""
    topic = _topic(1, anonymous_state="full_anonymity", discussion_subentry_count=4)
    canvas = CanvasAnswers().on(TOPICS, [topic])

    gaps = _gaps(_read(canvas))

    assert [(gap.kind, gap.reason, gap.count) for gap in gaps] == [(Kind.POSTS, GapReason.NOT_OFFERED, 4)]


def test_require_initial_post_is_a_gap_for_one_topic() -> None:
    """Replies withheld from who has not posted are a gap; the other topics are read."""
    canvas = CanvasAnswers().on(TOPICS, [_topic(1, discussion_subentry_count=2), _topic(2)])
    canvas.on(f"{TOPICS}/1/view", forbidden()).on(f"{TOPICS}/2/view", _view(_entry(20)))

    parts = _read(canvas)

    assert [(gap.kind, gap.reason, gap.id, gap.count) for gap in _gaps(parts)] == [
        (Kind.POSTS, GapReason.NO_ACCESS, "topic-1", 2),
        (Kind.FILES, GapReason.NO_ACCESS, "topic-1", None),  # their attachments, if they have any
    ]
    assert _posts(parts).keys() == {"20"}


def test_fewer_replies_than_counted_is_a_gap() -> None:
    """Replies that Canvas counts, but does not hand out, are named."""
    canvas = (
        CanvasAnswers().on(TOPICS, [_topic(1, discussion_subentry_count=3)]).on(f"{TOPICS}/1/view", _view(_entry(10)))
    )

    assert [(gap.reason, gap.count) for gap in _gaps(_read(canvas))] == [(GapReason.UNEXPLAINED, 2)]


def test_attachments_of_replies_come_once() -> None:
    """`attachment` and `attachments` of a reply name the same file, which is fetched once."""
    file = {"id": 90, "display_name": "a.txt", "url": "https://canvas.test/files/90/download", "size": 3}
    canvas = CanvasAnswers().on(TOPICS, [_topic(1)])
    canvas.on(f"{TOPICS}/1/view", _view(_entry(10, attachment=file, attachments=[file])))

    parts = _read(canvas)

    assert [part.id for part in parts if isinstance(part, RemoteFile)] == ["90"]
    assert _posts(parts)["10"].data["file_ids"] == ["90"]


def test_announcements_of_all_times() -> None:
    """Announcements are read from the list of topics, which knows no window of days."""
    canvas = CanvasAnswers().on(TOPICS, [_topic(1, posted_at="2001-01-01T00:00:00Z")]).on(f"{TOPICS}/1/view", _view())
    reading = canvas.reading()

    parts = parts_of(announcements(reading, reading.space))

    assert canvas.asked[0].url.params["only_announcements"] == "true"
    assert [part.data["announcement"] for part in parts if isinstance(part, Record)] == [True]
