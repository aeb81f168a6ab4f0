"""The promises of the store about all but runs and items, for each database's tests to inherit."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

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

from coursekeep import CheckStep
from coursekeep_daemon.runs.states import ItemStatus, RunStatus
from coursekeep_daemon.store import (
    BadCursor,
    Conflict,
    ItemResult,
    NaiveDatetime,
    NoSuchRecord,
    PauseLevel,
    Store,
    StoredTerm,
    StoreError,
)

__all__ = ["AccessContract", "TopicContract"]

I = ItemStatus  # noqa: E741


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
            run = str((await new_run(store)).id)
            assert await store.pause(PauseLevel.ALL, "", "ann")
            assert await store.pause(PauseLevel.RUN, run, "ann")
            assert not await store.pause(PauseLevel.RUN, run, "bob")

            assert [(p.level, p.target, p.by) for p in await store.pauses()] == [
                (PauseLevel.ALL, "", "ann"),
                (PauseLevel.RUN, run, "ann"),
            ]
            assert await store.resume(PauseLevel.ALL, "")
            assert not await store.resume(PauseLevel.INTEGRATION, run)
            for level in (PauseLevel.RUN, PauseLevel.INTEGRATION):
                with pytest.raises(NoSuchRecord):
                    await store.pause(level, "77", "ann")
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
            assert stored is not None
            assert stored.times_since is not None
            kept = {"last_fired_at": START, "last_run_id": 5, "revision": 2, "times_since": stored.times_since}
            assert stored == schedule(cron="0 4 * * *", **kept)
            assert await store.delete_schedule("ended")
            assert not await store.delete_schedule("ended")
            with pytest.raises(NoSuchRecord):
                await store.schedule_fired("ended", START, None)

        house.run(test)

    def test_a_schedule_says_why_it_started_nothing(self, house: House) -> None:
        """The reason of a tick that failed is kept until one succeeds; the run before it stays the last."""

        async def test(store: Store) -> None:
            await store.put_schedule(schedule())
            await store.schedule_fired("ended", START, 5)
            await store.schedule_fired("ended", START + timedelta(days=1), None, error="no such source")
            bad = await store.schedule("ended")
            changed = await store.put_schedule(schedule(cron="0 4 * * *"))
            await store.schedule_fired("ended", START + timedelta(days=2), 6)
            good = await store.schedule("ended")

            assert bad is not None
            assert (bad.last_error, bad.last_run_id) == ("no such source", 5)
            assert changed.last_error == "no such source"
            assert good is not None
            assert (good.last_error, good.last_run_id, good.revision) == (None, 6, 2)

        house.run(test)

    def test_a_rule_that_stays_the_same_keeps_its_revision(self, house: House) -> None:
        """Only a change of the rule raises the revision: a restart that declares the same does not."""

        async def test(store: Store) -> None:
            declared = schedule(declared=True)
            await store.sync_declared_schedules([declared])
            await store.sync_declared_schedules([replace(declared, created_at=START + timedelta(days=1))])
            same = await store.schedule("ended")
            await store.sync_declared_schedules([replace(declared, enabled=False)])
            other = await store.schedule("ended")

            assert same is not None
            assert other is not None
            assert (same.revision, same.created_at, other.revision) == (1, START, 2)

        house.run(test)

    def test_the_runs_of_a_schedule(self, house: House) -> None:
        """Runs are listed by their schedule, found by their key, and their statuses asked for at once."""

        async def test(store: Store) -> None:
            first = await new_run(store, schedule="ended", idempotency_key="k")
            await new_run(store, schedule="other")
            await new_run(store)
            last = await new_run(store, schedule="ended", started=False)
            part = await store.runs(schedule="ended", limit=1)
            rest = await store.runs(schedule="ended", limit=1, cursor=part.next_cursor)

            assert [run.id for run in (*part.items, *rest.items)] == [last.id, first.id]
            with pytest.raises(BadCursor):
                await store.runs(schedule="other", cursor=part.next_cursor)
            found = await store.run_of_key("cli", "k")
            assert found is not None
            assert found.id == first.id
            assert await store.run_of_key("eve", "k") is None
            wanted = {first.id: RunStatus.PROCESSING, last.id: RunStatus.QUEUED}
            assert await store.run_statuses([first.id, last.id, 999, 0]) == wanted

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
        """A token is found by its secret, with its user, until it is revoked; its name is free again then."""

        async def test(store: Store) -> None:
            token, secret = await store.create_token("ops", "operate")
            assert secret.startswith("ck_")
            assert len(secret) == 46
            assert await store.token_for(secret) == (token, await store.user("ops"))
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

    def test_what_is_noted_of_a_run_is_told(self, house: House) -> None:
        """Whoever shows who did what to a run is told when it is noted; of other targets nothing is told."""

        async def test(store: Store) -> None:
            before = await store.last_event_id()

            await store.audit("ann", "run.resume", "run 7", "done")
            await store.audit("ann", "integration.pause", "main", "done")

            (event,) = await store.events_after(before)
            assert (event.kind, event.run_id, event.data) == (
                "activity",
                7,
                {"action": "run.resume", "result": "done"},
            )

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
