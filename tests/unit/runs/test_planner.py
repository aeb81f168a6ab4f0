"""Planning: from what a source yields to items, once each, also after an interruption."""

from __future__ import annotations

import asyncio
import importlib.metadata
import sys
import types
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fakes.scripted_lms import Script, ScriptedConnector, ScriptedSource, course

from coursekeep import Account, Course, NoAccess, Outcome, Selection, hookimpl
from coursekeep_daemon.package import Archive, PackageContext
from coursekeep_daemon.registry import Registry
from coursekeep_daemon.runs.lms import Lms
from coursekeep_daemon.runs.patterns import Patterns
from coursekeep_daemon.runs.planner import LEFT_OUT, Planner, Request
from coursekeep_daemon.runs.states import ItemStatus
from coursekeep_daemon.store import Item, Run, Store

NOW = datetime(2026, 5, 20, 12, 0, tzinfo=UTC)


class Bench:
    """A real store and archive, and a source that yields what a test says."""

    def __init__(self, folder: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store = store
        self.archive = Archive.open(f"file://{folder}/archive", organization="")
        self.archive.prepare()
        self.lms = Lms(name="main", id="main", connector=ScriptedConnector(Script()), courses_at_once=4)
        self.source = type("Source", (ScriptedSource,), {"contexts": []})
        self.planner = Planner(store, self.archive, _registry(self.source, monkeypatch), lambda: NOW)

    def yields(self, *selections: Selection | Exception) -> None:
        self.source.selections = selections

    async def run(self, on_existing: str = "skip", **options: Sequence[str]) -> Run:
        run, _ = await self.store.create_run(
            integration="main",
            source="scripted",
            params={},
            on_existing=on_existing,
            note=None,
            created_by="tester",
            options=options,
        )
        return run

    async def items(self, run: Run) -> dict[str, Item]:
        return {item.ref: item async for item in self.store.iter_items(run.id)}

    def archived(self, one: Course, base_url: str = "https://lms.example.edu") -> None:
        """Put a course into the archive, behind the store's back."""
        source = {"connector": "scripted", "base_url": base_url}
        context = PackageContext(
            integration="main", source=source, organization="", software="", run_id=5, item_id=6, started_at=NOW
        )
        with self.archive.writer(one, context, ()) as writer:
            writer.commit()


def _registry(source: type[Any], monkeypatch: pytest.MonkeyPatch) -> Registry:
    class Plugin:
        @hookimpl
        def register_course_sources(self) -> list[Any]:
            return [source]

    module = types.ModuleType("plugin_of_test_planner")
    module.plugin = Plugin()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return Registry([importlib.metadata.EntryPoint("p", f"{module.__name__}:plugin", "coursekeep")])


@pytest.fixture
def on_bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Bench], Awaitable[None]]], None]:
    def start(test: Callable[[Bench], Awaitable[None]]) -> None:
        async def main() -> None:
            url = f"sqlite:///{tmp_path}/store.db"
            Store.upgrade(url)
            async with Store(url) as store:
                await store.sync_integrations([("main", "scripted", {})])
                await test(Bench(tmp_path, store, monkeypatch))

        asyncio.run(main())

    return start


def found(course_id: str, ref: str | None = None, **more: Any) -> Selection:
    return Selection(ref=ref or course_id, course=course(course_id, **more))


def test_each_outcome_becomes_an_item_that_says_so(on_bench):
    """Found, unknown, forbidden and excluded courses have items; what needs no attempt has ended already."""

    async def test(bench: Bench) -> None:
        bench.yields(
            found("1"),
            Selection(ref="2", outcome=Outcome.NOT_FOUND),
            Selection(ref="3", outcome=Outcome.NO_ACCESS, detail="not yours"),
            Selection(ref="4", outcome=Outcome.EXCLUDED, course=course("4"), detail="still running"),
        )
        run = await bench.run()
        await bench.planner.plan(run, bench.lms)

        items = await bench.items(run)
        assert [(item.status, item.reason) for item in items.values()] == [
            (ItemStatus.QUEUED, None),
            (ItemStatus.NOT_FOUND, None),
            (ItemStatus.FAILED, "no_access"),
            (ItemStatus.SKIPPED, "excluded"),
        ]
        assert items["4"].detail == "still running"

    on_bench(test)


def test_one_course_asked_for_in_several_ways_is_one_item(on_bench):
    """Twins by reference and twins by course are taken once."""

    async def test(bench: Bench) -> None:
        bench.yields(found("1"), found("1"), found("1", ref="sis:BIO-1"), found("2"))
        run = await bench.run()
        await bench.planner.plan(run, bench.lms)

        assert list(await bench.items(run)) == ["1", "2"]

    on_bench(test)


def test_an_interrupted_planning_goes_on_where_it_was(on_bench, monkeypatch):
    """What has an item is not asked for again, and not doubled."""
    monkeypatch.setattr("coursekeep_daemon.runs.planner._CHUNK_SECONDS", 60.0)

    async def test(bench: Bench) -> None:
        chunk = [found(str(number)) for number in range(250)]
        bench.yields(*chunk[:230], RuntimeError("the process dies"))
        run = await bench.run()
        with pytest.raises(RuntimeError):
            await bench.planner.plan(run, bench.lms)
        assert len(await bench.items(run)) == 200
        bench.yields(*chunk)
        await bench.planner.plan(run, bench.lms)

        assert len(await bench.items(run)) == 250
        assert len(bench.source.contexts[-1].done) == 200
        assert await bench.store.check_counters(run.id) == {}

    on_bench(test)


def test_items_are_there_before_planning_ends(on_bench, monkeypatch):
    """The dispatcher is woken with the first chunk of a long stream."""
    monkeypatch.setattr("coursekeep_daemon.runs.planner._CHUNK_SECONDS", 60.0)

    async def test(bench: Bench) -> None:
        seen: list[int] = []
        run = await bench.run()
        bench.yields(*[found(str(number)) for number in range(450)])
        await bench.planner.plan(run, bench.lms, added=lambda: seen.append(1))

        assert len(seen) == 2

    on_bench(test)


def test_a_package_that_the_store_does_not_know_still_counts(on_bench):
    """The archive is the truth: the course is skipped, and the store learns of the version."""

    async def test(bench: Bench) -> None:
        bench.archived(course("1"))
        bench.yields(found("1"), found("2"))
        run = await bench.run()
        await bench.planner.plan(run, bench.lms)

        items = await bench.items(run)
        package_id = bench.archive.object_id("main", "1")
        assert (items["1"].status, items["1"].reason) == (ItemStatus.SKIPPED, "archived")
        assert (items["1"].package_id, items["1"].package_version) == (package_id, 1)
        assert [one.version for one in await bench.store.package(package_id)] == [1]
        assert items["2"].status is ItemStatus.QUEUED

    on_bench(test)


def test_a_damaged_package_concerns_its_own_course_alone(on_bench):
    """The run is planned: the course is to be attempted, and the attempt says what is wrong with the package."""

    async def test(bench: Bench) -> None:
        bench.archived(course("1"))
        bench.archived(course("2"))
        place = bench.archive.place(bench.archive.object_id("main", "1"))
        (bench.archive.root / place.path / "inventory.json").write_text("{")
        bench.yields(found("1"), found("2"))
        run = await bench.run()
        await bench.planner.plan(run, bench.lms)
        items = await bench.items(run)

        assert {ref: item.status for ref, item in items.items()} == {"1": ItemStatus.QUEUED, "2": ItemStatus.SKIPPED}

    on_bench(test)


def test_a_refresh_takes_courses_that_have_a_package(on_bench):
    """With `refresh` the attempt decides whether anything has changed."""

    async def test(bench: Bench) -> None:
        bench.archived(course("1"))
        bench.yields(found("1"))
        run = await bench.run("refresh")
        await bench.planner.plan(run, bench.lms)

        assert (await bench.items(run))["1"].status is ItemStatus.QUEUED

    on_bench(test)


def test_a_package_of_another_lms_is_no_reason_to_skip(on_bench):
    """Another LMS's course under the same id has not been archived."""

    async def test(bench: Bench) -> None:
        bench.archived(course("1"), "https://other.example.edu")
        bench.yields(found("1"))
        run = await bench.run()
        await bench.planner.plan(run, bench.lms)

        assert (await bench.items(run))["1"].status is ItemStatus.QUEUED

    on_bench(test)


def test_patterns_leave_courses_out(on_bench):
    """A course that `exclude` matches has no item; one that `include` does not match has none either."""

    async def test(bench: Bench) -> None:
        bench.yields(
            found("1", account_name="Biology"), found("2", account_name="Biology"), found("3", account_name="Law")
        )
        run = await bench.run(include=["biology"], exclude=["c-2"])
        await bench.planner.plan(run, bench.lms)

        assert list(await bench.items(run)) == ["1"]

    on_bench(test)


def test_a_pattern_of_accounts_takes_the_whole_branch(on_bench, monkeypatch):
    """The LMS is asked for its accounts once, and only where a pattern needs them; the preview names the pattern."""
    asked = []

    async def accounts():
        asked.append(1)
        yield Account(id="2", name="Science")
        yield Account(id="4", name="Physics", parent_id="2")

    async def test(bench: Bench) -> None:
        monkeypatch.setattr(bench.lms.connector, "accounts", accounts)
        bench.yields(found("1", account_id="4"), found("2", account_id="3"), found("3", account_id="2"))
        await bench.planner.plan(await bench.run(include=["c-1"]), bench.lms)
        assert asked == []
        run = await bench.run(include=["account:science"], exclude=["code:c-3"])
        await bench.planner.plan(run, bench.lms)
        preview = await bench.planner.preview(Request.of(run), bench.lms, limit=10)

        assert list(await bench.items(run)) == ["1"]
        assert len(asked) == 2
        assert [(row.ref, row.would, row.pattern) for row in preview.rows] == [
            ("1", ItemStatus.QUEUED, None),
            ("2", LEFT_OUT, None),
            ("3", LEFT_OUT, "code:c-3"),
        ]
        assert preview.counts == {ItemStatus.QUEUED: 1, LEFT_OUT: 2}

    on_bench(test)


def test_accounts_that_cannot_be_read_stop_the_planning(on_bench, monkeypatch):
    """A pattern that cannot be judged neither takes nor leaves out: the connector's error goes up, with no item."""

    async def accounts():
        raise NoAccess("the accounts may not be read")
        yield

    async def test(bench: Bench) -> None:
        monkeypatch.setattr(bench.lms.connector, "accounts", accounts)
        bench.yields(found("1", account_id="4"))
        run = await bench.run(exclude=["account:Law"])
        with pytest.raises(NoAccess):
            await bench.planner.plan(run, bench.lms)

        assert await bench.items(run) == {}

    on_bench(test)


def test_the_catalogue_learns_of_every_course(on_bench):
    """Courses seen while planning stand in the catalogue."""

    async def test(bench: Bench) -> None:
        bench.yields(found("1"), found("2"))
        await bench.planner.plan(await bench.run(), bench.lms)

        assert {one.course_id for one in (await bench.store.courses(limit=10)).items} == {"1", "2"}

    on_bench(test)


def test_parameters_that_do_not_fit_are_named(on_bench):
    """A misspelt parameter is refused before anything is asked."""

    async def test(bench: Bench) -> None:
        request = Request(source="scripted", params={"rfes": []}, on_existing="skip", patterns=Patterns())

        with pytest.raises(ValueError, match=r"params\.rfes: Extra inputs"):
            bench.planner.check(request)

    on_bench(test)


def test_copy_of_a_course_that_the_run_takes_is_skipped(on_bench):
    """A copy is an item that names its twin. It is taken where the twin is not, or where it has its own package."""

    async def test(bench: Bench) -> None:
        bench.archived(course("c"))
        copies = [found(id_, same_as="a") for id_ in ("b", "c")]
        bench.yields(found("a"), *copies, found("d", same_as="left out by a pattern"))
        for on_existing, of_c in (("skip", (ItemStatus.SKIPPED, "archived")), ("refresh", (ItemStatus.QUEUED, None))):
            run = await bench.run(on_existing)
            await bench.planner.plan(run, bench.lms)
            items = await bench.items(run)

            assert (items["b"].status, items["b"].reason) == (ItemStatus.SKIPPED, "duplicate")
            assert "as a, which" in (items["b"].detail or "")
            assert (items["c"].status, items["c"].reason) == of_c
            assert items["a"].status is items["d"].status is ItemStatus.QUEUED
        preview = await bench.planner.preview(Request.of(run), bench.lms, limit=10)
        assert [row.reason for row in preview.rows] == [None, "duplicate", None, None]

    on_bench(test)


def test_copy_is_taken_where_a_pattern_leaves_its_twin_out(on_bench):
    """Content is not lost because the copy that comes first is excluded."""

    async def test(bench: Bench) -> None:
        bench.yields(found("a"), found("b", same_as="a"))
        run = await bench.run(exclude=["C-a"])
        await bench.planner.plan(run, bench.lms)

        assert {ref: item.status for ref, item in (await bench.items(run)).items()} == {"b": ItemStatus.QUEUED}

    on_bench(test)


def test_copy_is_known_after_an_interruption(on_bench):
    """What the run took before it was interrupted counts."""

    async def test(bench: Bench) -> None:
        first = [found("a"), *(found(str(number)) for number in range(200))]
        run = await bench.run()
        bench.yields(*first, RuntimeError("the process dies"))
        with pytest.raises(RuntimeError):
            await bench.planner.plan(run, bench.lms)
        bench.yields(*first[200:], found("b", same_as="a"))  # what is done is not asked for again
        await bench.planner.plan(run, bench.lms)

        assert (await bench.items(run))["b"].reason == "duplicate"

    on_bench(test)
