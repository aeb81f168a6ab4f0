"""Moodle's files: refusals with status 200, addresses instead of ids, and a token that is in no address."""

from __future__ import annotations

from urllib.parse import parse_qsl

import httpx
import pytest
from fakes.moodle_answers import BASE, TOKEN, MoodleAnswers, error, refused, run

from coursekeep import ConnectorError, CredentialsNeeded, FileAuth, GapReason, Kind, NoAccess, NotFound, RemoteFile
from coursekeep_connectors.moodle.files import addresses_in, file_of, id_of_address

PLACE = "/webservice/pluginfile.php/5/mod_resource/content/0/a.json"
ETAG = {"etag": '"aa92faa50000000000000000000000000000aaaa"'}


def fetch(moodle: MoodleAnswers, path: str = PLACE) -> bytes:
    async def main() -> bytes:
        async with moodle.connector() as connector, connector.client.download(BASE + path) as download:
            return b"".join([block async for block in download.chunks])

    return run(main())


@pytest.mark.parametrize(
    ("code", "kind"),
    [("invalidtoken", CredentialsNeeded), ("requireloginerror", NoAccess), ("accessexception", NoAccess)],
)
def test_a_refusal_with_status_200_is_no_file(code: str, kind: type[ConnectorError]) -> None:
    """Moodle's JSON in place of a file is never taken for the file."""
    moodle = MoodleAnswers()
    moodle.files[PLACE] = httpx.Response(200, json=refused(code))

    with pytest.raises(kind):
        fetch(moodle)


def test_only_a_missing_file_is_404() -> None:
    """A file that is not there is told by the status."""
    with pytest.raises(NotFound):
        fetch(MoodleAnswers())


def test_a_students_json_is_a_file() -> None:
    """A stored file that looks just like a refusal has an ETag, and is kept byte for byte."""
    moodle = MoodleAnswers()
    moodle.files[PLACE] = httpx.Response(200, json=refused("invalidtoken"), headers=ETAG)

    assert b"invalidtoken" in fetch(moodle)


def test_a_long_json_is_whole() -> None:
    """What was looked at to judge a body comes once more, and the rest after it."""
    body = b'{"data": "' + b"x" * 300_000 + b'"}'
    moodle = MoodleAnswers()
    moodle.files[PLACE] = httpx.Response(200, content=body, headers={"content-type": "application/json"})

    assert fetch(moodle) == body


def test_a_login_page_is_no_file() -> None:
    """Moodle's log-in page is known by its form; a page that a student stored has an ETag."""
    page = '<form action="/login/index.php"><input name="logintoken"></form>'
    moodle = MoodleAnswers()
    moodle.files[PLACE] = httpx.Response(200, html=page)
    with pytest.raises(NoAccess):
        fetch(moodle)

    moodle.files[PLACE] = httpx.Response(200, html=page, headers=ETAG)
    assert b"logintoken" in fetch(moodle)


def test_a_download_is_a_post_with_the_token_in_its_body() -> None:
    """The token is in the body of the download, and neither in the address nor in a header."""
    moodle = MoodleAnswers()
    moodle.files[PLACE] = httpx.Response(200, content=b"data", headers=ETAG)

    fetch(moodle)

    (request,) = moodle.requests
    assert request.method == "POST"
    assert dict(parse_qsl(request.content.decode())) == {"token": TOKEN}
    assert TOKEN not in str(request.url) + str(request.headers)


def test_a_redirect_gets_no_token() -> None:
    """A redirect to the log-in page is followed without the token, and is no file."""
    moodle = MoodleAnswers()
    moodle.files[PLACE] = httpx.Response(303, headers={"location": "https://elsewhere.test/pluginfile.php/x"})
    moodle.files["/pluginfile.php/x"] = httpx.Response(200, content=b"from elsewhere")

    assert fetch(moodle) == b"from elsewhere"
    assert [(one.method, TOKEN in one.content.decode()) for one in moodle.requests] == [("POST", True), ("GET", False)]


def mapped(item: dict[str, object], **settings: str) -> RemoteFile:
    moodle = MoodleAnswers()

    async def main() -> RemoteFile:
        async with moodle.connector(**settings) as connector:
            await connector.calls.info()
            return file_of(item, connector.calls, group="course")

    return run(main())


def test_a_file_is_known_by_its_address() -> None:
    """Tokens and the wish for a download leave the address; the id says context, component and area."""
    url = f"{BASE}{PLACE}?forcedownload=1&token=secret"
    file = mapped({"fileurl": url, "filename": "a.json", "filesize": 0, "filepath": "/", "timemodified": 1})

    assert file.url == BASE + PLACE
    assert file.id.startswith("5-mod_resource-content-")
    assert (file.size, file.auth) == (None, FileAuth.TOKEN)
    assert file.id == mapped({"fileurl": f"{BASE}/pluginfile.php/5/mod_resource/content/0/a.json"}).id


def test_a_plain_address_is_asked_for_where_tokens_are_taken() -> None:
    """`/pluginfile.php` would lead to the log-in page; files in repositories are fetched by Moodle."""
    file = mapped({"fileurl": f"{BASE}/pluginfile.php/5/backup/automated/x.mbz", "isexternalfile": True})

    assert file.url == f"{BASE}/webservice/pluginfile.php/5/backup/automated/x.mbz?offline=1"


def test_a_site_behind_another_address_is_asked_at_ours() -> None:
    """Moodle names files after its own address; they are fetched from the one in the settings."""
    file = mapped({"fileurl": BASE + PLACE}, base_url="http://inside.test:8080/moodle")

    assert file.url == f"http://inside.test:8080/moodle{PLACE}"


def test_a_file_elsewhere_is_a_gap() -> None:
    """An address that is none of Moodle's becomes a gap, and nothing is sent there."""
    reading = MoodleAnswers().reading()
    parts = list(reading.file({"filename": "x", "fileurl": "https://elsewhere.test/x"}, group="course"))

    assert [(part.kind, part.reason) for part in parts] == [(Kind.FILES, GapReason.MALFORMED)]  # type: ignore[union-attr]  # gaps


def test_addresses_in_texts_are_found() -> None:
    """Files that a text points to are found in HTML and in JSON within text; secret ones are not followed."""
    calls = MoodleAnswers().connector().calls
    text = f'<img src="{BASE}/webservice/pluginfile.php/1/a/b/x%20y.png"> "{BASE}/tokenpluginfile.php/k/1/a/b/z.png"'
    escaped = f'{{"url": "{BASE}/pluginfile.php/2/a/b/w.png"}}'.replace("/", "\\/")

    found = list(addresses_in([text, {"x": escaped}, "https://elsewhere.test/pluginfile.php/3/a/b/c"], calls))

    assert [id_of_address(url) is not None for url in found] == [True, True]


def test_names_do_not_decide_about_ids() -> None:
    """Two files of one name in other folders are two files, and odd names are taken as they are."""
    first = id_of_address(f"{BASE}/webservice/pluginfile.php/1/mod_folder/content/1/a.txt")
    second = id_of_address(f"{BASE}/webservice/pluginfile.php/1/mod_folder/content/1/week%201/a.txt")
    odd = id_of_address(f"{BASE}/webservice/pluginfile.php/1/mod_folder/content/1/..%252f..%252fevil")

    assert len({first, second, odd}) == 3
    assert id_of_address("https://x.test/else") is None


def test_nothing_is_read_twice() -> None:
    """A file that two lists name comes once, and is expected once."""
    reading = MoodleAnswers().reading()
    item = {"filename": "a", "fileurl": BASE + PLACE}

    assert len([*reading.file(item, group="course"), *reading.file(item, group="course")]) == 1
    assert [expected.count for expected in reading.expected()] == [1]


def test_a_refused_file_may_mean_a_dead_token() -> None:
    """A refusal without a reason is looked into: a token that has expired halts, rather than make all files gaps."""
    file = mapped({"fileurl": BASE + PLACE})
    moodle = MoodleAnswers()

    async def refreshed() -> RemoteFile | None:
        async with moodle.connector() as connector:
            return await connector.refresh_file(file)

    assert run(refreshed()) is None
    moodle.on("core_webservice_get_site_info", error("accessexception"))
    with pytest.raises(CredentialsNeeded):
        run(refreshed())
