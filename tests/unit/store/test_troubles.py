"""What several daemons share in the store: troubles, the edits of schedules, and when these were last kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from fakes.store_house import START, House, schedule

from coursekeep_daemon.runs.troubles import Troubles
from coursekeep_daemon.store import Conflict, Store, StoreError, Trouble, TroubleKind


def test_a_trouble_is_noted_once_and_ended_once(house: House) -> None:
    """Of all who meet it the first counts, later ones change the reason; listeners hear when it begins and ends."""
    met = Trouble(kind=TroubleKind.LMS, target="main", reason="503", since=START, reporter="one")

    async def test(store: Store) -> None:
        later = replace(met, reason="504", since=START + timedelta(hours=1), reporter="two")
        assert [await store.note_trouble(each) for each in (met, later)] == [True, False]
        assert await store.troubles() == [replace(met, reason="504")]
        assert [await store.end_trouble(TroubleKind.LMS, "main") for _ in range(2)] == [True, False]
        told = [(each.kind, each.data["level"], each.data["held"]) for each in await store.events_after(0)]
        assert told == [("hold", "lms", True), ("hold", "lms", False)]

    house.run(test)


def test_a_trouble_holds_though_the_store_cannot_be_written(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is known here at once, survives readings that do not have it, and is written once the store takes it."""
    monkeypatch.setattr("coursekeep_daemon.runs.troubles._AGAIN", 0.01)

    async def test(store: Store) -> None:
        tries: list[Trouble] = []
        note = store.note_trouble

        async def full(met: Trouble) -> bool:
            tries.append(met)
            if len(tries) < 3:
                raise StoreError("The disk is full.")
            return await note(met)

        store.note_trouble = full  # type: ignore[method-assign]
        here, elsewhere = Troubles(store, lambda: START), Troubles(store, lambda: START)
        assert here.note(TroubleKind.STORAGE, "", "no space")
        assert not here.note(TroubleKind.STORAGE, "", "no space at all")
        await here.refresh()
        assert here.of(TroubleKind.STORAGE) is not None
        assert here._writing is not None
        await here._writing
        assert await elsewhere.refresh()
        assert elsewhere.of(TroubleKind.STORAGE) is not None
        elsewhere.over(TroubleKind.STORAGE)
        assert elsewhere._writing is not None
        await elsewhere._writing
        assert await here.refresh()
        assert here.of(TroubleKind.STORAGE) is None

    house.run(test)


def test_a_trouble_that_comes_back_before_its_end_was_written_is_another_one(house: House) -> None:
    """The store hears of the end first, so that it knows since when the new one lasts, and listeners hear of both."""

    async def test(store: Store) -> None:
        now = START
        here = Troubles(store, lambda: now)
        here.note(TroubleKind.STORAGE, "", "no space")
        assert here._writing is not None
        await here._writing
        here.over(TroubleKind.STORAGE)
        now = START + timedelta(hours=1)
        here.note(TroubleKind.STORAGE, "", "gone")
        await here._writing
        (kept,) = await store.troubles()
        assert (kept.reason, kept.since) == ("gone", now)
        assert [each.data["held"] for each in await store.events_after(0)] == [True, False, True]

    house.run(test)


def test_an_edit_of_a_schedule_that_another_was_faster_than_is_refused(house: House) -> None:
    """A schedule is stored only at the revision that it was expected at; 0 means that there is none."""

    async def test(store: Store) -> None:
        await store.put_schedule(schedule(), at=0)
        with pytest.raises(Conflict):
            await store.put_schedule(schedule(), at=0)
        changed = await store.put_schedule(schedule(cron="0 4 * * *"), at=1)
        with pytest.raises(Conflict):
            await store.put_schedule(schedule(cron="0 5 * * *"), at=1)
        assert await store.schedule("ended") == changed

    house.run(test)


def test_the_last_time_of_a_schedule_never_goes_back(house: House) -> None:
    """What a daemon that was replaced tells late does not make a time due again."""

    async def test(store: Store) -> None:
        await store.put_schedule(schedule())
        await store.schedule_fired("ended", START, None)
        await store.schedule_fired("ended", START - timedelta(days=1), None, error="late")
        now = await store.schedule("ended")
        assert now is not None
        assert (now.last_fired_at, now.last_error) == (START, None)

    house.run(test)
