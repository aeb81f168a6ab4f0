"""One question to an LMS and its answer: retries, errors, redirects, secrets."""

from __future__ import annotations

import gzip
import traceback

import pytest
from fakes.http_client import TOKEN, make_client, run
from fakes.scripted_server import (
    Answer,
    ScriptedServer,
    answer,
    answer_json,
    hang,
    redirect,
    reset,
    short,
    status,
    trickle,
)
from pydantic import SecretStr

from coursekeep import (
    BearerDialect,
    ConnectorError,
    CredentialsNeeded,
    ForeignHost,
    MalformedAnswer,
    NoAccess,
    NotFound,
    RetryLater,
    SettingsError,
)


@pytest.fixture
def server():
    with ScriptedServer() as server:
        yield server


def get(server: ScriptedServer, address: str = "/api/v1/courses/7", params=(), **options):
    """Ask once, with a client of its own."""

    async def main():
        async with make_client(server.url, **options) as client:
            return await client.get(address, params)

    return run(main())


def post(server: ScriptedServer, *answers: Answer, repeatable: bool = False, **options):
    """Post a form, with a client of its own."""
    server.on("/exports", *answers)

    async def main():
        async with make_client(server.url, **options) as client:
            return await client.post("/exports", {"type": "zip", "ids": [1, 2]}, repeatable=repeatable)

    return run(main())


def test_answer_holds_what_the_lms_said(server):
    """A good answer has its parsed body, status, headers, and a name without the query."""
    server.on("/api/v1/courses/7", answer_json({"id": 7}, headers={"X-Request-Cost": "0.04"}))

    found = get(server, params={"include[]": ["term", "tabs"], "all": True, "none": None})

    assert found.body == {"id": 7}
    assert (found.status, found.headers["x-request-cost"]) == (200, "0.04")
    assert found.where == "GET /api/v1/courses/7"
    assert server.targets() == ["/api/v1/courses/7?include%5B%5D=term&include%5B%5D=tabs&all=true"]


def test_request_names_itself_and_carries_the_token(server):
    """A request has a User-Agent with product, version and contact, and the dialect's credentials."""
    server.on("/api/v1/courses/7", answer_json({}))

    get(server, contact="it@example.edu\r\nX-Evil: 1")

    headers = server.requests[0].headers
    assert headers["User-Agent"].startswith("Coursekeep/")
    assert headers["User-Agent"].endswith("(it@example.eduX-Evil: 1)")
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert headers["Accept"] == "application/json"


def test_base_address_may_have_a_path(server):
    """A relative address is appended to a base address that has a path, and joined to no other."""
    server.on("/moodle/webservice", answer_json({"ok": 1}))

    async def main():
        async with make_client(f"{server.url}/moodle/") as client:
            return await client.get("/webservice")

    assert run(main()).body == {"ok": 1}


@pytest.mark.parametrize(
    "base", ["canvas.example.edu", "ftp://x.example", "https://", "https://a:b@x.example", "http://["]
)
def test_unusable_base_address_is_refused(base):
    """A base address that is none, or holds credentials, is refused as a setting."""
    with pytest.raises(SettingsError, match="base_url"):
        make_client(base)


@pytest.mark.parametrize(
    "bad",
    [status(500), status(502), status(503), reset, short(b'{"id": 7'), answer(b'{"id": 7'), status(200), answer(b"")],
    ids=["500", "502", "503", "reset", "short", "truncated", "html", "empty"],
)
def test_failure_is_asked_again(server, bad):
    """5xx, broken connections, half a body, HTML for JSON and empty bodies are asked again until the answer is good."""
    server.on("/api/v1/courses/7", bad, bad, answer_json({"id": 7}))

    assert get(server).body == {"id": 7}
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        (status(502), RetryLater),
        (reset, RetryLater),
        (short(b'{"id": 7'), RetryLater),
        (answer(b'{"id": 7', content_type="application/json"), MalformedAnswer),
        (answer(b"<html>log in</html>"), MalformedAnswer),
        (answer(b'{"score": NaN}'), MalformedAnswer),
        (answer(b"[" * 200_000), MalformedAnswer),
        (answer(b'"\xff"'), MalformedAnswer),
    ],
    ids=["502", "reset", "short", "truncated", "html", "nan", "deep", "encoding"],
)
def test_lasting_failure_ends_with_the_policy(server, bad, kind):
    """What stays broken is raised after as many attempts as the policy allows, told apart by what may help."""
    server.on("/api/v1/courses/7", bad)

    with pytest.raises(kind) as caught:
        get(server)

    assert caught.value.where == "GET /api/v1/courses/7"
    # aiohttp asks once more by itself where a connection is closed without a byte
    assert len(server.requests) == (6 if bad is reset else 3)


def test_silence_counts_as_failure(server):
    """An LMS that never answers is given up after the time-out, by the policy."""
    server.on("/api/v1/courses/7", hang)

    with pytest.raises(RetryLater, match="did not answer in time"):
        get(server, timeout=0.3)

    assert len(server.requests) == 3


def test_unreachable_lms_is_told_with_its_host():
    """A refused connection names the host and the reason."""
    with ScriptedServer() as closed:
        pass

    with pytest.raises(RetryLater, match=r"127\.0\.0\.1 cannot be reached: .+"):
        get(closed)


@pytest.mark.parametrize(
    ("code", "kind"),
    [(400, MalformedAnswer), (401, CredentialsNeeded), (403, NoAccess), (404, NotFound), (410, NotFound)],
)
def test_refusal_is_judged_at_once(server, code, kind):
    """A 4xx is never asked again: the dialect says what it means."""
    server.on("/api/v1/courses/7", status(code))

    with pytest.raises(kind) as caught:
        get(server)

    assert caught.value.status == code
    assert len(server.requests) == 1


def test_error_with_status_200_is_the_dialects_to_see(server):
    """An LMS that errs with status 200 is understood by its dialect."""

    class Moodlish(BearerDialect):
        def error(self, response, where):
            if "exception" in response.json():
                return CredentialsNeeded(response.json()["message"], where=where)
            return None

    server.on("/ws", answer(b"<html>"), answer_json({"exception": "x", "message": "Invalid token"}))

    with pytest.raises(CredentialsNeeded, match="Invalid token"):
        get(server, "/ws", dialect=Moodlish(SecretStr(TOKEN)))

    assert len(server.requests) == 2  # HTML, which the dialect could not judge, was asked again


def test_packed_answer_is_unpacked(server):
    """A gzip answer is unpacked, also in several members."""
    packed = gzip.compress(b'{"id"') + gzip.compress(b": 7}")
    server.on("/api/v1/courses/7", answer(packed, headers={"Content-Encoding": "gzip"}))

    assert get(server).body == {"id": 7}


def test_large_answer_is_refused(server):
    """An answer above the limit is given up while it is read, packed bombs included, and not asked again."""
    bomb = gzip.compress(b"[" + b" " * 50_000_000 + b"]")
    server.on("/api/v1/courses/7", answer(bomb, headers={"Content-Encoding": "gzip"}))

    with pytest.raises(MalformedAnswer, match="larger than"):
        get(server, json_limit=1_000_000)

    assert len(server.requests) == 1


def test_endless_answer_is_refused(server):
    """A body that trickles without end is given up after a time for the whole of it, and not asked for again."""
    server.on("/api/v1/courses/7", trickle(pause=0.005))

    with pytest.raises(MalformedAnswer, match="did not end within"):
        get(server, timeout=20.0, total_timeout=0.2)

    assert len(server.requests) == 1


def test_redirect_within_the_origin_is_followed(server):
    """A redirect to the same origin is followed, with credentials."""
    server.on("/api/v1/courses/7", redirect("/api/v1/courses/9?x=%2F"))
    server.on("/api/v1/courses/9", answer_json({"id": 9}))

    assert get(server).body == {"id": 9}
    assert server.requests[1].target == "/api/v1/courses/9?x=%2F"
    assert "Authorization" in server.requests[1].headers


def test_redirect_to_a_stranger_is_refused(server):
    """A redirect of an API call to another origin raises before anything is sent there."""
    with ScriptedServer() as stranger:
        server.on("/api/v1/courses/7", redirect(f"{stranger.url}/steal?secret=1"))

        with pytest.raises(ForeignHost) as caught:
            get(server)

        assert stranger.requests == []
        assert "steal" not in str(caught.value)


def test_redirects_end(server):
    """A circle of redirects is given up after ten."""
    server.on("/api/v1/courses/7", redirect("/api/v1/courses/7"))

    with pytest.raises(MalformedAnswer, match="redirects"):
        get(server)

    assert len(server.requests) == 11


@pytest.mark.parametrize("address", ["http://localhost:{port}/x", "https://127.0.0.1:{port}/x", "http://127.0.0.1:1/x"])
def test_foreign_address_is_refused_before_it_is_asked(server, address):
    """An absolute address of another host, scheme or port is refused before anything is sent."""
    with pytest.raises(ForeignHost):
        get(server, address.format(port=server.port))

    assert server.requests == []


def test_cookies_are_not_kept(server):
    """A cookie that the LMS sets is not sent back: calls do not depend on one another."""

    async def main():
        async with make_client(server.url) as client:
            await client.get("/x")
            await client.get("/x")

    server.on("/x", answer_json({}, headers={"Set-Cookie": "session=1; Path=/"}))
    run(main())

    assert "Cookie" not in server.requests[1].headers


def test_environment_changes_nothing(server, monkeypatch, tmp_path):
    """Neither a proxy nor a netrc of the environment gets to see or change a request."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server.on("/api/v1/courses/7", answer_json({}))

    get(server)

    assert server.requests[0].headers["Authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize("bad", [status(502), reset, answer(b"x"), status(404), short(b"["), hang])
def test_errors_tell_no_secret(server, bad):
    """Neither an error nor its traceback holds the query, the token, or a part of the path that looks like a key."""
    key, verifier = "0a1b2c3d4e5f60718293a4b5c6d7e8f9", "hush".upper()
    server.on(f"/files/{key}/x", bad)

    with pytest.raises(ConnectorError) as caught:
        get(server, f"/files/{key}/x", {"verifier": verifier}, timeout=0.1)

    told = "".join(traceback.format_exception(caught.value))
    assert "GET /files/.../x" in told
    assert not [secret for secret in (TOKEN, verifier, key) if secret in told]


def test_form_is_posted(server):
    """A form goes out as fields, lists as several."""
    found = post(server, answer_json({"id": 1}))

    assert found.where == "POST /exports"
    assert (server.requests[0].method, server.requests[0].body) == ("POST", "type=zip&ids=1&ids=2")


@pytest.mark.parametrize("bad", [status(502), reset, answer(b"{"), hang], ids=["502", "reset", "truncated", "hang"])
def test_post_is_not_repeated(server, bad):
    """A POST that the LMS may have received is not sent twice."""
    with pytest.raises((RetryLater, MalformedAnswer)):
        post(server, bad, answer_json({}), timeout=0.5 if bad is hang else 10.0)

    assert len(server.requests) == 1


def test_reading_post_is_repeated(server):
    """A POST that only reads is repeated like a GET."""
    assert post(server, status(502), reset, answer_json({"id": 1}), repeatable=True).body == {"id": 1}


def test_throttled_post_is_repeated(server):
    """A POST that was refused for being too many is sent again."""
    assert post(server, status(429), answer_json({"id": 1})).body == {"id": 1}


def test_post_is_not_repeated_by_redirect(server):
    """After a 303 the result is fetched, not posted again."""
    server.on("/progress", answer_json({"id": 2}))

    assert post(server, redirect("/progress", 303)).body == {"id": 2}
    assert [(seen.method, seen.body) for seen in server.requests[1:]] == [("GET", "")]


@pytest.mark.parametrize("bad", [status(429), status(502), answer(b"{")], ids=["429", "502", "truncated"])
def test_post_is_not_repeated_for_its_result(server, bad):
    """Where the result of a POST is elsewhere and cannot be had at first, it is asked for again, not posted again."""
    server.on("/progress", bad, answer_json({"id": 2}))

    assert post(server, redirect("/progress", 303)).body == {"id": 2}
    assert [seen.method for seen in server.requests] == ["POST", "GET", "GET"]


def test_redirected_post_stays_a_post(server):
    """After a 307 the form is posted to the new address."""
    server.on("/new", answer_json({"id": 2}))

    assert post(server, redirect("/new", 307)).body == {"id": 2}
    assert [(seen.method, seen.body) for seen in server.requests] == [("POST", "type=zip&ids=1&ids=2")] * 2


@pytest.mark.parametrize(("token", "fits"), [("abc\n", True), ("a\nX-Evil: 1", False), ("tökén", False)])
def test_token_must_fit_a_header(server, token, fits):
    """A line break at a token's end is left out; a token that no header can carry is told as bad credentials."""
    server.on("/x", answer_json({}))

    if fits:
        get(server, "/x", dialect=BearerDialect(SecretStr(token)))
        assert server.requests[0].headers["Authorization"] == "Bearer abc"
    else:
        with pytest.raises(CredentialsNeeded, match="header"):
            get(server, "/x", dialect=BearerDialect(SecretStr(token)))
        assert server.requests == []


def test_closed_client_may_be_opened_again(server):
    """A client that was closed opens new connections when it is used again, also in another event loop."""
    server.on("/x", answer_json({"id": 1}))
    client = make_client(server.url)

    async def main():
        async with client:
            return (await client.get("/x")).body

    assert run(main()) == {"id": 1}
    assert run(main()) == {"id": 1}


def test_address_within_a_path_is_no_address(server):
    """A path or query that holds an address is a path of the LMS all the same."""
    server.on("/go/http://other.example/", answer_json({"id": 1}))

    assert get(server, "/go/http://other.example/?back=http://x.example").body == {"id": 1}
