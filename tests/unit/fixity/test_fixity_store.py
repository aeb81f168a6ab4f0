"""Fixity in the store: the order of checks, the findings, and what is told of them, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes.fixity_checks import well, wrong
from fakes.postgres_server import Databases
from fakes.store_house import START, House, sqlite_house
from sqlalchemy import event, insert

from coursekeep_daemon.fixity.records import FindingChange, FindingKind, FindingState
from coursekeep_daemon.store import Conflict, NoSuchRecord, PackageVersion, Store
from coursekeep_daemon.store.models import package_version


@pytest.fixture(params=["sqlite", "postgresql"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    """A house with an empty store, on either database."""
    if request.param == "sqlite":
        yield sqlite_house(tmp_path)
        return
    databases: Databases = request.getfixturevalue("databases")
    url = databases.migrated()
    yield House(url)
    databases.drop(url)


def version(package: str, number: int = 1, **more: Any) -> PackageVersion:
    values: dict[str, Any] = {
        "package_id": package,
        "version": number,
        "integration": "main",
        "course_id": f"c-{package}",
        "course_name": f"Course {package}",
        "run_id": None,
        "item_id": None,
        "created_at": START,
        "path": "abc/def",
        "payload_bytes": 5,
        "payload_files": 1,
        "gaps": 0,
        "completeness": "complete",
    }
    return PackageVersion(**values | more)


async def packages(store: Store, *names: str, **more: Any) -> None:
    for name in names:
        await store.record_version(version(name, **more))


async def told(store: Store) -> list[tuple[str, Any]]:
    found = [each.notification for each in reversed((await store.notifications(limit=200)).items)]
    return [(each.kind.value, each.data["count"]) for each in found]


def test_what_was_never_verified_comes_first_then_the_oldest(house: House) -> None:
    """The next package is one that no check has read, in the order of archiving, then the one read longest ago."""

    async def test(store: Store) -> None:
        assert await store.next_to_verify() is None
        await packages(store, "a", "b", "c")
        await store.record_check(well("b", at=START - timedelta(days=2)), by="fixity")
        order = []
        for _ in range(3):
            chosen = await store.next_to_verify()
            assert chosen is not None
            order.append(chosen.package_id)
            await store.record_check(well(chosen.package_id, at=START), by="fixity")
        assert order == ["a", "c", "b"]
        await store.record_version(version("c", 2))
        newer = await store.next_to_verify()
        assert newer is not None
        assert (newer.package_id, newer.verified_at) == ("c", None)
        other = await store.next_to_verify({"c"})
        assert other is not None
        assert other.package_id == "a"

    house.run(test)


def test_a_sound_version_says_nothing_of_later_ones_that_are_missing(house: House) -> None:
    """A finding of versions that the archive has lost is closed by a check of all of them, not of one."""

    async def test(store: Store) -> None:
        for number in (1, 2, 3):
            await packages(store, "a", number=number)
        lost = replace(wrong("a", 1, 2, 3, kind=FindingKind.MISSING, what="the archive has lost it"), version=2)
        assert await store.record_check(lost, by="fixity") is FindingChange.OPENED
        for number in (1, 2):
            assert await store.record_check(well("a", number), by="ann") is FindingChange.SAME
        assert await store.finding_of("a") is not None
        assert await store.record_check(well("a", 1, 2, 3), by="ann") is FindingChange.CLOSED

    house.run(test)


def test_ten_thousand_packages_are_chosen_from_along_an_index(house: House) -> None:
    """Neither choosing the next package nor the last moment scans or sorts the table."""

    async def test(store: Store) -> None:
        rows = [
            {
                **{name: getattr(version(f"p{n:05}"), name) for name in version("x").__slots__},
                "verified_at": None if n % 10 == 0 else START - timedelta(minutes=n),
                "search_text": "",
            }
            for n in range(10_000)
        ]
        with store._database.writer.begin() as connection:
            connection.execute(insert(package_version), rows)
            if not house.url.startswith("sqlite"):
                connection.exec_driver_sql("ANALYZE package_version")
        statements: list[tuple[str, Any]] = []

        def seen(connection: object, cursor: object, statement: str, parameters: Any, *rest: object) -> None:
            statements.append((statement, parameters))

        event.listen(store._database.reader, "before_cursor_execute", seen)
        assert await store.next_to_verify({"p00000"}) is not None
        assert await store.next_to_verify({f"p{n:05}" for n in range(0, 10_000, 10)}) is not None
        await store.last_verified_at()
        event.remove(store._database.reader, "before_cursor_execute", seen)

        explain = "EXPLAIN QUERY PLAN" if house.url.startswith("sqlite") else "EXPLAIN"
        queries = [each for each in statements if "FROM package_version" in each[0]]
        assert len(queries) == 4
        for statement, parameters in queries:
            with store._database.reader.connect() as connection:
                plan = " | ".join(
                    str(row[-1]) for row in connection.exec_driver_sql(f"{explain} {statement}", parameters)
                )
            assert "ix_package_version_verified_at_id" in plan, plan
            assert "Sort" not in plan, plan
            assert "TEMP B-TREE" not in plan, plan
            assert "Seq Scan" not in plan, plan

    house.run(test)


def test_counts_say_how_the_packages_stand(house: House) -> None:
    """Packages are counted once however many versions they have; what is too old is overdue, verified or not."""

    async def test(store: Store) -> None:
        limit = START - timedelta(days=90)
        await packages(store, "fresh", "old", "new")
        await store.record_version(version("fresh", 2))
        await store.record_version(version("forgotten", created_at=limit))
        await store.record_check(well("fresh", 1, 2), by="fixity")
        await store.record_check(well("old", at=limit), by="fixity")
        counts = await store.fixity_counts(limit)

        assert (counts.packages, counts.verified, counts.unverified, counts.overdue) == (4, 1, 2, 2)
        assert (counts.oldest_at, counts.last_verified_at, counts.open) == (limit, START, 0)

    house.run(test)


def test_a_finding_is_opened_seen_changed_and_closed(house: House) -> None:
    """One finding per package follows what the checks say, each change once in the audit, and keeps its beginning."""

    async def test(store: Store) -> None:
        await packages(store, "a")
        changes = [await store.record_check(wrong("a"), by="fixity")]
        house.clock.move(days=1)
        later = house.clock.now
        changes.append(await store.record_check(wrong("a", at=later), by="fixity"))
        changes.append(await store.record_check(wrong("a", at=later, kind=FindingKind.MISSING), by="ann"))
        found = await store.finding_of("a")
        assert found is not None
        assert (found.kind, found.found_at, found.seen_at) == (FindingKind.MISSING, START, later)
        assert found.problems[0]["path"] == "v1/content/data/course.json"
        changes.append(await store.record_check(well("a", at=later), by="fixity"))
        changes.append(await store.record_check(well("a", at=later), by="fixity"))

        assert changes == ["opened", "same", "changed", "closed", "nothing"]
        assert await store.finding_of("a") is None
        (closed,) = (await store.findings(state=FindingState.REPAIRED)).items
        assert (closed.closed_by, closed.closed_at) == ("fixity", later)
        events = [(each.who, each.action, each.result) for each in (await store.audit_events()).items]
        assert events == [
            ("fixity", "package.repair", "done"),
            ("ann", "package.damage", "changed"),
            ("fixity", "package.damage", "found"),
        ]
        (kept,) = await store.package("a")
        assert (kept.valid, kept.verified_at) == (True, later)

    house.run(test)


def test_an_accepted_finding_is_left_alone_until_it_changes(house: House) -> None:
    """What was accepted is neither mended nor told; other damage opens it again. Only an open one can be accepted."""

    async def test(store: Store) -> None:
        await packages(store, "a")
        await store.record_check(wrong("a"), by="fixity")
        found = await store.finding_of("a")
        assert found is not None
        taken = await store.accept_finding(found.id, by="ann", note="known since 2024")
        assert (taken.state, taken.closed_by, taken.detail) == (FindingState.ACCEPTED, "ann", "known since 2024")
        with pytest.raises(Conflict, match="is accepted"):
            await store.accept_finding(found.id, by="ann", note="")
        with pytest.raises(NoSuchRecord):
            await store.accept_finding(99, by="ann", note="")
        assert await store.record_check(wrong("a"), by="fixity") is FindingChange.SAME
        assert await store.finding_to_mend(START) is None
        assert await store.tell_findings(timedelta(0)) == 0
        counts = await store.fixity_counts(START)
        assert (counts.open, counts.accepted) == (0, 1)

        assert await store.record_check(wrong("a", what="it is missing"), by="fixity") is FindingChange.CHANGED
        assert await store.tell_findings(timedelta(0)) == 1
        again = await store.finding_to_mend(START)
        assert again is not None
        assert (again.id, again.state) == (found.id, FindingState.OPEN)

    house.run(test)


def test_damage_is_told_once_and_not_for_each_package(house: House) -> None:
    """The first message is written at once, what follows within the hour in one; what is seen again, never."""

    async def test(store: Store) -> None:
        hour = timedelta(hours=1)
        await packages(store, "a", "b", "c")
        await packages(store, "z", integration="evening")
        for name in ("a", "b", "c", "z"):
            await store.record_check(wrong(name), by="fixity")
            await store.tell_findings(hour)
        assert await told(store) == [("package_damaged", 1), ("package_damaged", 1)]  # one of each integration
        house.clock.move(hours=1)
        assert await store.tell_findings(hour) == 1
        await store.record_check(wrong("a", at=house.clock.now), by="fixity")
        assert await store.tell_findings(timedelta(0)) == 0
        await store.record_check(well("a", at=house.clock.now), by="fixity")
        assert await store.tell_findings(hour) == 1
        assert (await told(store))[2:] == [("package_damaged", 2), ("package_repaired", 1)]

    house.run(test)


def test_only_what_a_check_covered_counts_as_verified(house: House) -> None:
    """A version that was written while the package was read waits for a check of its own."""

    async def test(store: Store) -> None:
        await packages(store, "a")
        await store.record_version(version("a", 2))
        await store.record_check(well("a", 1), by="fixity")
        assert [each.verified_at for each in await store.package("a")] == [START, None]
        with pytest.raises(NoSuchRecord):
            await store.record_check(well("nothing"), by="fixity")

    house.run(test)
