"""The page of a package, over a real archive that holds a real package."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fakes.api_service import served
from fakes.cli_process import coursekeep
from fakes.console_house import ConsoleHouse, in_console
from fakes.package_kit import content, new_archive, parts, write

from coursekeep import Course, Gap, GapReason, Kind
from coursekeep_daemon.console.words import GAP_REASONS, gap_words
from coursekeep_daemon.fixity.verifier import Verifier
from coursekeep_daemon.package import Archive, Committed
from coursekeep_daemon.runs.versions import version_of
from coursekeep_daemon.service import Service


@dataclass(kw_only=True)
class Shelf:
    """A console whose service has a real archive, with one package in two versions."""

    house: ConsoleHouse
    archive: Archive
    versions: list[Committed]

    @property
    def package_id(self) -> str:
        return self.versions[0].object_id

    @property
    def path(self) -> str:
        return f"/packages/{self.package_id}"

    def stored(self, name: str) -> Path:
        """Return where the first version keeps a file below its data/."""
        return content(self.archive, self.versions[0], name)


def on_the_shelf(test: Callable[[Shelf], Awaitable[None]], more: list[Gap] | None = None) -> None:
    """Run a test with a package of which the second version has another grade, and perhaps more gaps."""

    async def main(house: ConsoleHouse) -> None:
        with tempfile.TemporaryDirectory() as folder:
            archive = new_archive(Path(folder) / "archive")
            written = [write(archive), write(archive, [*parts(grade=90.0), *(more or [])])]
            service: Any = house.api.service
            service.archive = archive
            service.fixity.verifier = Verifier(archive, house.api.store, service.clock)
            service.verify_package = lambda *asked, **by: Service.verify_package(service, *asked, **by)
            for head in archive.versions(written[0].object_id):
                await house.api.store.record_version(version_of(head, "main"))
            await test(Shelf(house=house, archive=archive, versions=written))

    in_console(main)


def test_a_package_shows_its_versions_and_what_the_newest_lacks() -> None:
    """The page names the course, lists the versions newest first, and tells numbers and gaps of the newest."""

    async def test(shelf: Shelf) -> None:
        page = (await (await shelf.house.signed_in("viewer")).get(shelf.path)).text

        assert "<h1" in page
        assert "Tidal Systems" in page
        assert shelf.package_id in page
        assert shelf.versions[0].path in page
        assert page.index(">Version 2<") < page.index(">Version 1<")
        assert "Completeness of version 2" in page
        assert 'id="gaps"' in page
        assert GAP_REASONS[GapReason.LOCKED].meaning in page.replace("&#39;", "'")
        assert "The LMS withholds this file." in page
        assert "Never" in page
        assert 'href="/runs/7"' in page

    on_the_shelf(test)


def test_the_numbers_are_those_of_the_chosen_version() -> None:
    """`?version=` shows that version's own numbers and gaps, read from the package."""

    async def test(shelf: Shelf) -> None:
        browser = await shelf.house.signed_in("viewer")
        newest = (await browser.get(shelf.path)).text
        first = (await browser.get(f"{shelf.path}?version=1")).text

        assert "the forum is closed" in newest
        assert "the kind as a whole" in newest
        assert "Completeness of version 1" in first
        assert "the forum is closed" not in first

    on_the_shelf(test, [Gap(kind=Kind.POSTS, reason=GapReason.NO_ACCESS, detail="the forum is closed", count=None)])


def test_many_gaps_are_cut_and_the_page_says_so() -> None:
    """Of more gaps than a page takes the first are shown, with how many there are and where the others stand."""
    many = [Gap(kind=Kind.PAGES, id=f"page-{number:04}", reason=GapReason.NOT_FOUND) for number in range(600)]

    async def test(shelf: Shelf) -> None:
        page = (await (await shelf.house.signed_in("viewer")).get(shelf.path)).text

        total = shelf.versions[1].gaps
        assert f"The first 500 of {total} gaps." in page
        assert "data/gaps.jsonl" in page
        assert page.count("page-0") <= 500

    on_the_shelf(test, many)


def test_what_the_lms_said_is_escaped() -> None:
    """Ids and details of gaps, and the address of the course, are text from elsewhere: no markup, no script."""
    gap = Gap(kind=Kind.PAGES, id="<script>1", reason=GapReason.MALFORMED, detail="<img src=x onerror=alert(1)>")

    async def test(shelf: Shelf) -> None:
        harmful = Course(id="101", name="Tidal Systems", url="javascript:alert(1)")
        await shelf.house.api.store.see_courses("main", [harmful])
        page = (await (await shelf.house.signed_in("viewer")).get(shelf.path)).text

        assert "&lt;script&gt;1" in page
        assert "javascript:" not in page
        assert "<img src=x" not in page

    on_the_shelf(test, [gap])


def _remove(path: Path) -> None:
    path.unlink()


def _alter(path: Path) -> None:
    path.write_bytes(path.read_bytes().swapcase())


def _fill(path: Path) -> None:
    path.write_bytes(b"[" * 100_000)


@pytest.mark.parametrize("name", ["completeness.json", "gaps.jsonl"])
@pytest.mark.parametrize("harm", [_remove, _alter, _fill])
def test_a_damaged_package_still_has_a_page(harm: Callable[[Path], None], name: str) -> None:
    """Where the package's own statement is missing or altered, no number is told, and the page says what to do."""

    async def test(shelf: Shelf) -> None:
        harm(shelf.stored(name))
        answer = await (await shelf.house.signed_in("viewer")).get(f"{shelf.path}?version=1")
        async with shelf.house.api.client("read") as client:
            told = await client.get(f"{shelf.path}/versions/1/completeness")

        assert answer.status_code == 200
        assert "completeness cannot be read" in answer.text
        assert "Verify the package" in answer.text
        assert "Completeness of version" not in answer.text
        assert (told.status_code, told.json()["type"].rpartition("#")[2]) == (503, "storage")

    on_the_shelf(test)


def test_an_archive_that_is_away_still_leaves_the_page() -> None:
    """Where the disk of the archive is not mounted, the versions are shown all the same."""

    async def test(shelf: Shelf) -> None:
        shelf.archive.root.rename(shelf.archive.root.with_name("away"))
        answer = await (await shelf.house.signed_in("viewer")).get(shelf.path)

        assert answer.status_code == 200
        assert "Check that its disk is mounted" in answer.text
        assert ">Version 2<" in answer.text

    on_the_shelf(test)


def test_verify_now_says_what_it_found_and_keeps_the_outcome() -> None:
    """A whole package is valid; after one byte has changed the page names the file, and the versions are damaged."""

    async def test(shelf: Shelf) -> None:
        browser = await shelf.house.signed_in("operator")
        good = (await browser.post(f"{shelf.path}/verify", form_from=shelf.path)).text
        before = (await browser.get(shelf.path)).text
        harmed = shelf.stored("records/people.jsonl")
        harmed.write_bytes(harmed.read_bytes() + b" ")
        bad = (await browser.post(f"{shelf.path}/verify", form_from=shelf.path)).text
        after = (await browser.get(shelf.path)).text

        assert "The package is valid." in good
        assert "Files checked" in good
        assert before.count(">Valid<") == 2
        assert "The package is damaged." in bad
        assert "records/people.jsonl" in bad
        assert "This package was found damaged" in after
        events = (await shelf.house.api.store.audit_events(action="package.verify")).items
        assert [(e.who, e.target, e.detail["valid"]) for e in events] == [
            ("operator", shelf.package_id, False),
            ("operator", shelf.package_id, True),
        ]

    on_the_shelf(test)


def test_a_version_is_downloaded_as_a_zip_bag() -> None:
    """The download is that version's bag, and who took it is in the audit."""

    async def test(shelf: Shelf) -> None:
        browser = await shelf.house.signed_in("operator")
        answer = await browser.get(f"{shelf.path}/versions/1/download")

        names = zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
        assert any(name.endswith("-v1/data/completeness.json") for name in names)
        assert answer.headers["content-type"] == "application/zip"
        assert "attachment" in answer.headers["content-disposition"]
        (event,) = (await shelf.house.api.store.audit_events(action="package.download")).items
        assert (event.who, event.target) == ("operator", f"{shelf.package_id} v1")

    on_the_shelf(test)


def test_a_viewer_reads_but_neither_verifies_nor_downloads() -> None:
    """A viewer sees no buttons, and is refused at their addresses."""

    async def test(shelf: Shelf) -> None:
        browser = await shelf.house.signed_in("viewer")
        page = (await browser.get(shelf.path)).text
        refused = await browser.post(f"{shelf.path}/verify", form_from=shelf.path)
        download = await browser.get(f"{shelf.path}/versions/1/download")

        assert "Verify now" not in page
        assert "/download" not in page
        assert (refused.status_code, download.status_code) == (403, 403)

    on_the_shelf(test)


def test_what_is_not_there_is_said() -> None:
    """An unknown package or version is a page that says which there are."""

    async def test(shelf: Shelf) -> None:
        browser = await shelf.house.signed_in("viewer")
        version = await browser.get(f"{shelf.path}?version=9")
        package = await browser.get("/packages/urn:uuid:0")

        assert (version.status_code, "It has: 1, 2." in version.text) == (404, True)
        assert (package.status_code, "The list of packages shows all." in package.text) == (404, True)

    on_the_shelf(test)


def test_the_api_tells_the_completeness_of_a_version() -> None:
    """The API gives the same numbers, and as many gaps as `limit` says, with how many there are."""

    async def test(shelf: Shelf) -> None:
        async with shelf.house.api.client("read") as client:
            told = (await client.get(f"{shelf.path}/versions/1/completeness")).json()
            none = (await client.get(f"{shelf.path}/versions/1/completeness?limit=0")).json()
            unknown = await client.get(f"{shelf.path}/versions/9/completeness")

        assert told["kinds"]["files"] | {"expected": 4, "captured": 3, "gaps": 1} == told["kinds"]["files"]
        assert told["gaps"] == len(told["named_gaps"]) == shelf.versions[0].gaps
        assert {"kind": "files", "id": "24", "reason": "locked"}.items() <= told["named_gaps"][0].items()
        assert (none["gaps"], none["named_gaps"]) == (told["gaps"], [])
        assert unknown.status_code == 404

    on_the_shelf(test)


def test_the_command_tells_the_completeness_of_a_version() -> None:
    """`package completeness` prints kinds and gaps, of the newest version by default, and exits 1 for a partial one."""

    async def test(shelf: Shelf) -> None:
        async with served(shelf.house.api) as url:
            to = {"COURSEKEEP_URL": url, "COURSEKEEP_TOKEN": shelf.house.api.tokens["read"]}
            table = await coursekeep("package", "completeness", shelf.package_id, **to)
            first = await coursekeep("package", "completeness", shelf.package_id, "--version", "1", "--json", **to)

        assert (table.code, first.code) == (1, 1), table.err + first.err
        assert "version 2: partial; gaps: 1, shown: 1" in table.out
        assert "The LMS withholds this file." in table.out
        assert all(head in table.out for head in ("missing", "incomplete", "unknown"))
        assert (first.json["version"], first.json["kinds"]["grades"]["status"]) == (1, "complete")

    on_the_shelf(test)


def test_every_reason_of_a_gap_has_words_for_people() -> None:
    """Each reason says what it means; one that a later release adds is shown as it is."""
    assert set(GAP_REASONS) == set(GapReason)
    assert all(word.name and word.meaning for word in GAP_REASONS.values())
    assert gap_words("eaten_by_dog").name == "Eaten by dog"
