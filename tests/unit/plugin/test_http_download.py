"""Downloads: the bytes as they are, and credentials for nobody else."""

from __future__ import annotations

import gzip
import os

import httpx
import pytest
from fakes.http_client import TOKEN, make_client, run
from fakes.scripted_server import ScriptedServer, answer, answer_json, hang, redirect, reset, short, status, trickle
from pydantic import SecretStr

from coursekeep import (
    BearerDialect,
    CredentialsNeeded,
    FileAuth,
    ForeignHost,
    MalformedAnswer,
    NoAccess,
    NotFound,
    RetryLater,
)

BYTES = os.urandom(3_000_000)


@pytest.fixture
def server():
    with ScriptedServer() as server:
        yield server


@pytest.fixture
def storage():
    """Another origin, such as a files domain."""
    with ScriptedServer() as server:
        yield server


def fetch(server: ScriptedServer, address: str = "/files/7", auth: FileAuth = FileAuth.TOKEN, **options):
    """Download, and return what is known of the download and its blocks."""

    async def main():
        async with make_client(server.url, **options) as client:
            async with client.download(address, auth=auth) as download:
                blocks = [block async for block in download.chunks]
            assert client.governor.in_flight == 0
            return download, blocks

    return run(main())


def authorized(server: ScriptedServer) -> list[bool]:
    """Tell which of the requests carried credentials."""
    return ["Authorization" in seen.headers for seen in server.requests]


def test_bytes_come_as_they_are(server):
    """A file comes unchanged in blocks of about 1 MiB, with its size, type and host."""
    server.on("/files/7", answer(BYTES, content_type="application/pdf"))

    download, blocks = fetch(server)

    assert b"".join(blocks) == BYTES
    assert all(1024 * 1024 <= len(block) <= 2.5 * 1024 * 1024 for block in blocks[:-1])
    assert (download.size, download.content_type, download.host) == (len(BYTES), "application/pdf", "127.0.0.1")
    assert server.requests[0].headers["Accept-Encoding"] == "identity"


def test_empty_file_is_a_file(server):
    """A file of no bytes is downloaded as such."""
    server.on("/files/7", answer(b""))

    download, blocks = fetch(server)

    assert (download.size, blocks) == (0, [])


def test_coded_file_is_unpacked(server):
    """A file sent with a gzip coding, though none was asked for, is unpacked; its size is then unknown."""
    packed = gzip.compress(BYTES[:1_500_000]) + gzip.compress(BYTES[1_500_000:])
    server.on("/files/7", answer(packed, headers={"Content-Encoding": "gzip"}))

    download, blocks = fetch(server)

    assert b"".join(blocks) == BYTES
    assert download.size is None


def test_unknown_coding_is_refused(server):
    """A file in a coding that cannot be undone is refused, not stored as if it were the file."""
    server.on("/files/7", answer(b"x", headers={"Content-Encoding": "br"}))

    with pytest.raises(MalformedAnswer, match="br"):
        fetch(server)


def test_credentials_stay_with_the_lms(server, storage):
    """A redirect to another host is followed without credentials, byte for byte, and back without them too."""
    signed = "/o/a%2Cb%20%28c%29?X-Amz-Signature=f%2F%7E&token=x+y"
    server.on("/files/7", redirect(f"{storage.url}{signed}"))
    storage.on("/o/a,b (c)", redirect(f"{server.url}/back"))
    server.on("/back", answer(b"data"))

    _, blocks = fetch(server)

    assert blocks == [b"data"]
    assert authorized(server) == [True, False]
    assert authorized(storage) == [False]
    assert storage.targets() == [signed]


def test_redirect_within_the_lms_keeps_credentials(server):
    """A redirect to the same origin keeps the credentials."""
    server.on("/files/7", redirect("/files/7/download"))
    server.on("/files/7/download", answer(b"data"))

    fetch(server)

    assert authorized(server) == [True, True]


def test_file_elsewhere_is_asked_without_credentials(server, storage):
    """A file whose address is another host's is asked for without credentials, whatever its part says."""
    storage.on("/f", answer(b"data"))

    for auth in FileAuth:
        assert fetch(server, f"{storage.url}/f", auth)[1] == [b"data"]

    assert authorized(storage) == [False] * 3


def test_file_without_credentials(server):
    """`FileAuth.NONE` sends none even to the LMS itself."""
    server.on("/files/7", answer(b"data"))

    fetch(server, auth=FileAuth.NONE)

    assert authorized(server) == [False]


@pytest.mark.parametrize("hosts", [("files.example.edu",), ("localhost",)])
def test_hosts_may_be_limited(server, storage, hosts):
    """With `file_hosts`, a redirect or an address to another host is refused before it is asked."""
    server.on("/files/7", redirect(f"{storage.url}/f?secret=1"))

    for address in ("/files/7", f"{storage.url}/f?secret=1"):
        with pytest.raises(ForeignHost, match="file_hosts") as caught:
            fetch(server, address, file_hosts=hosts)
        assert "secret" not in str(caught.value)

    assert storage.requests == []


def test_allowed_host_is_followed(server, storage):
    """With `file_hosts`, a host named there is followed; the LMS's own always is."""
    server.on("/files/7", redirect("/files/8"))
    server.on("/files/8", redirect(f"{storage.url}/f"))
    storage.on("/f", answer(b"data"))

    for host in ("127.0.0.1", f"127.0.0.1:{storage.port}"):
        assert fetch(server, file_hosts=(host,))[1] == [b"data"]


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://me:pw@127.0.0.1/x"])
def test_other_schemes_are_refused(server, location):
    """A redirect to what is not plain http or https is refused."""
    server.on("/files/7", redirect(location))

    with pytest.raises(ForeignHost):
        fetch(server)


def test_redirects_end(server):
    """A circle of redirects ends after ten."""
    server.on("/files/7", redirect("/files/7"))

    with pytest.raises(MalformedAnswer, match="redirects"):
        fetch(server)

    assert len(server.requests) == 11


@pytest.mark.parametrize(
    ("code", "kind"),
    [(401, CredentialsNeeded), (403, NoAccess), (404, NotFound), (410, NotFound), (400, MalformedAnswer),
     (206, MalformedAnswer), (204, MalformedAnswer)],
)  # fmt: skip
def test_refused_file_is_told(server, code, kind):
    """What is not the file raises what it means, at once."""
    server.on("/files/7", status(code))

    with pytest.raises(kind):
        fetch(server)

    assert len(server.requests) == 1


@pytest.mark.parametrize(("code", "kind"), [(401, NoAccess), (403, NoAccess), (404, NotFound), (503, RetryLater)])
def test_refusal_of_the_storage_is_no_matter_of_credentials(server, storage, code, kind):
    """A storage that refuses never halts the integration; the error names the host, not the path or query."""
    server.on("/files/7", redirect(f"{storage.url}/key-to-all/f?signature=1"))
    storage.on("/key-to-all/f", status(code))

    with pytest.raises(kind) as caught:
        fetch(server)

    assert "key-to-all" not in str(caught.value)
    assert "signature" not in str(caught.value)


@pytest.mark.parametrize(
    "page", [answer(b"x" * 300_000, status=404), answer(b"x", status=404, headers={"Content-Encoding": "br"})]
)
def test_refusal_with_a_strange_page_is_told(server, page):
    """A refusal whose page is too long or cannot be unpacked is known by its status."""
    server.on("/files/7", page)

    with pytest.raises(NotFound):
        fetch(server)


@pytest.mark.parametrize("bad", [status(500), status(429), reset])
def test_opening_is_repeated(server, bad):
    """Opening a download is repeated by the policy."""
    server.on("/files/7", bad, bad, answer(b"data"))

    assert fetch(server)[1] == [b"data"]


def test_opening_ends_with_the_policy(server):
    """Opening a download that stays broken raises after the policy's attempts."""
    server.on("/files/7", hang)

    with pytest.raises(RetryLater):
        fetch(server, timeout=0.3)

    assert len(server.requests) == 3


@pytest.mark.parametrize("body", [b"", BYTES], ids=["nothing", "a part"])
def test_short_file_is_noticed(server, body):
    """A body shorter than its Content-Length raises, and is not asked for again in the middle."""
    server.on("/files/7", short(body))

    with pytest.raises(RetryLater):
        fetch(server)

    assert len(server.requests) == 1


def test_short_file_is_noticed_with_any_transport(server):
    """The length is checked by the client, not left to the transport."""
    transport = httpx.MockTransport(
        lambda request: httpx.Response(200, headers={"Content-Length": "9"}, stream=httpx.ByteStream(b"data"))
    )

    with pytest.raises(RetryLater, match="4 bytes came of the 9"):
        fetch(server, transport=transport)


def test_coded_file_without_end_is_noticed(server):
    """A gzip body that ends early raises, also where its length was not told."""
    server.on("/files/7", answer(gzip.compress(BYTES)[:-20], headers={"Content-Encoding": "gzip"}))

    with pytest.raises(RetryLater, match="ends early"):
        fetch(server)


def test_trickling_file_ends(server):
    """A file that trickles below any use is given up, not waited for without end."""
    server.on("/files/7", trickle(pause=0.005))

    with pytest.raises(RetryLater, match="less than"):
        fetch(server, timeout=20.0, total_timeout=0.2)


PLAIN, SIGNED = "/files/7", "/files/7?verifier=x"


@pytest.mark.parametrize(
    ("address", "answers", "tries"),
    [
        (PLAIN, [answer(b"data")], [True]),
        (PLAIN, [status(401), answer(b"data")], [True, False]),
        (PLAIN, [redirect("/login/canvas"), answer(b"data")], [True, True, False]),
        (SIGNED, [answer(b"data")], [False]),
        (SIGNED, [status(401), answer(b"data")], [False, True]),
        (SIGNED, [status(403), answer(b"data")], [False, True]),
        (SIGNED, [redirect("/login?next=x"), answer(b"data")], [False, False, True]),
    ],
)
def test_either_way_is_tried(server, address, answers, tries):
    """Where the way is not known, an address with a query goes without credentials first, another with; then the
    other way once."""
    server.on("/files/7", *answers)
    for login in ("/login", "/login/canvas"):
        server.on(login, answer(b"<html>log in</html>"))

    assert fetch(server, address, FileAuth.EITHER)[1] == [b"data"]
    assert authorized(server) == tries


@pytest.mark.parametrize(("address", "kind"), [(SIGNED, NoAccess), (PLAIN, CredentialsNeeded)])
def test_refused_either_way(server, address, kind):
    """A file that is refused both ways, once each, is no access; but where its address holds nothing that could be
    refused, bad credentials are told as such."""
    server.on("/files/7", status(401))

    with pytest.raises(kind):
        fetch(server, address, FileAuth.EITHER)

    assert len(server.requests) == 2


def test_log_in_page_is_no_file(server):
    """A redirect to the LMS's log-in page is no access, whatever its status says."""
    server.on("/files/7", redirect("/login/canvas"))
    server.on("/login/canvas", answer(b"<html>log in</html>"))

    with pytest.raises(NoAccess, match="log-in"):
        fetch(server)


def test_html_file_is_a_file(server):
    """An HTML page that nothing tells to be a log-in page is passed on with its type, for the caller to judge."""
    server.on("/files/7", redirect("/files/login/index.html"))
    server.on("/files/login/index.html", answer(b"<html>"))

    download, blocks = fetch(server)

    assert (download.content_type, blocks) == ("text/html", [b"<html>"])


def test_dialect_judges_refusals_of_its_lms(server):
    """A throttled file is known by the LMS's own sign, and tried again."""

    class Canvasish(BearerDialect):
        def error(self, response, where):
            if "Rate Limit" in response.text:
                return RetryLater("throttled", where=where, throttled=True)
            return super().error(response, where)

    server.on("/files/7", answer("403 Forbidden (Rate Limit Exceeded)", status=403), answer(b"data"))

    assert fetch(server, dialect=Canvasish(SecretStr(TOKEN)))[1] == [b"data"]


def test_reader_may_stop_early(server):
    """Who leaves a download early frees its place, and the next request works."""
    server.on("/files/7", answer(BYTES * 10))
    server.on("/x", answer_json({"id": 1}))

    async def main():
        async with make_client(server.url, max_concurrency=1) as client:
            async with client.download("/files/7") as download:
                async for _ in download.chunks:
                    break
            return (await client.get("/x")).body

    assert run(main()) == {"id": 1}


def test_cancelled_download_frees_its_place(server):
    """A download that is cancelled in the middle frees its place and its connection."""
    import asyncio

    server.on("/files/7", trickle(b"x" * 65536, pause=0.001))
    server.on("/x", answer_json({"id": 1}))

    async def main():
        async with make_client(server.url, max_concurrency=1) as client:
            started = asyncio.Event()

            async def read():
                async with client.download("/files/7") as download:
                    async for _ in download.chunks:
                        started.set()

            task = asyncio.create_task(read())
            await started.wait()
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
            return (await client.get("/x")).body

    assert run(main()) == {"id": 1}


class Posting(BearerDialect):
    """An LMS that takes its token as a form field, and refuses files with status 200."""

    def file_form(self):
        return {"token": TOKEN}

    def file_error(self, response, where):
        return NoAccess("refused", where=where) if b"refused" in response.content[:20] else None


def test_credentials_may_be_a_form_field(server):
    """A dialect with a form makes downloads POSTs with the credentials in the body; without credentials it is a GET."""
    server.on("/files/7", answer(b"data"))

    assert fetch(server, dialect=Posting(SecretStr(TOKEN)))[1] == [b"data"]
    assert fetch(server, dialect=Posting(SecretStr(TOKEN)), auth=FileAuth.NONE)[1] == [b"data"]
    assert [(seen.method, TOKEN in seen.body) for seen in server.requests] == [("POST", True), ("GET", False)]


def test_a_form_goes_to_the_own_origin_only(server, storage):
    """A redirect to another host is followed without the form."""
    storage.on("/files/9", answer(b"data"))
    server.on("/files/7", redirect(f"{storage.url}/files/9"))

    assert fetch(server, dialect=Posting(SecretStr(TOKEN)))[1] == [b"data"]
    assert [(seen.method, seen.body) for seen in storage.requests] == [("GET", "")]


@pytest.mark.parametrize("kind", ["application/json", "text/html"])
def test_a_refusal_with_status_200_is_told_by_the_dialect(server, kind):
    """JSON and HTML are shown to the dialect, which may say that they are no file; others are files."""
    server.on("/files/7", answer(b"refused", content_type=kind))
    server.on("/files/8", answer(b"refused", content_type="application/pdf"))

    with pytest.raises(NoAccess):
        fetch(server, dialect=Posting(SecretStr(TOKEN)))
    assert fetch(server, "/files/8", dialect=Posting(SecretStr(TOKEN)))[1] == [b"refused"]


def test_a_doubtful_file_is_whole(server):
    """What the dialect was shown comes to the reader once more, and the rest after it."""
    server.on("/files/7", answer(BYTES * 5, content_type="application/json"))

    assert b"".join(fetch(server, dialect=Posting(SecretStr(TOKEN)))[1]) == BYTES * 5
