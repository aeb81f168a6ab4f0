"""The Moodle campus does what real Moodles were seen to do, however awkward that is for a client."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from coursekeep_campus.moodle import MoodleServer, Options, moodle_content


@pytest.fixture(scope="module")
def server() -> Iterator[MoodleServer]:
    with MoodleServer(moodle_content(courses=6)) as running:
        yield running


def ask(server: MoodleServer, function: str, token: str = "archive", **arguments: Any) -> Any:  # a name
    form = {"wstoken": server.tokens.get(token, token), "wsfunction": function, "moodlewsrestformat": "json"}
    answer = httpx.post(f"{server.url}/webservice/rest/server.php", data={**form, **arguments})
    assert answer.status_code == 200
    return answer.json()


def code(body: Any) -> str:
    return str(body["errorcode"])


def test_the_same_seed_gives_the_same_site() -> None:
    """Content depends on seed, number and day alone."""
    assert moodle_content(seed=5, courses=3) == moodle_content(seed=5, courses=3)


def test_errors_have_status_200(server: MoodleServer) -> None:
    """Unknown tokens, courses and functions are told with status 200; the last two look alike."""
    info, contents = "core_webservice_get_site_info", "core_course_get_contents"

    assert code(ask(server, info, "nobody")) == "invalidtoken"
    assert code(ask(server, info, "expired")) == "accessexception"
    assert code(ask(server, info, "suspended")) == "wsaccessusersuspended"
    assert code(ask(server, contents, courseid="999999")) == "invalidrecord"
    assert code(ask(server, "core_no_such_function")) == "invalidrecord"
    assert code(ask(server, contents, courseid=str(server.known["forbidden"]))) == "errorcoursecontextnotvalid"


def test_arguments_are_judged(server: MoodleServer) -> None:
    """Unknown keys, words for numbers and `true` for a boolean are refused."""
    assignments = "mod_assign_get_assignments"

    assert code(ask(server, "core_course_get_contents", courseid="abc")) == "invalidparameter"
    assert code(ask(server, "core_course_get_contents", courseid="21", more="1")) == "invalidparameter"
    wrong = {"courseids[0]": "21", "includenotenrolledcourses": "true"}
    assert code(ask(server, assignments, **wrong)) == "invalidparameter"


def test_one_closed_course_fails_the_list(server: MoodleServer) -> None:
    """The full list fails as a whole; the other leaves out what may not be seen, and describes the rest in part."""
    found = ask(server, "core_course_get_courses_by_field")["courses"]
    by_id = {course["id"]: course for course in found}

    assert code(ask(server, "core_course_get_courses")) == "errorcoursecontextnotvalid"
    assert server.known["forbidden"] not in by_id
    assert "format" not in by_id[server.known["lobby"]]
    assert "idnumber" in by_id[server.known["ended"][0]]


def test_an_open_list_has_no_order_and_a_front_page() -> None:
    """Where every course may be seen, the list has the front page too, and no order."""
    with MoodleServer(moodle_content(courses=6, closed=())) as server:
        ids = [course["id"] for course in ask(server, "core_course_get_courses")]

    assert 1 in ids
    assert ids != sorted(ids)


def test_assignments_of_others_must_be_asked_for(server: MoodleServer) -> None:
    """Who is not enrolled gets an empty list and a warning, unless courses of others are asked for."""
    course = {"courseids[0]": str(server.known["ended"][0])}
    without = ask(server, "mod_assign_get_assignments", **course)
    with_ = ask(server, "mod_assign_get_assignments", **course, includenotenrolledcourses="1")

    assert (without["courses"], without["warnings"][0]["warningcode"]) == ([], "2")
    assert len(with_["courses"][0]["assignments"]) == 3


def test_suspended_people_are_not_marked(server: MoodleServer) -> None:
    """The list has suspended people among the others; only the active ones can be asked for."""
    course = str(server.known["ended"][0])
    active = {"options[0][name]": "onlyactive", "options[0][value]": "1"}
    everybody = ask(server, "core_enrol_get_enrolled_users", courseid=course)

    assert len(everybody) == len(ask(server, "core_enrol_get_enrolled_users", courseid=course, **active)) + 2
    assert not any("suspended" in person for person in everybody)


def test_downloads_are_refused_with_status_200(server: MoodleServer) -> None:
    """A refused file is JSON with status 200; a good one has its SHA-1 as ETag; a missing one is 404."""
    path, file = next((path, file) for path, file in server.site.files.items() if path.endswith("notes.txt"))
    url = f"{server.url}/webservice/pluginfile.php/{path}"

    good = httpx.post(url, data={"token": server.token})
    refused = httpx.get(url, params={"token": "nobody"})
    missing = httpx.post(f"{url}x", data={"token": server.token})
    login = httpx.get(f"{server.url}/pluginfile.php/{path}", params={"token": server.token})

    assert good.content == file.content.data
    assert good.headers["etag"] == f'"{hashlib.sha1(good.content, usedforsecurity=False).hexdigest()}"'
    assert (refused.status_code, refused.json()["errorcode"]) == (200, "invalidtoken")
    assert (missing.status_code, missing.json()["errorcode"]) == (404, "filenotfound")
    assert (login.status_code, login.headers["location"]) == (303, "/login/index.php")


def test_without_a_format_the_answer_is_xml(server: MoodleServer) -> None:
    """Moodle answers in XML unless JSON is asked for."""
    form = {"wstoken": server.token, "wsfunction": "core_webservice_get_site_info"}
    answer = httpx.post(f"{server.url}/webservice/rest/server.php", data=form)

    assert answer.text.startswith("<?xml")


def test_options_take_functions_capabilities_and_everything(server: MoodleServer) -> None:
    """A service may lack functions, an account capabilities, and a site may be under maintenance."""
    options = Options(without={"core_group_get_course_groups"}, lacking={"mod/quiz:viewreports"})
    with MoodleServer(moodle_content(courses=1, closed=()), options=options) as other:
        names = [one["name"] for one in ask(other, "core_webservice_get_site_info")["functions"]]
        quiz = other.site.courses[21].of("quiz")[0]
        student = other.known["student"]

        assert "core_group_get_course_groups" not in names
        assert code(ask(other, "core_group_get_course_groups", courseid="21")) == "accessexception"
        refused = ask(other, "mod_quiz_get_user_attempts", quizid=str(quiz.id), userid=str(student))
        assert code(refused) == "nopermissions"
        other.options.maintenance = True
        assert httpx.post(f"{other.url}/webservice/rest/server.php").status_code == 503
