"""Tokens, errors and headers: what Canvas says in which situation."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from coursekeep_campus import CampusServer, Options

SELF = "/api/v1/users/self"


@pytest.mark.parametrize(
    ("token", "message"),
    [
        ("nonsense", "Invalid access token."),
        ("expired", "Expired access token."),
        ("revoked", "Revoked access token."),
    ],
)
def test_bad_token(server: CampusServer, connect: Callable[..., httpx.Client], token: str, message: str) -> None:
    """An unknown, expired or revoked token is 401 with its own message and WWW-Authenticate."""
    answer = connect(server, token).get(SELF)

    assert answer.status_code == 401
    assert answer.json() == {"errors": [{"message": message}]}
    assert answer.headers["www-authenticate"] == 'Bearer realm="canvas-lms"'


def test_no_credentials(server: CampusServer, connect: Callable[..., httpx.Client]) -> None:
    """A request without credentials is 401 in another shape, with WWW-Authenticate."""
    answer = connect(server, None).get(SELF)

    assert answer.status_code == 401
    assert answer.json() == {"status": "unauthenticated", "errors": [{"message": "user authorization required"}]}
    assert "www-authenticate" in answer.headers


def test_too_few_scopes(server: CampusServer, connect: Callable[..., httpx.Client]) -> None:
    """A token without the scope is 401 without WWW-Authenticate."""
    client = connect(server, "scoped")
    answer = client.get("/api/v1/courses/101/enrollments")

    assert client.get("/api/v1/courses/101").status_code == 200
    assert answer.status_code == 401
    assert answer.json() == {"errors": [{"message": "Insufficient scopes on access token."}]}
    assert "www-authenticate" not in answer.headers


@pytest.mark.parametrize("status", [401, 403])
def test_no_right(order: Callable[..., CampusServer], connect: Callable[..., httpx.Client], status: int) -> None:
    """A missing right is 403, or 401 on older servers, never with WWW-Authenticate."""
    server = order(options=Options(throttle=None, no_right_status=status))
    answer = connect(server).get(f"/api/v1/courses/{server.known['forbidden']}")

    assert answer.status_code == status
    assert answer.json()["status"] == "unauthorized"
    assert "www-authenticate" not in answer.headers


def test_user_agent_is_mandatory(server: CampusServer) -> None:
    """A request without User-Agent, or with a blank one, is refused with 403 in JSON."""
    for agent in (None, " "):
        connection = http.client.HTTPConnection(urlsplit(server.url).netloc)
        connection.putrequest("GET", SELF)
        connection.putheader("Authorization", f"Bearer {server.token}")
        if agent is not None:
            connection.putheader("User-Agent", agent)
        connection.endheaders()
        answer = connection.getresponse()
        body = json.loads(answer.read())
        connection.close()

        assert answer.status == 403
        assert body["error"] == "Forbidden"
        assert "valid user agent" in body["message"]


def test_own_headers_are_lower_case(server: CampusServer) -> None:
    """Link and cost headers are named in lower case, as behind HTTP/2."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc)
    headers = {"Authorization": f"Bearer {server.token}", "User-Agent": "test"}
    connection.request("GET", "/api/v1/courses/101/pages", headers=headers)
    answer = connection.getresponse()
    names = [name for name, _ in answer.getheaders()]
    connection.close()

    assert "link" in names


def test_missing_object(client: httpx.Client, server: CampusServer) -> None:
    """What does not exist, or is deleted, is 404 with Canvas's sentence."""
    for path in (f"courses/{server.known['unknown']}", f"courses/{server.known['deleted']}", "courses/101/quizzes/1"):
        answer = client.get(f"/api/v1/{path}")

        assert answer.status_code == 404
        assert answer.json() == {"errors": [{"message": "The specified resource does not exist."}]}


def test_string_ids(client: httpx.Client, trap: Callable[[str], int]) -> None:
    """Ids are numbers, beyond 2**53 too; with `canvas-string-ids` every one is text."""
    path = f"/api/v1/courses/{trap('big_ids')}/modules?include[]=items"
    plain = client.get(path).json()
    texts = client.get(path, headers={"Accept": "application/json+canvas-string-ids"}).json()

    assert plain[0]["id"] > 2**53
    assert texts[0]["id"] == str(plain[0]["id"])
    assert texts[0]["items"][0]["module_id"] == str(plain[0]["id"])
    assert texts[0]["position"] == 1


def test_string_ids_leave_texts_alone(client: httpx.Client, trap: Callable[[str], int]) -> None:
    """Text that looks like an id inside a page is not touched."""
    path = f"/api/v1/courses/{trap('strange_text')}/pages/strange-5"
    texts = client.get(path, headers={"Accept": "application/json+canvas-string-ids"}).json()

    assert texts["body"] == client.get(path).json()["body"] == '<p>sis_user_id":null,"id":5</p>'


def test_sis_ids_need_the_right(server: CampusServer, connect: Callable[..., httpx.Client]) -> None:
    """Without the right to read them, `sis_*` fields are absent rather than null."""
    course = next(c.id for c in server.campus.courses.values() if c.taught and c.access.value == "open")
    admin = connect(server).get(f"/api/v1/courses/{course}/sections").json()
    teacher = connect(server, "teacher").get(f"/api/v1/courses/{course}/sections").json()

    assert "sis_section_id" in admin[0]
    assert not [name for name in teacher[0] if name.startswith("sis_")]
    assert teacher[0]["name"] == admin[0]["name"]


def test_teacher_has_no_account(server: CampusServer, connect: Callable[..., httpx.Client]) -> None:
    """A teacher's token reads its own courses, no account, and no strange course."""
    client = connect(server, "teacher")
    own: list[Any] = client.get("/api/v1/courses?per_page=100").json()

    assert own
    assert client.get("/api/v1/accounts/self/courses").status_code == 403
    assert client.get("/api/v1/courses/102/pages").status_code == 403


def test_masquerading_is_refused(client: httpx.Client) -> None:
    """An unknown `as_user_id` is 401 with `errors` as a plain string."""
    answer = client.get(SELF, params={"as_user_id": "7"})

    assert (answer.status_code, answer.json()) == (401, {"errors": "Invalid as_user_id"})
