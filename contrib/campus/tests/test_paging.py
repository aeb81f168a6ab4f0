"""Paging: the link header is the only truth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from coursekeep_campus import CampusServer, Options

Collect = Callable[..., list[Any]]


def test_default_and_clamp(client: httpx.Client, trap: Callable[[str], int]) -> None:
    """A page holds 10 unless asked otherwise, and never more than 100, whatever is asked."""
    path = f"/api/v1/courses/{trap('crowd')}/enrollments"

    assert len(client.get(path).json()) == 10
    assert len(client.get(path, params={"per_page": 5000}).json()) == 100


def test_clamp_can_be_smaller(order: Callable[..., CampusServer], connect: Callable[..., httpx.Client]) -> None:
    """A server may clamp at another number: the size asked for says nothing about the last page."""
    server = order(options=Options(throttle=None, max_per_page=3))
    answer = connect(server).get("/api/v1/courses/101/users", params={"per_page": 100})

    assert len(answer.json()) == 3
    assert "next" in answer.links


def test_numbered_pages(client: httpx.Client, trap: Callable[[str], int]) -> None:
    """Numbered lists name current, next, first and last; one past the end is empty, nonsense is 404."""
    path = f"/api/v1/courses/{trap('big_module')}/pages"
    first = client.get(path, params={"per_page": 1})

    assert set(first.links) == {"current", "next", "first", "last"}
    assert client.get(path, params={"page": 99}).json() == []
    assert client.get(path, params={"page": "x"}).status_code == 404


def test_bookmarks(client: httpx.Client, collect: Collect, trap: Callable[[str], int]) -> None:
    """Enrolments are paged by bookmark: no last page, no arithmetic, and following the links gives each once."""
    path = f"courses/{trap('crowd')}/enrollments"
    first = client.get(f"/api/v1/{path}", params={"per_page": 20})
    everybody = collect(path, per_page=20)

    assert "page=bookmark:" in first.links["next"]["url"]
    assert "last" not in first.links
    assert client.get(f"/api/v1/{path}", params={"page": 2}).status_code == 404
    assert client.get(f"/api/v1/{path}", params={"page": "bookmark:bm9uc2Vuc2U="}).status_code == 404
    assert len({doc["id"] for doc in everybody}) == len(everybody) > 130


def test_bookmark_belongs_to_its_list(client: httpx.Client, trap: Callable[[str], int]) -> None:
    """A bookmark of one list is refused by another, also by the same with other filters."""
    path = f"/api/v1/courses/{trap('crowd')}/enrollments"
    page = httpx.URL(client.get(path).links["next"]["url"]).params["page"]

    assert client.get(path, params={"page": page}).status_code == 200
    assert client.get(path, params={"page": page, "state[]": "active"}).status_code == 404


@pytest.mark.parametrize("list_", ["students/submissions?student_ids[]=all", "gradebook_history/feed"])
def test_other_bookmark_lists(client: httpx.Client, list_: str) -> None:
    """Flat submissions and the feed of grades are paged by bookmark, too."""
    answer = client.get(f"/api/v1/courses/101/{list_}")

    assert "page=bookmark:" in answer.links["next"]["url"]
    assert "last" not in answer.links


def test_short_pages(client: httpx.Client, collect: Collect, trap: Callable[[str], int]) -> None:
    """Test students are taken out after paging: pages in the middle are short, one is empty, and more follow."""
    path = f"courses/{trap('crowd')}/users"
    sizes = []
    answer = client.get(f"/api/v1/{path}", params={"per_page": 4})
    while answer.links.get("next"):
        sizes.append(len(answer.json()))
        answer = client.get(answer.links["next"]["url"])

    assert 0 in sizes
    assert len(answer.json()) > 0
    assert len(collect(path, **{"include[]": "test_student"})) == len(collect(path)) + 13


def test_unknown_total(client: httpx.Client) -> None:
    """The list of courses names its last page only where it is seen."""
    first = client.get("/api/v1/accounts/self/courses", params={"per_page": 30})
    last = client.get(first.links["next"]["url"])

    assert "last" not in first.links
    assert "last" in last.links


def test_long_links_are_left_out(client: httpx.Client) -> None:
    """Where addresses are long the header loses links, but keeps the next one."""
    wanted = [("include[]", f"nothing-{number:04d}") for number in range(120)]
    answer = client.get("/api/v1/accounts/self/courses", params=[*wanted, ("per_page", "1")])

    assert "first" not in answer.links
    assert "next" in answer.links


def test_token_is_not_in_links(server: CampusServer) -> None:
    """A token given as a parameter works, but is not repeated in links."""
    address = f"{server.url}/api/v1/courses/101/users"
    answer = httpx.get(address, params={"access_token": server.token, "per_page": 1})

    assert answer.status_code == 200
    assert server.token not in answer.headers["link"]


def test_wrapped_lists(client: httpx.Client, trap: Callable[[str], int]) -> None:
    """Some lists come inside an object, and are paged all the same."""
    terms = client.get("/api/v1/accounts/1/terms", params={"per_page": 2})
    periods = client.get(f"/api/v1/courses/{trap('gradebook')}/grading_periods", params={"per_page": 1})

    assert len(terms.json()["enrollment_terms"]) == 2
    assert len(periods.json()["grading_periods"]) == 1
    assert "next" in terms.links
    assert "next" in periods.links
