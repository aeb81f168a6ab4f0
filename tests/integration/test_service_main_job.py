"""The main job over real HTTP: a service archives courses of a campus, and says what became of each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from fakes.service_bench import Bench

from coursekeep_campus import CampusServer, Fault, generated
from coursekeep_daemon.requests import BadRequest, RunRequest
from coursekeep_daemon.runs.states import ItemStatus, RunStatus
from coursekeep_daemon.service import Service


@pytest.fixture
def server() -> Iterator[CampusServer]:
    with CampusServer(generated(seed=1, courses=10), throttle=False) as server:
        yield server


@pytest.fixture
def bench(tmp_path: Path, server: CampusServer) -> Bench:
    return Bench(tmp_path, server)


def in_service(bench: Bench, test: Callable[[Service], Awaitable[None]]) -> None:
    async def main() -> None:
        async with bench.service() as service:
            await test(service)

    asyncio.run(main())


def test_every_kind_of_course_ends_as_it_should(bench, server):
    """Archived, unknown, forbidden, deleted, and one with a locked file: each has its status, reason and package."""
    known = server.known
    ids = [str(known[key]) for key in ("late_grade", "locked_file", "unknown", "forbidden", "deleted")]

    async def test(service: Service) -> None:
        run = await bench.finished(service, await bench.run_ids(service, *ids, ids[0], note="for the registrar"))
        items = await bench.items(service, run)

        assert run.status is RunStatus.COMPLETED_WITH_ERRORS
        assert [items[one].status for one in ids] == [
            ItemStatus.COMPLETED,
            ItemStatus.COMPLETED,
            ItemStatus.NOT_FOUND,
            ItemStatus.FAILED,
            ItemStatus.NOT_FOUND,
        ]
        assert items[str(known["forbidden"])].reason == "no_access"
        assert items[str(known["locked_file"])].gaps > 0
        assert len(items) == len(ids)  # asked for twice is one item
        assert await service.store.check_counters(run.id) == {}
        for one in ids[:2]:
            package_id = items[one].package_id
            assert package_id is not None
            assert (await service.verify_package(package_id)).valid
            (version,) = await service.store.package(package_id)
            assert (version.version, version.valid, version.run_id) == (1, True, run.id)
        assert b'coursekeep_courses_total{integration="main",status="completed"} 2.0' in service.metrics.render()

    in_service(bench, test)


def test_a_course_with_a_package_is_skipped_or_refreshed(bench, server):
    """`skip` says which run archived it; `refresh` writes a version only where something has changed."""
    course = str(server.known["late_grade"])

    async def test(service: Service) -> None:
        first = await bench.finished(service, await bench.run_ids(service, course))
        again = await bench.finished(service, await bench.run_ids(service, course))
        same = await bench.finished(service, await bench.run_ids(service, course, on_existing="refresh"))
        await asyncio.to_thread(change_grade, server)
        changed = await bench.finished(service, await bench.run_ids(service, course, on_existing="refresh"))

        skipped = (await bench.items(service, again))[course]
        unchanged = (await bench.items(service, same))[course]
        refreshed = (await bench.items(service, changed))[course]
        assert (skipped.status, skipped.reason) == (ItemStatus.SKIPPED, "archived")
        assert (skipped.archived_in_run, skipped.package_version, skipped.attempts) == (first.id, 1, 0)
        assert (unchanged.status, unchanged.reason) == (ItemStatus.SKIPPED, "unchanged")
        assert (refreshed.status, refreshed.package_version) == (ItemStatus.COMPLETED, 2)

    in_service(bench, test)


def change_grade(server: CampusServer) -> None:
    """Give a late grade, as a teacher would."""
    import httpx

    known = server.known
    change = {"course": known["late_grade"], "assignment": known["late_grade_assignment"]}
    change |= {"user": known["late_grade_user"], "score": 3}
    httpx.post(f"{server.url}/campus/grade", json=change).raise_for_status()


def test_a_preview_writes_nothing_and_tells_what_a_run_would_do(bench, server):
    """A preview has a row per course, also for those that a pattern leaves out, and leaves no trace."""
    known = server.known
    ids = [str(known["late_grade"]), str(known["unknown"])]

    async def test(service: Service) -> None:
        request = RunRequest(integration="main", source="ids", params={"ids": [*ids, ids[0]]}, exclude=["*"])
        preview = await service.preview(request)
        plain = await service.preview(RunRequest(integration="main", source="ids", params={"ids": ids}))
        cut = await service.preview(RunRequest(integration="main", source="ids", params={"ids": ids}), limit=1)

        assert {row.ref: row.reason for row in preview.rows} == {ids[0]: "excluded", ids[1]: None}
        assert {row.ref: row.would for row in plain.rows} == {ids[0]: ItemStatus.QUEUED, ids[1]: ItemStatus.NOT_FOUND}
        assert (len(cut.rows), cut.truncated) == (1, True)
        assert (await service.store.runs()).items == []
        assert (await service.store.courses(limit=10)).items == []

    in_service(bench, test)


def test_excluded_courses_have_no_item(bench, server):
    """A course that a pattern leaves out was not asked for: the run does not list it."""
    ids = [str(one) for one in server.known["ended"][:2]]

    async def test(service: Service) -> None:
        run = await bench.run_ids(service, *ids, exclude=["*"])
        run = await bench.finished(service, run)

        assert (run.status, run.total) == (RunStatus.COMPLETED, 0)

    in_service(bench, test)


@pytest.mark.parametrize(
    ("request_", "where", "says"),
    [
        (RunRequest(integration="mian", source="ids"), "integration", "did you mean main?"),
        (RunRequest(integration="main", source="idz"), "source", "did you mean ids?"),
        (RunRequest(integration="main", source="ids", params={"idz": ["1"]}), "params", "idz"),
        (RunRequest(integration="main", source="ids", on_existing="burn"), "on_existing", "allowed: refresh, skip"),
        (RunRequest(integration="main", source="end_date", params={"before": "2999-01-01"}), "params", "future"),
    ],
)
def test_a_request_that_cannot_be_is_refused_and_changes_nothing(bench, request_, where, says):
    """What is wrong is told with the field and what to do, and no run exists."""

    async def test(service: Service) -> None:
        with pytest.raises(BadRequest) as caught:
            await service.start_run(request_, by="tester")

        assert caught.value.where == where
        assert says in str(caught.value)
        assert (await service.store.runs()).items == []

    in_service(bench, test)


def test_an_unknown_term_fails_the_run_with_its_name(bench):
    """What only the LMS can know is told by the run: failed, with the reason, and no items left open."""

    async def test(service: Service) -> None:
        request = RunRequest(integration="main", source="terms", params={"terms": ["424242"]})
        run, _ = await service.start_run(request, by="tester")
        run = await bench.finished(service, run)

        assert run.status is RunStatus.FAILED
        assert "424242" in (run.reason or "")

    in_service(bench, test)


def test_a_repeated_request_with_a_key_starts_one_run(bench, server):
    """The same Idempotency-Key gives the first run back."""

    async def test(service: Service) -> None:
        request = RunRequest(integration="main", source="ids", params={"ids": [str(server.known["unknown"])]})
        first, created = await service.start_run(request, by="tester", idempotency_key="k")
        again, created_again = await service.start_run(request, by="tester", idempotency_key="k")

        assert (created, created_again) == (True, False)
        assert again.id == first.id

    in_service(bench, test)


def test_a_check_and_the_terms_are_kept(bench):
    """The steps of a check and the LMS's terms stand in the store afterwards."""

    async def test(service: Service) -> None:
        steps = await service.check("main")
        count = await service.refresh_terms("main")
        integration = await service.store.integration("main")

        assert all(step.ok for step in steps)
        assert integration is not None
        assert len(integration.check_steps) == len(steps)
        assert len(await service.store.terms("main")) == count > 0

    in_service(bench, test)


def test_a_large_run_does_not_starve_a_small_one(bench, server):
    """Runs take turns: a run of one course ends while a run begun before it still has courses queued."""
    ended = [str(one) for one in server.known["ended"]]
    server.faults.add(Fault(match="GET /api/v1/courses/*/sections*", kind="slow", seconds=0.5))

    async def main() -> None:
        async with bench.service(engine={"concurrency": 1}) as service:
            large = await bench.run_ids(service, *ended[:4], on_existing="refresh")
            small = await bench.run_ids(service, ended[4])
            await bench.finished(service, small)
            now = await service.store.run(large.id)

            assert now is not None
            assert now.counts[ItemStatus.QUEUED] > 0
            server.faults.clear()

    asyncio.run(main())


def test_a_schedule_lives_through_the_api_of_the_service(bench, server):
    """A schedule is made, previewed, changed and forgotten; a bad one is refused with the field."""
    fields = {"name": "ended", "integration": "main", "cron": "0 3 15 * *", "source": "end_date", "ended_for": "1 day"}

    async def test(service: Service) -> None:
        made = await service.create_schedule(fields, by="tester")
        preview = await service.preview_schedule("ended")
        changed = await service.update_schedule("ended", {"cron": "0 4 1 * *"}, by="tester")
        with pytest.raises(BadRequest, match="cron"):
            await service.update_schedule("ended", {"cron": "often"}, by="tester")
        with pytest.raises(BadRequest, match="there is a schedule ended already"):
            await service.create_schedule(fields, by="tester")
        due = service.next_fire(changed)
        await service.delete_schedule("ended", by="tester")

        assert made.created_by == "tester"
        assert {row.ref for row in preview.rows} >= {str(one) for one in server.known["ended"]}
        assert changed.cron == "0 4 1 * *"
        assert due is not None
        assert (due.day, due.hour) == (1, 4)
        assert await service.store.schedule("ended") is None

    in_service(bench, test)
