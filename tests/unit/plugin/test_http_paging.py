"""Lists: followed to their end, never astray, never in circles."""

from __future__ import annotations

import pytest
from fakes.http_client import collected, make_client, run
from fakes.scripted_server import ScriptedServer, answer_json, status

from coursekeep import BearerDialect, ForeignHost, MalformedAnswer, NotFound


@pytest.fixture
def server():
    with ScriptedServer() as server:
        yield server


def page(items, link: str | None = None, **more):
    """Answer a page that may have a next one."""
    headers = {"Link": f'<{link}>; rel="next",<http://x.example/>; rel="first"'} if link else None
    return answer_json(items if not more else {**more}, headers=headers)


def read(server: ScriptedServer, address: str = "/list", *, key: str | None = None, how: str = "pages", **options):
    """Read a list to its end."""

    async def main():
        async with make_client(server.url, **options) as client:
            return await collected(getattr(client, how)(address, {"per_page": 2}, key=key))

    return run(main())


def test_list_is_followed_to_its_end(server):
    """Pages come in order and numbered, whatever their sizes: an empty one in the middle is no end."""
    server.on("/list", page([{"id": 1}], "/2"))
    server.on("/2", page([], "/3"))
    server.on("/3", page([{"id": 2}, {"id": 3}]))

    pages = read(server)

    assert [(page.number, page.items) for page in pages] == [(1, [{"id": 1}]), (2, []), (3, [{"id": 2}, {"id": 3}])]


def test_links_are_opaque(server):
    """A next link is followed byte for byte, with credentials, and without the first request's parameters."""
    link = "/list/%7Enext?page=bookmark:WyJ4Il0%3D&a=%2C%5B%5D+b%20c&d=%28%29~"
    server.on("/list", page([{"id": 1}], server.url + link))
    server.on("/list/~next", page([{"id": 2}]))

    read(server)

    assert server.targets() == ["/list?per_page=2", link]
    assert "Authorization" in server.requests[1].headers


def test_relative_link_is_resolved_from_its_answer(server):
    """A relative link belongs to the answer that held it."""
    server.on("/a/list", page([1], "more?page=2"))
    server.on("/a/more", page([2]))

    assert read(server, "/a/list", how="items") == [1, 2]


def test_wrapped_list_is_found_by_its_key(server):
    """A list within an object is named by its key; the page keeps the whole body."""
    server.on("/list", page(None, terms=[{"id": 1}], meta={"x": 1}))

    pages = read(server, key="terms")

    assert pages[0].items == [{"id": 1}]
    assert pages[0].body["meta"] == {"x": 1}


@pytest.mark.parametrize(
    ("body", "key", "message"),
    [
        ({"errors": []}, "terms", "has no 'terms'"),
        ([], "terms", "has no 'terms'"),
        ({"terms": None}, "terms", "'terms' of the answer is no list"),
        ({"items": []}, None, "the answer is no list"),
        (None, None, "the answer is no list"),
    ],
)
def test_what_is_no_list_is_refused(server, body, key, message):
    """A missing key and a body that is no list are errors, never an empty list."""
    server.on("/list", answer_json(body))

    with pytest.raises(MalformedAnswer, match=message):
        read(server, key=key)


def test_link_to_a_stranger_is_refused_before_it_is_asked(server):
    """A next link to another origin raises, and nothing is sent there."""
    with ScriptedServer() as stranger:
        server.on("/list", page([1], f"{stranger.url}/list?page=2"))

        with pytest.raises(ForeignHost):
            read(server)

        assert stranger.requests == []


@pytest.mark.parametrize("link", ["http://me:secret@127.0.0.1/", "ftp://127.0.0.1/x", "http://[", "//other.example/x"])
def test_unusable_link_is_refused(server, link):
    """A link that is none, or that holds credentials, is an error of the LMS."""
    server.on("/list", page([1], link))

    with pytest.raises(MalformedAnswer):
        read(server)


def test_circle_of_pages_is_found(server):
    """A page that leads back to an earlier one is an error, never a list without end."""
    server.on("/list", page([{"id": 1}], "/2"))
    server.on("/2", page([{"id": 2}], "/3"))
    server.on("/3", page([{"id": 3}], "/2"))

    with pytest.raises(MalformedAnswer, match="leads back"):
        read(server)

    assert len(server.requests) == 3


class _Counting(BearerDialect):
    """Pages for ever, by ever new addresses."""

    def next_page(self, response, body):
        return f"?page={int(response.request.url.params.get('page', 0)) + 1}"


@pytest.mark.parametrize("items", [[], [{"id": 1}]], ids=["empty", "the same"])
def test_list_that_brings_nothing_new_ends(server, items):
    """Pages without end that are all empty, or all the same, are an error."""
    from pydantic import SecretStr

    server.on("/list", answer_json(items))

    with pytest.raises(MalformedAnswer, match="nothing new"):
        read(server, dialect=_Counting(SecretStr("x")))


def test_page_is_asked_again_where_it_fails(server):
    """A failing page is asked again; what was read before is not."""
    server.on("/list", page([{"id": 1}], "/2"))
    server.on("/2", status(502), page([{"id": 2}]))

    assert read(server, how="items") == [{"id": 1}, {"id": 2}]
    assert [target.split("?")[0] for target in server.targets()] == ["/list", "/2", "/2"]


def test_list_that_breaks_raises(server):
    """A list whose later page is refused raises: a part of a list never passes for the whole."""
    server.on("/list", page([{"id": 1}], "/2"))

    with pytest.raises(NotFound):
        read(server, how="items")


def test_items_come_once(server):
    """An id that comes again on a later page is left out; items without id all come."""
    server.on("/list", page([{"id": 1}, {"n": 0}, {"id": "1"}], "/2"))
    server.on("/2", page([{"id": 1}, {"n": 0}, {"id": None}, 5, 5]))

    assert read(server, how="items") == [{"id": 1}, {"n": 0}, {"id": "1"}, {"n": 0}, {"id": None}, 5, 5]


def test_reader_may_stop_early(server):
    """Who stops reading early leaves nothing open, and no further page is asked for."""
    server.on("/list", page([{"id": 1}, {"id": 2}], "/2"))

    async def main():
        async with make_client(server.url) as client:
            async for item in client.items("/list"):
                assert item == {"id": 1}
                break
            return client.governor.in_flight

    assert run(main()) == 0
    assert len(server.requests) == 1
