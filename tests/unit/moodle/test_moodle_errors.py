"""What Moodle's errors mean: they come with status 200, and only their code counts."""

from __future__ import annotations

import httpx
import pytest
from fakes.moodle_answers import INFO, TOKEN, MoodleAnswers, error, run

from coursekeep import (
    ConnectorError,
    CredentialsNeeded,
    MalformedAnswer,
    NoAccess,
    NotFound,
    RetryLater,
    RetryPolicy,
    Unavailable,
)

FUNCTION = "core_course_get_contents"


def complaint(moodle: MoodleAnswers, function: str = FUNCTION, retry: RetryPolicy | None = None) -> ConnectorError:
    """Call a function that fails, and return the error."""

    async def main() -> None:
        connector = moodle.connector() if retry is None else moodle.connector(retry=retry)
        async with connector:
            await connector.calls.call(function, {"courseid": 7})

    with pytest.raises(ConnectorError) as caught:
        run(main())
    return caught.value


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("invalidtoken", CredentialsNeeded),
        ("wsaccessusersuspended", CredentialsNeeded),
        ("forcepasswordchangenotice", CredentialsNeeded),
        ("sitepolicynotagreed", CredentialsNeeded),
        ("invalidrecord", NotFound),
        ("invalidcourseid", NotFound),
        ("invalidcoursemodule", NotFound),
        ("errorcoursecontextnotvalid", NoAccess),
        ("requireloginerror", NoAccess),
        ("nopermissions", NoAccess),
        ("restrictedcontextexception", NoAccess),
        ("sitemaintenance", RetryLater),
        ("dbconnectionfailed", RetryLater),
        ("invalidparameter", MalformedAnswer),
        ("invalidresponse", MalformedAnswer),
        ("something_of_a_plugin", MalformedAnswer),
    ],
)
def test_an_errorcode_says_what_happens_next(code: str, kind: type[ConnectorError]) -> None:
    """Every code that Moodle is known to give leads to the error that says what to do."""
    found = complaint(MoodleAnswers().on(FUNCTION, error(code, "a message with Somebody's Name")))

    assert type(found) is kind
    assert found.where == FUNCTION
    assert "Somebody" not in str(found)


@pytest.mark.parametrize("class_", ["required_capability_exception", "core\\exception\\required_capability_exception"])
def test_a_lacking_capability_is_known_by_its_class_too(class_: str) -> None:
    """Plugins have codes of their own for what their people may not do."""
    assert isinstance(complaint(MoodleAnswers().on(FUNCTION, error("odd", exception=class_))), NoAccess)


def test_an_unknown_function_is_not_an_unknown_course() -> None:
    """Both are `invalidrecord`; the table in the message tells them apart."""
    message = "Can't find data record in database table external_functions."

    assert isinstance(complaint(MoodleAnswers().on(FUNCTION, error("invalidrecord", message))), Unavailable)


def test_a_function_that_the_service_lacks_is_not_asked_for() -> None:
    """The service's own list says so beforehand, and the error names the function."""
    moodle = MoodleAnswers(FUNCTION)

    assert FUNCTION in str(complaint(moodle))
    assert moodle.functions() == []


def test_a_bare_refusal_with_a_good_token_is_about_the_function() -> None:
    """`accessexception` of one function, while the site still describes itself, is no reason to halt."""
    assert type(complaint(MoodleAnswers().on(FUNCTION, error("accessexception")))) is NoAccess


def test_a_bare_refusal_of_everything_is_about_the_token() -> None:
    """`accessexception` of the site's own description means an expired token or a disabled service."""
    moodle = MoodleAnswers()
    moodle.on(INFO, moodle.describe(), error("accessexception")).on(FUNCTION, error("accessexception"))

    assert isinstance(complaint(moodle), CredentialsNeeded)


def test_a_function_taken_away_meanwhile_is_named() -> None:
    """A function that vanished from the service since the list was read is not offered, rather than refused."""
    moodle = MoodleAnswers().on(FUNCTION, error("accessexception"))
    before = moodle.describe()
    moodle.without.add(FUNCTION)
    moodle.on(INFO, before, moodle.describe())

    assert isinstance(complaint(moodle), Unavailable)


def test_a_fault_of_one_function_is_asked_again_and_then_a_gap() -> None:
    """A server error of a function on a site that is well otherwise does not hold up the course for ever."""
    moodle = MoodleAnswers().on(FUNCTION, error("dmlreadexception"))

    found = complaint(moodle, retry=RetryPolicy(attempts=3, wait=0, longest=0))

    assert type(found) is MalformedAnswer
    assert moodle.functions() == [FUNCTION] * 3


def test_a_fault_while_the_site_is_down_is_an_outage() -> None:
    """Where the site does not even describe itself, the course is tried again later."""
    moodle = MoodleAnswers().on(FUNCTION, error("dmlreadexception"))
    moodle.on(INFO, moodle.describe(), error("dbconnectionfailed"))

    assert type(complaint(moodle)) is RetryLater


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (httpx.Response(503, html="<title>under maintenance</title>"), RetryLater),
        (httpx.Response(502, html="<html>"), RetryLater),
        (httpx.Response(429, headers={"retry-after": "7"}), RetryLater),
        (httpx.Response(403), CredentialsNeeded),
        (httpx.Response(200, text=""), MalformedAnswer),
        (httpx.Response(200, html="<html>log in</html>"), MalformedAnswer),
        (httpx.Response(200, text='{"sections": ['), MalformedAnswer),
    ],
)
def test_answers_that_are_no_json(answer: httpx.Response, kind: type[ConnectorError]) -> None:
    """Maintenance, a proxy's pages, a switched-off protocol, empty and broken bodies are told apart."""
    assert isinstance(complaint(MoodleAnswers().on(FUNCTION, answer)), kind)


def test_data_that_speaks_of_errors_is_data() -> None:
    """Only an object that is an error is one: the words may stand anywhere in what students write."""
    moodle = MoodleAnswers().on(FUNCTION, [{"name": '{"exception": "x", "errorcode": "invalidtoken"}', "errorcode": 7}])

    async def main() -> object:
        async with moodle.connector() as connector:
            return await connector.calls.call(FUNCTION, {"courseid": 7})

    assert isinstance(run(main()), list)


def test_the_token_is_in_bodies_only() -> None:
    """No address and no header holds the token; booleans are numbers, and what is None is left out."""
    moodle = MoodleAnswers().on(FUNCTION, [])

    async def main() -> None:
        async with moodle.connector() as connector:
            arguments = {
                "courseid": 7,
                "flag": True,
                "off": False,
                "none": None,
                "empty": [],
                "options": [{"name": "a"}],
            }
            await connector.calls.call(FUNCTION, arguments)

    run(main())
    assert not any(TOKEN in str(request.url) or TOKEN in str(request.headers) for request in moodle.requests)
    _, form = moodle.asked[-1]
    assert form["wstoken"] == TOKEN
    assert (form["flag"], form["off"], form["options[0][name]"]) == ("1", "0", "a")
    assert not {"none", "empty"} & set(form)
    assert (form["moodlewssettingraw"], form["moodlewssettingfileurl"], form["moodlewssettingfilter"]) == (
        "1",
        "1",
        "0",
    )
