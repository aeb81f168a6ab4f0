"""The promises of the store, as classes that each database's tests inherit: SQLite now, PostgreSQL later."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from fakes.store_house import (
    START,
    House,
    claimed_item,
    completed,
    failed,
    new_run,
    plans,
    schedule,
    version_of,
)

from coursekeep import CheckStep, Course
from coursekeep_daemon.runs.states import ItemStatus, RunStatus
from coursekeep_daemon.store import (
    BadCursor,
    Conflict,
    Item,
    ItemPlan,
    ItemResult,
    NaiveDatetime,
    NoSuchRecord,
    PauseLevel,
    Store,
    StoredTerm,
    StoreError,
)

__all__ = ["AccessContract", "ItemContract", "ListContract", "RunContract", "TopicContract", "WorkContract"]

I = ItemStatus  # noqa: E741
R = RunStatus


class RunContract:
    """Runs."""

    def test_created(self, house: House) -> None:
        """A new run is queued, counts nothing, and comes back as it was stored."""

        async def test(store: Store) -> None:
            run = await new_run(store, started=False, params={"ids": ["ä"]}, options={"exclude": ["X*"]}, note="n")

            assert run.status is R.QUEUED
            assert run.created_at == START
            assert run.total == run.gaps == 0
            assert set(run.counts) == set(I)
            assert run.params == {"ids": ["ä"]}
            assert run.options == {"exclude": ["X*"]}
            assert await store.run(run.id) == run

        house.run(test)

    def test_unknown_integration(self, house: House) -> None:
        """A run of an unknown integration is refused, and nothing is stored."""

        async def test(store: Store) -> None:
            with pytest.raises(NoSuchRecord, match="'nowhere'"):
                await new_run(store, integration="nowhere")

            assert (await store.runs()).items == []

        house.run(test)

    def test_idempotency(self, house: House) -> None:
        """The same request under the same key is one run; another request or another person's key is not."""

        async def test(store: Store) -> None:
            first = await new_run(store, started=False, idempotency_key="k")
            request: dict[str, Any] = {
                "integration": "main",
                "source": "ids",
                "params": {"ids": ["1"]},
                "on_existing": "skip",
            }

            again = await store.create_run(**request, note=None, created_by="cli", idempotency_key="k")
            others = await store.create_run(**request, note=None, created_by="ann", idempotency_key="k")
            with pytest.raises(Conflict, match="another request"):
                await store.create_run(**request, note="other", created_by="cli", idempotency_key="k")

            assert again == (first, False)
            assert others[1]
            assert len((await store.runs()).items) == 2

        house.run(test)

    def test_idempotency_at_once(self, house: House) -> None:
        """Of many equal requests at the same time, exactly one creates the run."""

        async def test(store: Store) -> None:
            await store.sync_integrations([("main", "canvas", {})])
            request: dict[str, Any] = {
                "integration": "main",
                "source": "ids",
                "params": {},
                "on_existing": "skip",
                "note": None,
            }
            made = await asyncio.gather(
                *(store.create_run(**request, created_by="cli", idempotency_key="k") for _ in range(20))
            )

            assert sum(new for _, new in made) == 1
            assert len({run.id for run, _ in made}) == 1

        house.run(test)

    def test_illegal_change(self, house: House) -> None:
        """A change that the table does not allow is a conflict, and changes nothing."""

        async def test(store: Store) -> None:
            run = await new_run(store, started=False)

            with pytest.raises(Conflict, match="queued; it cannot become processing"):
                await store.change_run(run.id, R.PROCESSING)

            assert await store.run(run.id) == run

        house.run(test)

    @pytest.mark.parametrize("to", [R.FAILED, R.CANCELED])
    def test_end_cancels_queued(self, house: House, to: RunStatus) -> None:
        """A run that fails or is canceled cancels what is queued; what is processing ends by itself."""

        async def test(store: Store) -> None:
            run = await new_run(store)
            await store.add_items(run.id, plans(5))
            (item,) = await store.claim_items(run.id, limit=1, now=START)

            ended = await store.change_run(run.id, to, "Disk gone.")
            late = await store.finish_item(completed(item))

            assert (ended.status, ended.reason, ended.finished_at) == (to, "Disk gone.", START)
            assert ended.counts[I.CANCELED] == 4
            assert late.status is I.COMPLETED
            assert await store.claim_items(run.id, limit=9, now=START) == []
            assert await store.check_counters(run.id) == {}

        house.run(test)

    def test_requeue_in_ended_run(self, house: House) -> None:
        """An item that would be queued again in a run that has ended becomes canceled."""

        async def test(store: Store) -> None:
            item = await claimed_item(store)
            await store.change_run(item.run_id, R.FAILED, "Stopped.")

            after = await store.finish_item(ItemResult(item_id=item.id, status=I.QUEUED, not_before=START))

            assert after.status is I.CANCELED
            assert after.not_before is None
            assert await store.check_counters(item.run_id) == {}

        house.run(test)

    def test_finish_if_done(self, house: House) -> None:
        """A run is completed by exactly one call, once nothing is queued or processing."""

        async def test(store: Store) -> None:
            item = await claimed_item(store)
            assert await store.finish_run_if_done(item.run_id) is None
            await store.finish_item(completed(item, gaps=3))

            finished = await asyncio.gather(*(store.finish_run_if_done(item.run_id) for _ in range(5)))

            (run,) = [each for each in finished if each is not None]
            assert (run.status, run.gaps, run.finished_at) == (R.COMPLETED, 3, START)

        house.run(test)

    def test_finish_with_errors(self, house: House) -> None:
        """A run with a failed item is never plainly completed, whoever says so."""

        async def test(store: Store) -> None:
            item = await claimed_item(store)
            await store.finish_item(failed(item))

            with pytest.raises(Conflict, match="1 failed"):
                await store.change_run(item.run_id, R.COMPLETED)
            run = await store.finish_run_if_done(item.run_id)

            assert run is not None
            assert run.status is R.COMPLETED_WITH_ERRORS

        house.run(test)

    def test_planning_is_not_done(self, house: House) -> None:
        """A run that is still being planned is not completed, though all its items are done."""

        async def test(store: Store) -> None:
            run = await new_run(store, started=False)
            await store.change_run(run.id, R.PLANNING)

            assert await store.finish_run_if_done(run.id) is None

        house.run(test)

    def test_unknown_run(self, house: House) -> None:
        """A run that does not exist is None to read and NoSuchRecord to change, however large its number."""

        async def test(store: Store) -> None:
            for run_id in (99, 0, -1, 2**63, 2**80):
                assert await store.run(run_id) is None
                assert (await store.items(run_id)).items == []
                assert await store.claim_items(run_id, limit=1, now=START) == []
                with pytest.raises(NoSuchRecord):
                    await store.change_run(run_id, R.PLANNING)
                with pytest.raises(NoSuchRecord):
                    await store.finish_run_if_done(run_id)
                with pytest.raises(NoSuchRecord):
                    await store.add_items(run_id, plans(1))

        house.run(test)

    def test_open_runs(self, house: House) -> None:
        """Open runs are those that are not final, oldest first."""

        async def test(store: Store) -> None:
            runs = [await new_run(store) for _ in range(3)]
            await store.change_run(runs[1].id, R.CANCELED)

            assert [run.id for run in await store.open_runs()] == [runs[0].id, runs[2].id]

        house.run(test)


class ItemContract:
    """Items as they are planned."""

    def test_duplicates(self, house: House) -> None:
        """One ref, and one course, is one item of a run; another run may have it too."""

        async def test(store: Store) -> None:
            run, other = await new_run(store), await new_run(store)
            same = [
                ItemPlan(ref="1", course_id="c1"),
                ItemPlan(ref="1", course_id="c2"),
                ItemPlan(ref="sis:x", course_id="c1"),
                ItemPlan(ref="no", status=I.NOT_FOUND),
                ItemPlan(ref="none", status=I.NOT_FOUND),
            ]

            assert await store.add_items(run.id, same) == 3
            assert await store.add_items(run.id, same) == 0
            assert await store.add_items(other.id, same) == 3
            assert await store.refs_of(run.id) == {"1", "no", "none"}
            assert await store.check_counters(run.id) == {}
            after = await store.run(run.id)
            assert after is not None
            assert (after.total, after.counts[I.QUEUED], after.counts[I.NOT_FOUND]) == (3, 1, 2)

        house.run(test)

    def test_many(self, house: House) -> None:
        """Items are listed in the order of their plans, over the border of a transaction."""

        async def test(store: Store) -> None:
            run = await new_run(store)
            assert await store.add_items(run.id, plans(5003)) == 5003

            refs = [item.ref async for item in store.iter_items(run.id)]

            assert refs == [plan.ref for plan in plans(5003)]

        house.run(test)

    def test_bad_new_status(self, house: House) -> None:
        """No item is created as completed or processing."""

        async def test(store: Store) -> None:
            run = await new_run(store)
            for status in (I.COMPLETED, I.PROCESSING, I.CANCELED, I.FAILED_REIMPORTED):
                with pytest.raises(ValueError, match="cannot be created"):
                    await store.add_items(run.id, [*plans(1), ItemPlan(ref="x", status=status)])
            assert (await store.items(run.id)).items == []

        house.run(test)

    def test_ended_run_takes_none(self, house: House) -> None:
        """Nothing is added to a run that has ended."""

        async def test(store: Store) -> None:
            run = await new_run(store)
            await store.change_run(run.id, R.CANCELED)
            with pytest.raises(Conflict):
                await store.add_items(run.id, plans(1))

        house.run(test)

    def test_hostile_text(self, house: House) -> None:
        """Text that no database can hold is mended; all other text comes back as it was."""

        async def test(store: Store) -> None:
            run = await new_run(store)
            names = ["half \ud83d pair", "nul \0 byte", "'; DROP TABLE item; --", "\u202e‮👩‍🏫 %_\\"]
            await store.add_items(run.id, [ItemPlan(ref=str(n), course_name=name) for n, name in enumerate(names)])

            stored = [item.course_name for item in (await store.items(run.id)).items]

            assert stored == ["half \ufffd pair", "nul \ufffd byte", *names[2:]]

        house.run(test)


class WorkContract:
    """Items at work."""

    def test_claim(self, house: House) -> None:
        """Claims take the oldest items, count an attempt, and note the start."""

        async def test(store: Store) -> None:
            run = await new_run(store)
            await store.add_items(run.id, plans(3))

            taken = await store.claim_items(run.id, limit=2, now=START)

            assert [item.ref for item in taken] == ["1", "2"]
            assert {(item.status, item.attempts, item.started_at) for item in taken} == {(I.PROCESSING, 1, START)}
            assert await store.item(taken[0].id) == taken[0]

        house.run(test)

    def test_claims_are_exclusive(self, house: House) -> None:
        """However many claim at the same time, every item goes to exactly one."""

        async def test(store: Store) -> None:
            run = await new_run(store)
            await store.add_items(run.id, plans(300))

            async def worker() -> list[int]:
                mine: list[int] = []
                while taken := await store.claim_items(run.id, limit=3, now=START):
                    mine += [item.id for item in taken]
                return mine

            claimed = [item_id for mine in await asyncio.gather(*(worker() for _ in range(40))) for item_id in mine]

            assert len(claimed) == len(set(claimed)) == 300
            assert await store.check_counters(run.id) == {}

        house.run(test)

    def test_postponed(self, house: House) -> None:
        """A postponed item waits for its moment; others go first, and the run says when it is due."""

        async def test(store: Store) -> None:
            run = await new_run(store)
            await store.add_items(run.id, plans(2))
            first, _ = await store.claim_items(run.id, limit=2, now=START)
            later = START + timedelta(minutes=5)

            queued = await store.finish_item(ItemResult(item_id=first.id, status=I.QUEUED, not_before=later))

            assert (queued.status, queued.attempts, queued.started_at) == (I.QUEUED, 1, None)
            assert await store.next_due(run.id) == later
            assert await store.claim_items(run.id, limit=9, now=later - timedelta(microseconds=1)) == []
            (again,) = await store.claim_items(run.id, limit=9, now=later)
            assert (again.id, again.attempts, again.not_before) == (first.id, 2, None)
            assert await store.next_due(run.id) is None

        house.run(test)

    def test_uncounted_attempt(self, house: House) -> None:
        """An attempt that must not count leaves the count as before the claim."""

        async def test(store: Store) -> None:
            item = await claimed_item(store)
            result = ItemResult(item_id=item.id, status=I.QUEUED, count_attempt=False)
            assert (await store.finish_item(result)).attempts == 0

        house.run(test)

    def test_completed(self, house: House) -> None:
        """A completed item brings its version, the course's newest package, counters, gaps and an event."""

        async def test(store: Store) -> None:
            item = await claimed_item(store)
            await store.see_courses("main", [Course(id="1", name="Course 1", code="C1")])
            before = await store.last_event_id()
            result = completed(item, gaps=2)

            done = await store.finish_item(result)

            assert (done.status, done.gaps, done.finished_at) == (I.COMPLETED, 2, START)
            assert await store.item(item.id) == done
            assert result.version is not None
            assert await store.package(result.version.package_id) == [result.version]
            course = await store.course("main", "1")
            assert course is not None
            assert (course.package_id, course.package_version, course.code) == (result.package_id, 1, "C1")
            run = await store.run(item.run_id)
            assert run is not None
            assert (run.counts[I.COMPLETED], run.counts[I.PROCESSING], run.gaps) == (1, 0, 2)
            (event,) = await store.events_after(before)
            assert (event.kind, event.item_id, event.run_id) == ("item", item.id, item.run_id)
            assert event.data["status"] == "completed"

        house.run(test)

    def test_only_processing_ends(self, house: House) -> None:
        """A result for an item that is not processing is a conflict; neighbours of the same moment are not harmed."""

        async def test(store: Store) -> None:
            run = await new_run(store)
            await store.add_items(run.id, plans(10))
            items = await store.claim_items(run.id, limit=8, now=START)
            queued = (await store.items(run.id, status=I.QUEUED)).items[0]
            results = [completed(item) for item in items]
            wrong = [replace(results[0], item_id=queued.id), replace(results[1], item_id=10_000), results[0]]

            outcomes = await asyncio.gather(*map(store.finish_item, [*results, *wrong]), return_exceptions=True)

            assert all(isinstance(outcome, Item) for outcome in outcomes[:8])
            assert [type(outcome) for outcome in outcomes[8:]] == [Conflict, NoSuchRecord, Conflict]
            assert await store.check_counters(run.id) == {}

        house.run(test)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"package_id": None}, "must name the version"),
            ({"status": I.SKIPPED, "version": None}, "needs a reason"),
            ({"status": I.FAILED, "reason": "x"}, "cannot have written"),
            ({"package_version": 9}, "not the one"),
            ({"gaps": -1}, "-1 gaps"),
        ],
    )
    def test_contradictions(self, house: House, change: dict[str, Any], message: str) -> None:
        """A result that contradicts itself is refused, and the item stays in processing."""

        async def test(store: Store) -> None:
            item = await claimed_item(store)
            with pytest.raises(ValueError, match=message):
                await store.finish_item(replace(completed(item), **change))
            assert await store.item(item.id) == item

        house.run(test)

    def test_requeue_interrupted(self, house: House) -> None:
        """What a dead process was doing is queued again with its attempt counted; in an ended run it is canceled."""

        async def test(store: Store) -> None:
            item, lost = await claimed_item(store), await claimed_item(store)
            await store.change_run(lost.run_id, R.CANCELED)

            assert await store.requeue_interrupted() == 2
            assert await store.requeue_interrupted() == 0

            again, gone = await store.item(item.id), await store.item(lost.id)
            assert again is not None
            assert gone is not None
            assert (again.status, again.attempts, gone.status) == (I.QUEUED, 1, I.CANCELED)
            assert await store.check_counters(item.run_id) == await store.check_counters(lost.run_id) == {}

        house.run(test)

    def test_newest_package(self, house: House) -> None:
        """A course's newest package is the highest version, in whatever order versions are noted."""

        async def test(store: Store) -> None:
            item = await claimed_item(store)
            for number in (1, 3, 2):
                await store.record_version(version_of(item, number))
            known = await store.course("main", "1")
            assert known is not None
            assert known.package_version == 3
            await store.record_verification(version_of(item).package_id, 3, START, True)
            await store.record_version(version_of(item, 3, gaps=1))

            course = await store.course("main", "1")
            assert course is not None
            assert course.package_version == 3
            newest = (await store.newest_versions("main", ["1", "2"]))["1"]
            assert (newest.version, newest.gaps, newest.valid, newest.verified_at) == (3, 1, True, START)
            assert [each.version for each in (await store.packages()).items] == [3]
            assert [each.version for each in await store.package(newest.package_id)] == [1, 2, 3]

        house.run(test)


class ListContract:
    """Lists and cursors."""

    def test_pages(self, house: House) -> None:
        """Pages put together are the whole list, each item once, though items are added and change meanwhile."""

        async def test(store: Store) -> None:
            run = await new_run(store)
            await store.add_items(run.id, plans(10))
            seen: list[str] = []
            cursor = None
            for step in range(100):
                part = await store.items(run.id, limit=3, cursor=cursor)
                seen += [item.ref for item in part.items]
                cursor = part.next_cursor
                if cursor is None:
                    break
                if step < 3:
                    await store.add_items(run.id, plans(2, first=100 + step * 2))
                    await store.claim_items(run.id, limit=2, now=START)

            assert seen == [*(str(n) for n in range(1, 11)), *(str(n) for n in range(100, 106))]

        house.run(test)

    def test_exact_end(self, house: House) -> None:
        """A page that ends with the list has no cursor."""

        async def test(store: Store) -> None:
            run = await new_run(store)
            await store.add_items(run.id, plans(4))
            assert (await store.items(run.id, limit=4)).next_cursor is None
            assert (await store.items(run.id, limit=3)).next_cursor is not None
            with pytest.raises(ValueError, match="limit"):
                await store.items(run.id, limit=0)

        house.run(test)

    def test_by_status(self, house: House) -> None:
        """A list by status holds those items only, and its cursor keeps to it."""

        async def test(store: Store) -> None:
            run = await new_run(store)
            await store.add_items(run.id, [replace(p, status=I.NOT_FOUND) if int(p.ref) % 2 else p for p in plans(9)])

            first = await store.items(run.id, status=I.NOT_FOUND, limit=3)
            second = await store.items(run.id, status=I.NOT_FOUND, limit=3, cursor=first.next_cursor)

            assert [item.ref for item in first.items + second.items] == ["1", "3", "5", "7", "9"]
            with pytest.raises(BadCursor):
                await store.items(run.id, cursor=first.next_cursor)
            with pytest.raises(BadCursor):
                await store.items(run.id + 1, status=I.NOT_FOUND, cursor=first.next_cursor)

        house.run(test)

    @pytest.mark.parametrize("cursor", ["", "x", "ä", "====", "MQ", "LTE", "bm90LmEubnVtYmVy", "A" * 10_000, "\0"])
    def test_bad_cursor(self, house: House, cursor: str) -> None:
        """A made-up cursor is a ValueError that says what to do."""

        async def test(store: Store) -> None:
            run = await new_run(store)
            with pytest.raises(BadCursor, match="begin again without"):
                await store.items(run.id, cursor=cursor)

        house.run(test)

    def test_runs(self, house: House) -> None:
        """Runs are listed newest first, by status, integration and time of creation."""

        async def test(store: Store) -> None:
            runs = []
            for _ in range(5):
                runs.append(await new_run(store, started=False))
                house.clock.move(hours=1)
            await store.change_run(runs[0].id, R.CANCELED)
            hour = timedelta(hours=1)

            first = await store.runs(limit=3)
            rest = await store.runs(limit=3, cursor=first.next_cursor)
            between = await store.runs(created_since=START + hour, created_before=START + 3 * hour)

            assert [run.id for run in first.items + rest.items] == [run.id for run in reversed(runs)]
            assert [run.id for run in between.items] == [runs[2].id, runs[1].id]
            assert [run.id for run in (await store.runs(status=R.CANCELED)).items] == [runs[0].id]
            assert (await store.runs(integration="other")).items == []

        house.run(test)

    def test_search(self, house: House) -> None:
        """Search looks in name, code and ids, whatever the case, and takes % and _ as they are."""

        async def test(store: Store) -> None:
            courses = [
                Course(id="7", name="Ökonomie I", code="OEK_1", sis_id="S-99"),
                Course(id="8", name="100% Statistik", code="OEKX1"),
            ]
            await store.see_courses("main", courses)

            async def found(text: str) -> list[str]:
                return [course.course_id for course in (await store.courses(text)).items]

            assert await found("öKONOMIE") == await found("O\u0308konomie") == ["7"]
            assert await found("oek_1") == await found("s-99") == ["7"]
            assert await found("0%") == ["8"]
            assert await found("  ") == ["7", "8"]
            assert (await store.courses(integration="other")).items == []

        house.run(test)

    def test_seen_again(self, house: House) -> None:
        """A course that is seen again is changed in place, and keeps its package."""

        async def test(store: Store) -> None:
            item = await claimed_item(store)
            await store.finish_item(completed(item))
            await store.see_courses("main", [Course(id="1", name="Renamed", ended_at=START)])

            (course,) = (await store.courses()).items
            assert (course.name, course.ended_at, course.package_version) == ("Renamed", START, 1)

        house.run(test)


class TopicContract:
    """Integrations, pauses, schedules, events."""

    def test_halt_once(self, house: House) -> None:
        """Only the first of many halts is told, so that there is one alert; a release ends it."""

        async def test(store: Store) -> None:
            await store.sync_integrations([("main", "canvas", {})])

            halts = await asyncio.gather(*(store.halt_integration("main", "Expired.") for _ in range(5)))

            assert sorted(halts) == [False] * 4 + [True]
            halted = await store.integration("main")
            assert halted is not None
            assert (halted.halted_reason, halted.halted_at) == ("Expired.", START)
            assert await store.release_integration("main")
            assert not await store.release_integration("main")
            with pytest.raises(NoSuchRecord):
                await store.halt_integration("other", "x")

        house.run(test)

    def test_changed_source(self, house: House) -> None:
        """A name that now means another LMS loses halt and terms; an unchanged one keeps them."""

        async def test(store: Store) -> None:
            await store.sync_integrations([("a", "canvas", {"u": 1}), ("b", "canvas", {"u": 1})])
            for name in "ab":
                await store.halt_integration(name, "x")
                await store.replace_terms(name, [StoredTerm(integration=name, id="1", name="T")])
                await store.save_check(name, [CheckStep(name="address", ok=False, detail="d", remedy="r")])

            assert await store.sync_integrations([("a", "canvas", {"u": 2}), ("b", "canvas", {"u": 1})]) == ["a"]

            a, b = await store.integrations()
            assert (a.halted_reason, a.check_steps, await store.terms("a")) == (None, [], [])
            assert (b.halted_reason, len(b.check_steps), len(await store.terms("b"))) == ("x", 1, 1)

        house.run(test)

    def test_terms(self, house: House) -> None:
        """Terms are replaced as a whole and keep the LMS's order; an LMS that repeats itself does no harm."""

        async def test(store: Store) -> None:
            await store.sync_integrations([("main", "canvas", {})])
            await store.replace_terms("main", [StoredTerm(integration="main", id="old", name="Old")])
            terms = [
                StoredTerm(integration="main", id=i, name=n, end_at=START)
                for i, n in (("2", "B"), ("1", "A"), ("2", "C"))
            ]
            await store.replace_terms("main", terms)

            assert [(t.id, t.name) for t in await store.terms("main")] == [("2", "C"), ("1", "A")]

        house.run(test)

    def test_pauses(self, house: House) -> None:
        """A pause holds at its level until it is ended at the same level."""

        async def test(store: Store) -> None:
            assert await store.pause(PauseLevel.ALL, "", "ann")
            assert await store.pause(PauseLevel.RUN, "7", "ann")
            assert not await store.pause(PauseLevel.RUN, "7", "bob")

            assert [(p.level, p.target, p.by) for p in await store.pauses()] == [
                (PauseLevel.ALL, "", "ann"),
                (PauseLevel.RUN, "7", "ann"),
            ]
            assert await store.resume(PauseLevel.ALL, "")
            assert not await store.resume(PauseLevel.INTEGRATION, "7")
            for level, target in ((PauseLevel.ALL, "x"), (PauseLevel.RUN, ""), (PauseLevel.RUN, "x")):
                with pytest.raises(ValueError, match="target"):
                    await store.pause(level, target, "ann")

        house.run(test)

    def test_schedules(self, house: House) -> None:
        """A schedule's rule can be changed; who made it and when it fired stay."""

        async def test(store: Store) -> None:
            await store.put_schedule(schedule())
            await store.schedule_fired("ended", START, 5)
            await store.put_schedule(schedule(cron="0 4 * * *", created_by="eve"))

            stored = await store.schedule("ended")
            assert stored == schedule(cron="0 4 * * *", last_fired_at=START, last_run_id=5)
            assert await store.delete_schedule("ended")
            assert not await store.delete_schedule("ended")
            with pytest.raises(NoSuchRecord):
                await store.schedule_fired("ended", START, None)

        house.run(test)

    def test_declared_schedules(self, house: House) -> None:
        """The settings govern what they declare: others cannot change it, and it goes when they drop it."""

        async def test(store: Store) -> None:
            await store.put_schedule(schedule("mine"))
            await store.put_schedule(schedule("both"))
            await store.schedule_fired("both", START, 1)
            declared = [schedule(name, declared=True) for name in ("gone", "both")]

            assert await store.sync_declared_schedules(declared) == ["both"]
            with pytest.raises(Conflict, match=r"settings\.toml"):
                await store.put_schedule(schedule("gone"))
            with pytest.raises(Conflict, match=r"settings\.toml"):
                await store.delete_schedule("both")
            assert await store.sync_declared_schedules(declared[1:]) == []

            assert [(s.name, s.declared, s.last_run_id) for s in await store.schedules()] == [
                ("both", True, 1),
                ("mine", False, None),
            ]

        house.run(test)

    def test_events_resume(self, house: House) -> None:
        """A listener is woken after each change, and gets every event once, in order, from where it left off."""

        async def test(store: Store) -> None:
            run = await new_run(store)
            start = await store.last_event_id()
            heard: list[int] = []

            async def listen() -> None:
                last = start
                with store.subscribe() as changed:
                    listening.set()
                    while len(heard) < 40:
                        await changed.wait()
                        changed.clear()
                        for event in await store.events_after(last, limit=7):
                            heard.append(event.id)
                            last = event.id
                            changed.set()  # there may be more than the limit

            async def work() -> None:
                (item,) = await store.claim_items(run.id, limit=1, now=START)
                await store.finish_item(failed(item))

            listening = asyncio.Event()
            listener = asyncio.create_task(listen())
            await listening.wait()
            await store.add_items(run.id, plans(20))
            await asyncio.gather(*(work() for _ in range(20)))
            await asyncio.wait_for(listener, 30)

            assert heard == list(range(start + 1, start + 1 + len(heard)))
            assert await store.events_after(2**70) == []

        house.run(test)

    def test_events_pruned(self, house: House) -> None:
        """The newest events are kept, the oldest go; ids go on growing."""

        async def test(store: Store) -> None:
            run = await new_run(store)
            await store.add_items(run.id, plans(1500))
            await store.claim_items(run.id, limit=1500, now=START)

            newest = await store.last_event_id()
            assert newest > 1500
            assert await store.oldest_event_id() > newest - 1000 - 100
            assert newest - await store.oldest_event_id() + 1 >= 100

        house.run(test, events_kept=100)

    def test_no_events(self, house: House) -> None:
        """A store without events says 0."""

        async def test(store: Store) -> None:
            assert (await store.last_event_id(), await store.oldest_event_id()) == (0, 0)

        house.run(test)


class AccessContract:
    """Tokens, audit, and moments without time zone."""

    def test_token(self, house: House) -> None:
        """A token is found by its secret until it is revoked; its name is free again then."""

        async def test(store: Store) -> None:
            token, secret = await store.create_token("ops", "operate")
            assert secret.startswith("ck_")
            assert len(secret) == 46
            found = await store.token_for(secret)
            assert found == token
            with pytest.raises(Conflict):
                await store.create_token("ops", "read")
            assert await store.token_for(secret + "x") is None
            assert await store.token_for("") is None

            assert await store.revoke_token("ops")
            assert not await store.revoke_token("ops")
            assert await store.token_for(secret) is None
            _, other = await store.create_token("ops", "read")
            assert other != secret
            with pytest.raises(ValueError, match="scope"):
                await store.create_token("x", "root")
            assert [t.revoked_at for t in await store.tokens()] == [START, None]

        house.run(test)

    def test_token_use(self, house: House) -> None:
        """The last use of a token is known to the minute, without a write for every request."""

        async def test(store: Store) -> None:
            _, secret = await store.create_token("ops", "read")
            used: list[datetime | None] = []
            for seconds in (0, 59, 1):
                house.clock.move(seconds=seconds)
                await store.token_for(secret)
                used.append((await store.tokens())[0].last_used_at)

            assert used == [START, START, START + timedelta(minutes=1)]

        house.run(test)

    def test_audit(self, house: House) -> None:
        """Audit events are listed newest first, by person and action."""

        async def test(store: Store) -> None:
            for n in range(5):
                await store.audit("ann" if n % 2 else "bob", "run.start", f"run {n}", "ok", {"n": n})

            first = await store.audit_events(limit=2, who="bob")
            rest = await store.audit_events(limit=2, who="bob", cursor=first.next_cursor)

            assert [event.detail["n"] for event in first.items + rest.items] == [4, 2, 0]
            assert (await store.audit_events(action="other")).items == []

        house.run(test)

    def test_naive_datetimes(self, house: House) -> None:
        """A moment without time zone is refused at the door, and its neighbours of the same moment are stored."""

        async def test(store: Store) -> None:
            item = await claimed_item(store)
            naive = START.replace(tzinfo=None)
            with pytest.raises(NaiveDatetime):
                await store.claim_items(item.run_id, limit=1, now=naive)
            with pytest.raises(NaiveDatetime):
                await store.runs(created_since=naive)

            outcomes = await asyncio.gather(
                store.record_version(version_of(item, 1)),
                store.record_version(version_of(item, 2, created_at=naive)),
                store.finish_item(replace(completed(item), version=version_of(item, created_at=naive))),
                store.audit("ann", "x", "y", "ok"),
                return_exceptions=True,
            )

            assert [type(outcome) for outcome in outcomes] == [type(None), NaiveDatetime, NaiveDatetime, type(None)]
            assert await store.item(item.id) == item
            assert len(await store.package(version_of(item).package_id)) == 1

        house.run(test)

    def test_other_zones(self, house: House) -> None:
        """A moment of any zone is stored as the same moment, and comes back in UTC."""

        async def test(store: Store) -> None:
            item = await claimed_item(store)
            zoned = datetime.fromisoformat("2026-03-01T14:30:00.000001+05:30")
            await store.finish_item(ItemResult(item_id=item.id, status=I.QUEUED, not_before=zoned))

            due = await store.next_due(item.run_id)
            assert due == zoned
            assert due.isoformat() == "2026-03-01T09:00:00.000001+00:00"

        house.run(test)

    def test_stopped(self, house: House) -> None:
        """A store that is not running says so."""

        async def main() -> None:
            async with house.open() as store:
                pass
            with pytest.raises(StoreError, match="not started"):
                await store.runs()
            with pytest.raises(StoreError, match="not started"):
                await store.audit("a", "b", "c", "d")

        asyncio.run(main())
