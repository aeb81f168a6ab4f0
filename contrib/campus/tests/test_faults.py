"""Faults that can be switched on, each seen from a client's side."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from coursekeep_campus import CampusServer, Fault, Faults, Host

PAGES = "/api/v1/courses/101/pages"
ON_PAGES = "GET /api/v1/courses/*/pages*"


@pytest.fixture
def campus(order: Callable[..., CampusServer]) -> CampusServer:
    """Serve a campus of one's own."""
    return order(courses=6)


@pytest.fixture
def own(campus: CampusServer, connect: Callable[..., httpx.Client]) -> httpx.Client:
    """Speak to that campus."""
    return connect(campus)


def test_status_so_many_times(campus: CampusServer, own: httpx.Client) -> None:
    """A fault meets the requests of its pattern as often as it says, and then is spent."""
    campus.faults.add(Fault(match=ON_PAGES, kind="status", status=502, times=2))
    answers = [own.get(PAGES) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [502, 502, 200]
    assert answers[0].headers["content-type"].startswith("text/html")
    assert own.get("/api/v1/courses/101").status_code == 200


def test_after(campus: CampusServer, own: httpx.Client) -> None:
    """A fault may let the first requests pass."""
    campus.faults.add(Fault(match=ON_PAGES, kind="status", times=1, after=1))

    assert [own.get(PAGES).status_code for _ in range(3)] == [200, 500, 200]


def test_clear(campus: CampusServer, own: httpx.Client) -> None:
    """An outage refuses everything until it is over."""
    campus.faults.add(Fault(kind="outage"))
    during = [own.get(path).status_code for path in (PAGES, "/api/v1/accounts/self/terms")]
    campus.faults.clear()

    assert during == [503, 503]
    assert own.get(PAGES).status_code == 200


@pytest.mark.parametrize("kind", ["reset", "truncated"])
def test_cut_connections(campus: CampusServer, own: httpx.Client, kind: str) -> None:
    """A connection is cut before the answer, or in the middle of it; the next request is served."""
    campus.faults.add(Fault(match=ON_PAGES, kind=kind, times=1))

    with pytest.raises(httpx.TransportError):
        own.get(PAGES)
    assert own.get(PAGES).status_code == 200


def test_truncated_body_is_half(campus: CampusServer, own: httpx.Client) -> None:
    """A truncated answer promises its full length and delivers half of it."""
    whole = own.get(PAGES).content
    campus.faults.add(Fault(match=ON_PAGES, kind="truncated", times=1))
    with own.stream("GET", PAGES) as answer:
        chunks = answer.iter_bytes()
        got = next(chunks)
        with pytest.raises(httpx.RemoteProtocolError):
            next(chunks)

    assert int(answer.headers["content-length"]) == len(whole)
    assert got == whole[: len(whole) // 2]


def test_html_instead_of_json(campus: CampusServer, own: httpx.Client) -> None:
    """HTML may come where JSON is due, with status 200; a log-in page as well."""
    for kind in ("html", "login_page"):
        campus.faults.add(Fault(match=ON_PAGES, kind=kind, times=1))
        answer = own.get(PAGES)

        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/html")
        with pytest.raises(json.JSONDecodeError):
            answer.json()


def test_empty(campus: CampusServer, own: httpx.Client) -> None:
    """An answer may be empty."""
    campus.faults.add(Fault(match=ON_PAGES, kind="empty", times=1))
    answer = own.get(PAGES)

    assert (answer.status_code, answer.content) == (200, b"")


def test_slow(campus: CampusServer, own: httpx.Client) -> None:
    """A slow answer trickles, and is whole in the end."""
    campus.faults.add(Fault(match=ON_PAGES, kind="slow", seconds=0.4, times=1))
    begin = time.monotonic()
    answer = own.get(PAGES)

    assert time.monotonic() - begin >= 0.35
    assert len(answer.json()) >= 3


def test_hang(campus: CampusServer, own: httpx.Client) -> None:
    """A hanging request runs into the client's time-out."""
    campus.faults.add(Fault(match=ON_PAGES, kind="hang", seconds=30, times=1))

    with pytest.raises(httpx.ReadTimeout):
        own.get(PAGES, timeout=0.3)
    assert own.get(PAGES).status_code == 200


@pytest.mark.parametrize(("kind", "status"), [("throttle403", 403), ("throttle429", 429)])
def test_throttled(campus: CampusServer, own: httpx.Client, kind: str, status: int) -> None:
    """Throttling can be had at will, in both kinds."""
    campus.faults.add(Fault(match=ON_PAGES, kind=kind, times=1))
    answer = own.get(PAGES)

    assert answer.status_code == status
    assert "Rate Limit Exceeded" in answer.text


def test_page_loop(campus: CampusServer, own: httpx.Client) -> None:
    """The next page may be this page."""
    campus.faults.add(Fault(match=ON_PAGES, kind="loop"))
    answer = own.get(PAGES, params={"per_page": 1})
    following = own.get(answer.links["next"]["url"])

    assert following.json() == answer.json()
    assert following.links["next"] == answer.links["next"]


def test_foreign_next(campus: CampusServer, own: httpx.Client) -> None:
    """The next page may be on another host, to which nothing must be sent."""
    campus.faults.add(Fault(match=ON_PAGES, kind="foreign_next"))

    assert own.get(PAGES).links["next"]["url"].startswith("http://elsewhere.invalid/")


def test_foreign_redirect(campus: CampusServer, own: httpx.Client) -> None:
    """A request may be redirected to another host."""
    campus.faults.add(Fault(match=ON_PAGES, kind="foreign_redirect"))

    assert own.get(PAGES).headers["location"].startswith("http://elsewhere.invalid/")


@pytest.mark.parametrize("kind", ["foreign_next", "foreign_redirect"])
def test_foreign_host_of_ones_own(campus: CampusServer, own: httpx.Client, kind: str) -> None:
    """A test may say which foreign host links and redirects lead to, and listen there."""
    campus.faults.add(Fault(match=ON_PAGES, kind=kind, to="http://127.0.0.1:9"))
    answer = own.get(PAGES)

    assert "http://127.0.0.1:9/" in answer.headers.get("link", "") + answer.headers.get("location", "")


def test_endless(campus: CampusServer, own: httpx.Client) -> None:
    """An answer may have neither Content-Length nor end."""
    campus.faults.add(Fault(match=ON_PAGES, kind="endless"))
    with own.stream("GET", PAGES) as answer:
        blocks = [block for block, _ in zip(answer.iter_raw(), range(100), strict=False)]

    assert "content-length" not in answer.headers
    assert len(blocks) == 100


def test_repeated_items(campus: CampusServer, own: httpx.Client) -> None:
    """Items may come twice, as when rows move while one pages."""
    once = own.get(PAGES).json()
    campus.faults.add(Fault(match=ON_PAGES, kind="repeat"))

    assert own.get(PAGES).json() == [*once, *once]


def test_token_expires(campus: CampusServer, own: httpx.Client) -> None:
    """A token may expire in the middle of the work."""
    campus.faults.add(Fault(kind="token_expires_after", after=2))
    answers = [own.get(PAGES) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 401]
    assert answers[2].json() == {"errors": [{"message": "Expired access token."}]}
    assert "www-authenticate" in answers[2].headers


def download(own: httpx.Client) -> tuple[dict[str, Any], httpx.Response]:
    """Download a file of course 101, whose addresses carry a verifier, without the token."""
    file = next(f for f in own.get("/api/v1/courses/101/files").json() if f["display_name"] == "syllabus.txt")
    return file, httpx.get(file["url"], follow_redirects=True)


def test_short_file(campus: CampusServer, own: httpx.Client) -> None:
    """A file may end before its Content-Length."""
    campus.faults.add(Fault(match="GET /files/*", kind="short_file", host=Host.FILES))

    with pytest.raises(httpx.RemoteProtocolError):
        download(own)


def test_lying_size_of_a_file(campus: CampusServer, own: httpx.Client) -> None:
    """The bytes of a file may be others than its metadata say, under a Content-Length of their own."""
    campus.faults.add(Fault(match="GET /files/*", kind="lying_size", host="files"))
    file, answer = download(own)

    assert len(answer.content) == int(answer.headers["content-length"]) != file["size"]


def test_lying_size_of_metadata(campus: CampusServer, own: httpx.Client) -> None:
    """Metadata may name another size than before."""
    path = "/api/v1/courses/101/files?sort=size"
    before = [file["size"] for file in own.get(path).json()]
    campus.faults.add(Fault(match="GET /api/v1/courses/*/files*", kind="lying_size"))

    assert [file["size"] for file in own.get(path).json()] == [size + 7 for size in before]


def test_file_as_login_page(campus: CampusServer, own: httpx.Client) -> None:
    """Storage may send a log-in page with status 200."""
    campus.faults.add(Fault(match="GET /files/*", kind="login_page", host="files"))
    _, answer = download(own)

    assert answer.status_code == 200
    assert b"password" in answer.content


def test_broken_storage(campus: CampusServer, own: httpx.Client) -> None:
    """Storage may fail like any server."""
    campus.faults.add(Fault(match="GET /files/*", kind="status", status=503, host="files"))

    assert download(own)[1].status_code == 503


def test_unknown_kind() -> None:
    """An unknown kind or key of a fault is refused."""
    with pytest.raises(ValueError, match="meteor"):
        Fault(kind="meteor")
    with pytest.raises(ValueError, match="not a fault"):
        Fault.from_json({"kind": "reset", "colour": "red"})


def test_pattern_may_name_the_query() -> None:
    """A pattern is matched with and without the query."""
    faults = Faults()
    faults.add(Fault(match="GET /a*page=2*", kind="reset"))

    assert faults.take(Host.CANVAS, "GET", "/a", "/a?page=1") is None
    assert faults.take(Host.CANVAS, "GET", "/a", "/a?page=2") is not None
    assert faults.take(Host.FILES, "POST", "/a", "/a?page=2") is None
