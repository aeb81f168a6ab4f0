"""Discussions and announcements."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from coursekeep_campus import CampusServer

Collect = Callable[..., list[Any]]


def topic_of(client: httpx.Client, course: int, title: str) -> dict[str, Any]:
    """Find a topic by its title."""
    topics = client.get(f"/api/v1/courses/{course}/discussion_topics", params={"per_page": 50}).json()
    found: dict[str, Any] = next(topic for topic in topics if topic["title"].startswith(title))
    return found


def entries_of(tree: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield every entry of a tree."""
    for entry in tree:
        yield entry
        yield from entries_of(entry.get("replies", []))


def test_view_must_be_built(order: Callable[..., CampusServer], connect: Callable[..., httpx.Client]) -> None:
    """A view that is not built yet is 503 with an empty body, once or twice; then it comes."""
    server = order(courses=40)
    client, course = connect(server), server.known["traps"]["unbuilt_views"]
    seen = []
    for topic in client.get(f"/api/v1/courses/{course}/discussion_topics").json():
        path = f"/api/v1/courses/{course}/discussion_topics/{topic['id']}/view"
        answers = [client.get(path) for _ in range(3)]
        seen.append([answer.status_code for answer in answers])
        assert {answer.content for answer in answers if answer.status_code == 503} <= {b""}
        assert "view" in answers[-1].json()

    assert [503, 200, 200] in seen
    assert [503, 503, 200] in seen


def test_new_entries_are_apart(client: httpx.Client, trap: Callable[[str], int]) -> None:
    """The newest entries are not in the tree, and come only where they are asked for."""
    course = trap("new_entries")
    topic = topic_of(client, course, "Long debate")
    path = f"/api/v1/courses/{course}/discussion_topics/{topic['id']}/view"
    plain = client.get(path).json()
    full = client.get(path, params={"include_new_entries": 1}).json()
    inside = {entry["id"] for entry in entries_of(full["view"])}
    alive = [entry for entry in entries_of(full["view"]) if not entry.get("deleted")]
    new = {entry["id"] for entry in full["new_entries"]}

    assert "new_entries" not in plain
    assert len(new) == 3
    assert not new & inside
    assert {entry["parent_id"] for entry in full["new_entries"]} - {None} <= inside
    assert len(alive) + len(new) == topic["discussion_subentry_count"]


def test_deleted_entries(client: httpx.Client, trap: Callable[[str], int]) -> None:
    """A deleted entry keeps its place and its replies, without author and message."""
    course = trap("new_entries")
    topic = topic_of(client, course, "Long debate")
    view = client.get(f"/api/v1/courses/{course}/discussion_topics/{topic['id']}/view").json()["view"]
    deleted = [entry for entry in entries_of(view) if entry.get("deleted")]

    assert len(deleted) == 2
    assert all("message" not in entry and "user_id" not in entry for entry in deleted)
    assert any(entry.get("replies") for entry in deleted)


def test_participants(client: httpx.Client, trap: Callable[[str], int]) -> None:
    """A view names whoever wrote in it."""
    course = trap("new_entries")
    topic = topic_of(client, course, "Long debate")
    view = client.get(f"/api/v1/courses/{course}/discussion_topics/{topic['id']}/view").json()
    authors = {entry["user_id"] for entry in entries_of(view["view"]) if "user_id" in entry}

    assert authors <= {person["id"] for person in view["participants"]}


def test_entries_are_the_other_way(client: httpx.Client, collect: Collect, trap: Callable[[str], int]) -> None:
    """The list of entries, their replies and the list by ids hold what the view holds."""
    course = trap("new_entries")
    topic = topic_of(client, course, "Long debate")
    base = f"courses/{course}/discussion_topics/{topic['id']}"
    tops = collect(f"{base}/entries")
    below = collect(f"{base}/entries/{min(top['id'] for top in tops)}/replies")
    ids = [entry["id"] for entry in below]

    assert tops == sorted(tops, key=lambda top: (top["created_at"], top["id"]), reverse=True)
    assert below
    assert {entry["id"] for entry in collect(f"{base}/entry_list", **{"ids[]": ids})} == set(ids)


def test_group_topics(client: httpx.Client, trap: Callable[[str], int]) -> None:
    """A group discussion's own view is empty: the replies are in the topics of the groups."""
    course = trap("group_discussion")
    shell = topic_of(client, course, "Plan your project")
    own = client.get(f"/api/v1/courses/{course}/discussion_topics/{shell['id']}/view").json()
    replies = 0
    for child in shell["group_topic_children"]:
        path = f"/api/v1/groups/{child['group_id']}/discussion_topics/{child['id']}"
        assert client.get(path).json()["root_topic_id"] == shell["id"]
        replies += len(client.get(f"{path}/view").json()["view"])

    assert own["view"] == []
    assert replies == 6
    assert client.get(f"/api/v1/courses/{course}/discussion_topics/{child['id']}/view").status_code == 404


def test_anonymous_topics(client: httpx.Client, trap: Callable[[str], int]) -> None:
    """Of an anonymous topic the replies are not served at all."""
    course = trap("anonymous_topic")
    topic = topic_of(client, course, "Say it freely")
    base = f"/api/v1/courses/{course}/discussion_topics/{topic['id']}"

    assert topic["anonymous_state"] == "full_anonymity"
    assert topic["author"] == {}
    assert {client.get(f"{base}/{what}").status_code for what in ("view", "entries", "entry_list")} == {404}


def test_announcements_have_a_window(client: httpx.Client, collect: Collect, trap: Callable[[str], int]) -> None:
    """Announcements by course code are those of a window around today; the other list holds all, drafts too."""
    course = trap("announcements")
    codes = {"context_codes[]": f"course_{course}"}
    default = client.get("/api/v1/announcements", params=codes).json()
    wide = collect("announcements", **codes, start_date="1970-01-01", end_date="2100-01-01")
    every = collect(f"courses/{course}/discussion_topics", only_announcements="true")

    assert default == []
    assert {doc["title"] for doc in wide} == {"Long ago", "Welcome", "Delayed"}
    assert {doc["title"] for doc in every} == {"Long ago", "Welcome", "Delayed", "Draft"}
    assert client.get("/api/v1/announcements").status_code == 400


def test_announcements_are_no_topics(collect: Collect, trap: Callable[[str], int]) -> None:
    """The list of topics holds no announcements."""
    topics = collect(f"courses/{trap('announcements')}/discussion_topics")

    assert not [topic for topic in topics if topic.get("is_announcement")]


@pytest.mark.parametrize("token", ["admin", "teacher"])
def test_initial_post(order: Callable[..., CampusServer], connect: Callable[..., httpx.Client], token: str) -> None:
    """Who must post first gets 403 instead of the replies; an administrator need not."""
    server = order(courses=40)
    course = server.known["traps"]["new_entries"]
    server.campus.courses[course].taught = True
    client = connect(server, token)
    topic = topic_of(client, course, "Long debate")
    answer = client.get(f"/api/v1/courses/{course}/discussion_topics/{topic['id']}/view")

    assert answer.status_code == (200 if token == "admin" else 403)
    assert token == "admin" or answer.json() == "require_initial_post"
