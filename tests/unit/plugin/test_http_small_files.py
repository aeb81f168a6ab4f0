"""Small files, ids in addresses, and what an LMS repeats of what it was sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import httpx
import pytest
from fakes.http_client import QUICK, TOKEN, make_client, run

from coursekeep import BearerDialect, ConnectorError, MalformedAnswer, NotFound, RetryLater, segment
from coursekeep.exchange import Exchange

SITE = "http://lms.example"


class Half(httpx.AsyncByteStream):
    """A body that breaks off."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"half"
        raise httpx.ReadError("the connection broke")


def read(answers: list[httpx.Response], limit: int = 100) -> bytes:
    """Read a file that is answered so, one answer after the other."""
    transport = httpx.MockTransport(lambda request: answers.pop(0))

    async def main() -> bytes:
        async with make_client(SITE, transport=transport) as client:
            return await client.read("/files/1", limit=limit)

    return run(main())


def test_small_file_is_read_again_where_its_stream_breaks():
    """A stream that breaks counts as an attempt; the bytes of the next one are given, and nothing twice."""
    assert read([httpx.Response(200, stream=Half()), httpx.Response(503), httpx.Response(200, content=b"whole")]) == (
        b"whole"
    )


def test_small_file_is_given_up_by_the_policy():
    """Where every attempt breaks, the last error is raised, after as many attempts as the policy allows."""
    answers = [httpx.Response(200, stream=Half()) for _ in range(QUICK.attempts + 1)]
    with pytest.raises(RetryLater, match="broke the connection"):
        read(answers)

    assert len(answers) == 1


def test_small_file_has_a_limit():
    """What is longer than the limit is not read into memory."""
    with pytest.raises(MalformedAnswer, match="longer than 3 bytes"):
        read([httpx.Response(200, content=b"four")], limit=3)


@pytest.mark.parametrize("id_", ["", ".", "..", " ", " .. "])
def test_segment_refuses_what_no_quoting_keeps_in_its_place(id_):
    """Dots and emptiness lead to another place of a path, so that nothing has such an id."""
    with pytest.raises(NotFound):
        segment(id_)


def test_segment_quotes_everything_else():
    """Slashes, marks of queries and encodings stay within the segment."""
    assert segment("a/../b?c#d%2Fä\0") == "a%2F..%2Fb%3Fc%23d%252F%C3%A4%00"


class Loud(BearerDialect):
    """Repeats what the LMS said."""

    def error(self, response: httpx.Response, where: str) -> ConnectorError | None:
        return MalformedAnswer(f"the LMS said: {response.text}", where=where) if response.status_code != 200 else None

    def file_form(self) -> Mapping[str, str]:
        return {"token": "made-up form+token"}

    def file_error(self, response: httpx.Response, where: str) -> ConnectorError | None:
        return MalformedAnswer(f"the LMS said: {response.text}", where=where)


@pytest.mark.parametrize("path", ["/me", "/files/1"])
def test_credentials_that_an_lms_repeats_are_hidden(path):
    """A token in the LMS's answer is taken out of the error, in every spelling, whoever asked: API or download."""

    def echo(request: httpx.Request) -> httpx.Response:
        said = f"{request.headers['authorization']} made-up form+token made-up+form%2Btoken"
        return httpx.Response(400 if path == "/me" else 200, json={"error": said})

    async def main() -> None:
        dialect = Loud(make_client(SITE).dialect._token)
        async with make_client(SITE, dialect=dialect, transport=httpx.MockTransport(echo)) as client:
            await (client.get(path) if path == "/me" else client.read(path, limit=1000))

    with pytest.raises(MalformedAnswer) as raised:
        run(main())
    for told in (str(raised.value), raised.value.message, repr(raised.value)):
        assert TOKEN not in told
        assert "form+token" not in told
        assert "form%2Btoken" not in told
        assert "the LMS said" in told


def test_short_values_are_not_hidden():
    """A header of a sign or two stands in any text by chance, and hides nothing."""
    exchange = make_client(SITE)._exchange
    assert isinstance(exchange, Exchange)
    error = MalformedAnswer("2 of 3")
    exchange.hush(error, httpx.Request("GET", SITE, headers={"X-Version": "2"}))

    assert error.message == "2 of 3"


@pytest.mark.parametrize(("repeatable", "told"), [(True, [True]), (False, [False])])
def test_transport_is_told_what_may_be_repeated(repeatable, told):
    """A request says in its extensions whether sending it twice does no harm."""
    seen = []

    def note(request: httpx.Request) -> httpx.Response:
        seen.append(request.extensions["repeatable"])
        return httpx.Response(200, json={})

    async def main() -> None:
        async with make_client(SITE, transport=httpx.MockTransport(note)) as client:
            await client.post("/read", {"a": "b"}, repeatable=repeatable)

    run(main())
    assert seen == told
