"""Files: where their bytes are, who may have them, and what comes instead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from coursekeep_campus import CampusServer, Options, add_large_file, generated, oulad

Collect = Callable[..., list[Any]]


def file_of(collect: Collect, course: int, name: str) -> dict[str, Any]:
    """Find a file by its name."""
    found: dict[str, Any] = next(f for f in collect(f"courses/{course}/files") if f["display_name"] == name)
    return found


def storage_address(client: httpx.Client, address: str) -> str:
    """Follow redirects by hand until the storage host is reached."""
    for _ in range(3):
        answer = client.get(address)
        assert answer.status_code == 302
        address = answer.headers["location"]
        if urlsplit(address).netloc != client.base_url.netloc.decode():
            return address
    raise AssertionError("no storage host after three redirects")


def test_address_with_verifier(server: CampusServer, client: httpx.Client, collect: Collect) -> None:
    """An address with a verifier is for requests without a token, and refuses those that bring one."""
    file = file_of(collect, 101, "syllabus.txt")
    stranger = httpx.get(file["url"], follow_redirects=True)

    assert "verifier=" in file["url"]
    assert client.get(file["url"]).status_code == 401
    assert len(stranger.content) == file["size"]
    assert stranger.url.netloc.decode() == urlsplit(server.files_url).netloc


def test_address_without_verifier(client: httpx.Client, collect: Collect) -> None:
    """An address without a verifier needs the token; without one it ends at a log-in page with status 200."""
    file = file_of(collect, 102, "syllabus.txt")
    stranger = httpx.get(file["url"], follow_redirects=True)

    assert "verifier=" not in file["url"]
    assert stranger.status_code == 200
    assert stranger.headers["content-type"].startswith("text/html")
    assert len(httpx.get(storage_address(client, file["url"])).content) == file["size"]


def test_both_kinds_in_one_course(collect: Collect, trap: Callable[[str], int]) -> None:
    """One course may hold addresses of both kinds."""
    addresses = [file["url"] for file in collect(f"courses/{trap('mixed_addresses')}/files") if file["url"]]

    assert {"verifier=" in address for address in addresses} == {True, False}


def test_wrong_verifier(collect: Collect) -> None:
    """A verifier that is no longer good leads to a log-in page with status 200."""
    file = file_of(collect, 101, "syllabus.txt")
    answer = httpx.get(file["url"] + "x", follow_redirects=True)

    assert answer.status_code == 200
    assert b"password" in answer.content


@pytest.mark.parametrize("status", [400, 401])
def test_storage_refuses_tokens(
    order: Callable[..., CampusServer], connect: Callable[..., httpx.Client], status: int
) -> None:
    """Storage refuses whoever brings the LMS's token along."""
    server = order(options=Options(throttle=None, storage_refusal=status))
    client = connect(server)
    file = next(
        f
        for f in client.get("/api/v1/courses/102/files", params={"per_page": 100}).json()
        if f["display_name"] == "syllabus.txt"
    )
    address = storage_address(client, file["url"])

    assert client.get(address).status_code == status
    assert httpx.get(address).status_code == 200


def test_signed_addresses_expire(order: Callable[..., CampusServer], connect: Callable[..., httpx.Client]) -> None:
    """A signed address is good for its time only, and for its file only."""
    server = order(options=Options(throttle=None, signed_for=-1.0))
    client = connect(server)
    numbers = {
        f["display_name"]: f["id"] for f in client.get("/api/v1/courses/102/files", params={"per_page": 100}).json()
    }
    address = client.get(f"/api/v1/files/{numbers['syllabus.txt']}/public_url").json()["public_url"]

    assert httpx.get(address).status_code == 403


def test_signature_is_for_one_file(client: httpx.Client, collect: Collect) -> None:
    """The signature of one file opens no other."""
    one, other = (file_of(collect, 102, name) for name in ("syllabus.txt", "reading list.txt"))
    address = storage_address(client, one["url"])

    assert httpx.get(address.replace(str(one["id"]), str(other["id"]))).status_code == 403


def test_two_hops(client: httpx.Client, collect: Collect) -> None:
    """Some downloads take two redirects, the first of which stays on the LMS's host."""
    files = [f for f in collect("courses/102/files") if f["url"] and "verifier" not in f["url"]]
    hosts = {urlsplit(client.get(f["url"]).headers["location"]).netloc for f in files}

    assert len(hosts) == 2


def test_locked_file(client: httpx.Client, collect: Collect, server: CampusServer) -> None:
    """A locked file has metadata and an empty address, and cannot be had another way."""
    file = file_of(collect, server.known["locked_file"], "exam solutions.txt")

    assert file["url"] == file["thumbnail_url"] == ""
    assert file["locked_for_user"] is True
    assert file["size"] > 0
    assert client.get(f"/api/v1/files/{file['id']}/public_url").status_code == 403
    assert client.get(f"/files/{file['id']}/download").status_code in (401, 403)


def test_missing_bytes(client: httpx.Client, collect: Collect, trap: Callable[[str], int]) -> None:
    """Bytes that are gone are 404 in HTML, behind good metadata."""
    course = trap("missing_bytes")
    file = file_of(collect, course, "lost in a migration.pdf")
    answer = fetch(client, file["url"])

    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert file_of(collect, course, "broken upload.bin")["size"] is None


def fetch(client: httpx.Client, address: str) -> httpx.Response:
    """Download as one should: with the token where there is no verifier, and never to another host."""
    if "verifier=" in address:
        return httpx.get(address, follow_redirects=True)
    return client.get(address, follow_redirects=True)


def test_login_page(client: httpx.Client, collect: Collect, trap: Callable[[str], int]) -> None:
    """A lost session gives a log-in page with status 200 under a PDF's name."""
    file = file_of(collect, trap("login_page"), "slides behind a lost session.pdf")
    answer = fetch(client, file["url"])

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert len(answer.content) != file["size"]


def test_twins(client: httpx.Client, collect: Collect, trap: Callable[[str], int]) -> None:
    """Files of one folder may share a name, and still are different files."""
    course = trap("twins")
    twins = [f for f in collect(f"courses/{course}/files") if f["display_name"] == "notes.txt"]

    assert len({f["folder_id"] for f in twins}) == 1
    assert {fetch(client, f["url"]).text for f in twins} == {"first\n", "second\n", "third\n"}


def test_hostile_names(client: httpx.Client, collect: Collect, trap: Callable[[str], int]) -> None:
    """Names that are no paths come through, and their bytes are to be had."""
    files = {f["display_name"]: f for f in collect(f"courses/{trap('twins')}/files")}

    assert {"../../../etc/passwd", "CON.txt", "100%.txt", "line\nbreak.txt"} <= files.keys()
    for name, file in files.items():
        assert len(fetch(client, file["url"]).content) == file["size"], name


def test_folders_hold_more(collect: Collect, trap: Callable[[str], int]) -> None:
    """The list of a course leaves out files of hidden and submission folders; the folders' own lists have them."""
    course = trap("folder_only")
    listed = {f["id"] for f in collect(f"courses/{course}/files")}
    folders = collect(f"courses/{course}/folders")
    inside = {f["id"] for folder in folders for f in collect(f"folders/{folder['id']}/files")}

    assert listed < inside
    assert len(inside) == sum(folder["files_count"] for folder in folders)


def test_closed_folder(client: httpx.Client, collect: Collect, trap: Callable[[str], int]) -> None:
    """A folder may be listed with its number of files, and yet not be looked into."""
    folders = collect(f"courses/{trap('closed_folder')}/folders")
    closed = next(folder for folder in folders if folder["name"] == "Exam board")

    assert closed["files_count"] == 1
    assert client.get(f"/api/v1/folders/{closed['id']}/files").status_code == 403


def test_file_metadata(client: httpx.Client, collect: Collect) -> None:
    """Metadata are in Canvas's own spelling, and the same by course and by file."""
    file = file_of(collect, 101, "reading list.txt")

    assert file["content-type"] == "text/plain"
    assert file["filename"] == "reading+list.txt"
    assert client.get(f"/api/v1/files/{file['id']}").json() == file
    assert client.get(f"/api/v1/courses/102/files/{file['id']}").status_code == 404


def test_recordings(client: httpx.Client, collect: Collect, trap: Callable[[str], int]) -> None:
    """A recording in a comment is reached through its own address, by redirect."""
    course = trap("attempts")
    wanted = {"student_ids[]": "all", "include[]": "submission_comments"}
    comments = [
        c for s in collect(f"courses/{course}/students/submissions", **wanted) for c in s["submission_comments"]
    ]
    media = next(c["media_comment"] for c in comments if c.get("media_comment"))

    assert httpx.get(storage_address(client, media["url"])).content == b"ID3 made-up sound"


def test_large_file_on_demand(shared: Path, connect: Callable[..., httpx.Client]) -> None:
    """A large file may be put into a presentation, too."""
    campus = oulad(shared / "oulad")
    course = campus.known["ended"][0]
    add_large_file(campus, course, 1_000)
    with CampusServer(campus, throttle=False) as server:
        client = connect(server)
        file = client.get(f"/api/v1/courses/{course}/files").json()[0]

        assert len(httpx.get(storage_address(client, file["url"])).content) == file["size"] == 1_000


def test_large_file(connect: Callable[..., httpx.Client]) -> None:
    """A large file is made while it is sent, and has exactly the size it says."""
    campus = generated(courses=5)
    add_large_file(campus, 101, 5_000_001)
    assert campus.known["large_file"] == 101
    with CampusServer(campus, throttle=False) as server:
        client = connect(server)
        files = client.get("/api/v1/courses/101/files", params={"per_page": 100}).json()
        file = next(f for f in files if f["size"] == 5_000_001)

        assert len(httpx.get(storage_address(client, file["url"])).content) == 5_000_001
