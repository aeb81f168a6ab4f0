"""The promises of the store about lists and cursors, for each database's tests to inherit."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from fakes.store_house import (
    START,
    House,
    claimed_item,
    completed,
    new_run,
    plans,
)

from coursekeep import Course
from coursekeep_daemon.runs.states import ItemStatus, RunStatus
from coursekeep_daemon.store import (
    BadCursor,
    Store,
)

__all__ = ["ListContract"]

I = ItemStatus  # noqa: E741
R = RunStatus


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
            assert (await store.courses(archived=True)).items == []
            assert len((await store.courses(archived=False)).items) == 2

        house.run(test)

    def test_seen_again(self, house: House) -> None:
        """A course that is seen again is changed in place, and keeps its package."""

        async def test(store: Store) -> None:
            item = await claimed_item(store)
            await store.finish_item(completed(item))
            await store.see_courses("main", [Course(id="1", name="Renamed", ended_at=START)])

            (course,) = (await store.courses(archived=True)).items
            assert (await store.courses(archived=False)).items == []
            assert (course.name, course.ended_at, course.package_version) == ("Renamed", START, 1)

        house.run(test)
