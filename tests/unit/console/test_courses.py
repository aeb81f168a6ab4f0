"""The catalogue: searched, filtered and paged, with the newest package beside each course."""

from __future__ import annotations

import re

from fakes.console_house import ConsoleHouse, in_console
from fakes.package_kit import NOW

from coursekeep import Course
from coursekeep_daemon.console.pages import ITEMS_PER_PAGE
from coursekeep_daemon.store import PackageVersion


def _version(course_id: str, name: str, *, version: int = 1, gaps: int = 0) -> PackageVersion:
    return PackageVersion(
        package_id=f"urn:uuid:{course_id}",
        version=version,
        integration="main",
        course_id=course_id,
        course_name=name,
        run_id=None,
        item_id=None,
        created_at=NOW,
        path=f"abc/{course_id}",
        payload_bytes=10,
        payload_files=1,
        gaps=gaps,
        completeness="partial" if gaps else "complete",
    )


async def _two_courses(house: ConsoleHouse) -> None:
    store = house.api.store
    await store.sync_integrations([("main", "canvas", {}), ("other", "canvas", {})])
    await store.see_courses("main", [Course(id="7", name="Tidal <b>Systems</b>", code="OCE-210", sis_id="S-7")])
    await store.see_courses("other", [Course(id="8", name="Law", code="LAW-1")])
    await store.record_version(_version("7", "Tidal <b>Systems</b>"))
    await store.record_version(_version("7", "Tidal <b>Systems</b>", version=2, gaps=1234))


def test_a_course_is_listed_with_its_newest_package() -> None:
    """A row names the course, its ids, and the newest version with its gaps; names are escaped."""

    async def test(house: ConsoleHouse) -> None:
        await _two_courses(house)
        page = (await (await house.signed_in("viewer")).get("/courses")).text

        assert "Tidal &lt;b&gt;Systems&lt;/b&gt;" in page
        assert "<b>Systems" not in page
        assert 'href="/packages/urn:uuid:7">Version 2<' in page
        assert 'href="/packages/urn:uuid:7#gaps">1,234<' in page
        assert "OCE-210" in page
        assert "S-7" in page
        assert "Not archived" in page

    in_console(test)


def test_the_search_looks_in_name_code_and_ids_and_keeps_what_was_typed() -> None:
    """Each of the filters leaves only the courses that fit, and stands in the form again."""

    async def test(house: ConsoleHouse) -> None:
        await _two_courses(house)
        browser = await house.signed_in("viewer")
        for query, found in (
            ("search=tidal", "Tidal"),
            ("search=oce-21", "Tidal"),
            ("search=s-7", "Tidal"),
            ("integration=other", "Law"),
            ("archived=yes", "Tidal"),
            ("archived=no", "Law"),
        ):
            page = (await browser.get(f"/courses?{query}")).text
            names = re.findall(r'<th scope="row" [^>]*><strong>(\w+)', page)
            assert names == [found], query
            name, _, value = query.partition("=")
            if name == "search":
                assert f'value="{value}"' in page
            else:
                assert f'value="{value}" selected' in page

    in_console(test)


def test_an_empty_list_says_what_to_do_next() -> None:
    """A catalogue without courses leads to an import, and a search without result back to all."""

    async def test(house: ConsoleHouse) -> None:
        browser = await house.signed_in("operator")
        empty = (await browser.get("/courses")).text
        await _two_courses(house)
        none = (await browser.get("/courses?search=nonsense")).text

        assert "No course is known yet" in empty
        assert 'href="/imports/new"' in empty
        assert "No course fits." in none
        assert 'href="/courses">Show all' in none

    in_console(test)


def test_a_long_catalogue_is_paged_with_its_filters() -> None:
    """The next page goes on behind the last course, keeps the filters, and leads back to the first."""

    async def test(house: ConsoleHouse) -> None:
        many = [Course(id=str(number), name=f"Course {number}") for number in range(1, ITEMS_PER_PAGE + 3)]
        await house.api.store.see_courses("main", many)
        browser = await house.signed_in("viewer")
        first = (await browser.get("/courses?search=course&archived=no")).text
        (following,) = re.findall(r'href="([^"]+)">Next page', first)
        second = (await browser.get(following.replace("&amp;", "&"))).text

        assert first.count('<th scope="row"') == ITEMS_PER_PAGE
        assert re.findall(r"<strong>(Course \d+)", second) == [
            f"Course {ITEMS_PER_PAGE + 1}",
            f"Course {ITEMS_PER_PAGE + 2}",
        ]
        assert 'href="/courses?search=course&amp;archived=no">First page' in second

    in_console(test)


def test_what_cannot_be_asked_is_refused() -> None:
    """A filter word that does not exist, a cursor of another list and an endless search are errors, not empty lists."""

    async def test(house: ConsoleHouse) -> None:
        browser = await house.signed_in("viewer")
        for query, status in (("archived=perhaps", 422), ("cursor=nonsense", 400), (f"search={'x' * 201}", 422)):
            assert (await browser.get(f"/courses?{query}")).status_code == status, query

    in_console(test)


def test_the_api_filters_by_archived_too() -> None:
    """`GET /courses?archived=` takes only the courses that have a package, or that have none."""

    async def test(house: ConsoleHouse) -> None:
        await _two_courses(house)
        async with house.api.client("read") as client:
            for word, found in (("true", ["7"]), ("false", ["8"])):
                answer = (await client.get(f"/courses?archived={word}")).json()
                assert [each["course_id"] for each in answer["items"]] == found

    in_console(test)
