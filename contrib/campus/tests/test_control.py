"""Control of a running campus: faults, counters, and changes while it is archived."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from coursekeep_campus import CampusServer


@pytest.fixture
def campus(order: Callable[..., CampusServer]) -> CampusServer:
    """Serve a campus of one's own."""
    return order(courses=8)


@pytest.fixture
def own(campus: CampusServer, connect: Callable[..., httpx.Client]) -> httpx.Client:
    """Speak to that campus."""
    return connect(campus)


def test_faults_over_http(campus: CampusServer, own: httpx.Client) -> None:
    """Faults are switched on and off over HTTP, without a token."""
    faults = [{"match": "GET /api/v1/users/self", "kind": "status", "status": 500}]
    added = httpx.post(f"{campus.url}/campus/faults", json=faults)
    during = own.get("/api/v1/users/self").status_code
    httpx.delete(f"{campus.url}/campus/faults")

    assert added.json() == {"faults": 1}
    assert during == 500
    assert own.get("/api/v1/users/self").status_code == 200


@pytest.mark.parametrize("body", ["[", '[{"kind": "meteor"}]', '[{"kin": "reset"}]', "7"])
def test_bad_faults(campus: CampusServer, body: str) -> None:
    """What is no list of faults is 400 with a reason, and switches nothing on."""
    answer = httpx.post(f"{campus.url}/campus/faults", content=body)

    assert answer.status_code == 400
    assert answer.json()["error"]


def test_known_and_stats(campus: CampusServer, own: httpx.Client) -> None:
    """What is known beforehand and what was asked can be read."""
    own.get("/api/v1/users/self")
    own.get("/api/v1/courses/999999")
    known = httpx.get(f"{campus.url}/campus/known").json()
    stats = httpx.get(f"{campus.url}/campus/stats").json()

    assert known == campus.known
    assert {"ended", "running", "forbidden", "deleted", "locked_file", "unknown", "late_grade"} <= known.keys()
    assert stats["by_status"] == {"200": 1, "404": 1}
    assert stats["max_in_flight"] == 1


def test_unknown_control_route(campus: CampusServer) -> None:
    """An unknown control route is 404."""
    assert httpx.get(f"{campus.url}/campus/nothing").status_code == 404


def test_requests_are_logged(campus: CampusServer, own: httpx.Client) -> None:
    """The server remembers what it was asked, and whether credentials came along."""
    own.get("/api/v1/users/self?a=b")
    httpx.get(f"{campus.url}/api/v1/users/self")
    host = own.base_url.netloc.decode()

    assert list(campus.requests) == [
        ("GET", "/api/v1/users/self?a=b", 200, True, host),
        ("GET", "/api/v1/users/self", 401, False, host),
    ]
    told = httpx.get(f"{campus.url}/campus/requests").json()
    assert [tuple(one.values()) for one in told] == list(campus.requests)


def test_late_grade(campus: CampusServer, own: httpx.Client) -> None:
    """A late grade changes the submission, the enrolment's grades and the history of grades, and nothing else."""
    known = campus.known
    course, assignment, user = known["late_grade"], known["late_grade_assignment"], known["late_grade_user"]

    def look() -> tuple[Any, Any, Any, Any]:
        base = f"/api/v1/courses/{course}"
        one = own.get(f"{base}/assignments/{assignment}/submissions/{user}").json()
        grades = own.get(f"{base}/enrollments", params={"user_id": user}).json()[0]["grades"]
        feed = own.get(f"{base}/gradebook_history/feed", params={"per_page": 100}).json()
        return one, grades, feed, own.get(f"{base}/pages").json()

    before = look()
    body = {"course": course, "assignment": assignment, "user": user, "score": 1.5}
    answer = httpx.post(f"{campus.url}/campus/grade", json=body)
    after = look()

    assert answer.status_code == 200
    assert (after[0]["score"], after[0]["grade"]) == (1.5, "1.5")
    assert after[0]["graded_at"] > before[0]["graded_at"]
    assert after[1]["final_score"] < before[1]["final_score"]
    assert after[2][1:] == before[2]
    assert (after[2][0]["previous_grade"], after[2][0]["new_grade"]) == (before[0]["grade"], "1.5")
    assert after[3] == before[3]


def test_grade_of_nobody(campus: CampusServer) -> None:
    """A grade for a submission that does not exist is 400."""
    body = {"course": 101, "assignment": 1, "user": 1, "score": 1}

    assert httpx.post(f"{campus.url}/campus/grade", json=body).status_code == 400


def test_touch(campus: CampusServer, own: httpx.Client) -> None:
    """A course can be deleted or renamed while it is being archived."""
    assert own.get("/api/v1/courses/101").status_code == 200
    httpx.post(f"{campus.url}/campus/touch", json={"course": 101, "state": "deleted"})

    assert own.get("/api/v1/courses/101").status_code == 404
    assert own.get("/api/v1/courses/101/pages").status_code == 404
