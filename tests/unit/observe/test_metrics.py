"""Metrics: named in one place, documented, read from the store seldom, and there when the store is not."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fakes.store_house import START, completed, new_run, plans, schedule, sqlite_house
from prometheus_client.parser import text_string_to_metric_families

from coursekeep import Asked, SettingsError
from coursekeep_daemon.expiry import Expiry
from coursekeep_daemon.metrics import Metrics
from coursekeep_daemon.metrics_catalogue import CATALOGUE, MetricKind, WaitReason, exposed
from coursekeep_daemon.metrics_server import serve_metrics
from coursekeep_daemon.metrics_state import StateMetrics
from coursekeep_daemon.runs.holds import Holds
from coursekeep_daemon.runs.states import ItemStatus
from coursekeep_daemon.settings import IntegrationSettings, Settings
from coursekeep_daemon.store import ItemResult, PauseLevel, Store

ROOT = Path(__file__).resolve().parents[3]


def samples(text: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return the numbers of a scrape by name and labels."""
    families = text_string_to_metric_families(text.decode())
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for each in families for one in each.samples}


def value(text: bytes, name: str, **labels: str) -> float | None:
    """Return one number of a scrape; None where it is not there."""
    return samples(text).get((name, tuple(sorted(labels.items()))))


async def space() -> tuple[int, int]:
    return 5_000, 10_000


def state_of(store: Store, metrics: Metrics, clock: Any, **more: Any) -> StateMetrics:
    holds = Holds(store, {"main": None}, clock)  # type: ignore[dict-item]  # nobody asks it
    settings = Settings(integrations={"main": IntegrationSettings(connector="canvas")})
    expiry = Expiry(settings, {}, store, holds, clock)
    return StateMetrics(metrics, store, holds, expiry, space, clock=clock, **{"patience": 30.0, **more})


def documented() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return what docs/reference/metrics.md lists: kind and labels by name."""
    page = (ROOT / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|([^|]*)\| \S", page, re.MULTILINE)
    return {name: (kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


def test_every_metric_is_documented_and_every_documented_one_is_there():
    """The page lists each metric with its kind and labels, and none besides."""
    assert documented() == {spec.name: (spec.kind.value, spec.labels) for spec in CATALOGUE}


def test_every_reason_to_wait_is_explained():
    """The page says of every reason what it means."""
    page = (ROOT / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")

    assert [reason for reason in WaitReason if f"| `{reason}` |" not in page] == []


def test_names_follow_the_rules_of_prometheus():
    """Counters end in _total, other metrics do not, seconds and bytes are the only units, no label is an id."""
    for spec in CATALOGUE:
        assert spec.name.endswith("_total") == (spec.kind is MetricKind.COUNTER), spec.name
        assert not re.search(r"_(ms|minutes|hours|kb|mb|percent)(_|$)", spec.name), spec.name
        assert not {"id", "run", "item", "course", "path", "url", "user"} & set(spec.labels), spec.name
        assert bool(spec.buckets) == (spec.kind is MetricKind.HISTOGRAM), spec.name


def test_a_process_shows_what_the_catalogue_says(tmp_path):
    """Once everything has happened, a scrape holds every metric of the catalogue with its labels, and no other."""
    house = sqlite_house(tmp_path)

    async def test(store: Store) -> bytes:
        metrics = Metrics("1.2.3")
        run = await new_run(store)
        await store.add_items(run.id, plans(3))
        await store.put_schedule(schedule())
        await store.schedule_fired("ended", START, None, error="no such term")
        state = state_of(store, metrics, house.clock)
        state._expiry._known["main"] = type("End", (), {"at": START})()  # type: ignore[assignment]
        item = (await store.claim_items(run.id, limit=1, now=START))[0]
        metrics.course_done(item, completed(item))
        metrics.notified("ops", "delivered")
        metrics.run_requested("main")
        metrics.plugins({"enabled": 2})
        metrics.lms_observer("main").asked(Asked(method="GET", path="", status=200, failure="", seconds=0.1))
        metrics.watch_integration("main", lambda: False)
        metrics.watch_replica("/copy", lambda: False)
        fixity = metrics.fixity()
        fixity.stands(await store.fixity_counts(START))
        fixity.checked("valid")
        fixity.repaired(done=True)
        metrics._histogram("coursekeep_course_seconds").labels("main").observe(3)
        for name in ("coursekeep_lms_requests_in_flight", "coursekeep_lms_requests_allowed"):
            metrics._gauge(name).labels("main").set(1)
        await store.tell_storage_held("full", START)
        (told,) = await store.unaddressed()
        await store.address(told.id, ["ops"])
        await state.refresh()
        return metrics.render()

    found: dict[str, set[str]] = {}
    for name, labels in samples(house.run(test)):
        if not name.endswith("_created"):
            found.setdefault(name, set()).update(key for key, _ in labels if key != "le")
    assert found == {name: set(spec.labels) for spec in CATALOGUE for name in exposed(spec)}


def test_the_queue_is_told_by_what_it_waits_for(tmp_path):
    """Items are counted by status and by what holds them; the oldest that could begin says how long it waits."""
    house = sqlite_house(tmp_path)

    async def test(store: Store) -> None:
        metrics = Metrics("0")
        run = await new_run(store)
        await store.add_items(run.id, plans(10))
        (item, again) = await store.claim_items(run.id, limit=2, now=START)
        later = START + timedelta(hours=1)
        postponed = ItemResult(item_id=again.id, status=ItemStatus.QUEUED, detail="busy", not_before=later)
        await store.finish_item(postponed)
        state = state_of(store, metrics, house.clock, max_age=0.0)
        house.clock.move(seconds=90)

        await state.refresh()
        text = metrics.render()

        assert value(text, "coursekeep_queue_items", integration="main", status="queued") == 9
        assert value(text, "coursekeep_queue_items", integration="main", status="processing") == 1
        assert value(text, "coursekeep_waiting_items", integration="main", reason="not_due") == 1
        assert value(text, "coursekeep_waiting_items", integration="main", reason="turn") == 8
        assert value(text, "coursekeep_queue_oldest_seconds", integration="main") == 90
        assert value(text, "coursekeep_store_up") == 1

        await store.pause(PauseLevel.INTEGRATION, "main", "anna")
        await state._holds.refresh()
        await state.refresh()
        text = metrics.render()

        assert value(text, "coursekeep_waiting_items", integration="main", reason="paused") == 9
        assert value(text, "coursekeep_waiting_runs", integration="main", reason="paused") == 1
        assert value(text, "coursekeep_waiting_items", integration="main", reason="turn") is None
        assert value(text, "coursekeep_queue_oldest_seconds", integration="main") is None
        assert item.id

    house.run(test)


def test_a_schedule_that_is_late_says_how_late(tmp_path):
    """A time that has passed without a run is told in seconds; one that was kept is told by its moment."""
    house = sqlite_house(tmp_path)

    async def test(store: Store) -> None:
        metrics = Metrics("0")
        await store.sync_integrations([("main", "canvas", {})])
        await store.put_schedule(schedule("hourly", cron="0 * * * *", created_at=START))
        state = state_of(store, metrics, house.clock, max_age=0.0)
        house.clock.move(minutes=61)
        await state.refresh()
        assert value(metrics.render(), "coursekeep_schedule_late_seconds", schedule="hourly") == 60

        await store.schedule_fired("hourly", START + timedelta(hours=1), 7)
        await state.refresh()
        text = metrics.render()
        fired = value(text, "coursekeep_schedule_last_slot_timestamp_seconds", schedule="hourly")
        assert value(text, "coursekeep_schedule_late_seconds", schedule="hourly") == 0
        assert fired == (START + timedelta(hours=1)).timestamp()

    house.run(test)


def test_the_store_is_read_once_for_many_scrapes(tmp_path):
    """However many ask within a few seconds, and at once, the store is read once."""
    house = sqlite_house(tmp_path)

    async def test(store: Store) -> None:
        metrics = Metrics("0")
        state = state_of(store, metrics, house.clock)
        reads = 0
        work_state = store.work_state

        async def counted() -> Any:
            nonlocal reads
            reads += 1
            return await work_state()

        store.work_state = counted  # type: ignore[method-assign]
        await asyncio.gather(*(state.refresh() for _ in range(20)))
        await state.refresh()

        assert reads == 1

    house.run(test)


def test_a_scrape_without_the_store_says_so(tmp_path):
    """With the store down, or silent, a scrape answers soon, says that it is down, and shows no old numbers."""
    house = sqlite_house(tmp_path)

    async def test(store: Store) -> None:
        metrics = Metrics("0")
        state = state_of(store, metrics, house.clock, max_age=0.0, patience=30.0)
        await state.refresh()
        assert value(metrics.render(), "coursekeep_archive_free_bytes") == 5_000

        silent = asyncio.Event()

        async def never() -> Any:
            await silent.wait()

        work_state, store.work_state = store.work_state, never  # type: ignore[method-assign]
        state._patience = 0.05
        await state.refresh()
        assert value(metrics.render(), "coursekeep_store_up") == 0
        assert value(metrics.render(), "coursekeep_archive_free_bytes") is None

        await state.stop()
        state._patience = 30.0
        store.work_state = work_state  # type: ignore[method-assign]
        await state.refresh()
        assert value(metrics.render(), "coursekeep_store_up") == 1

        await store.stop()
        await state.refresh()
        assert value(metrics.render(), "coursekeep_store_up") == 0

    house.run(test)


def test_the_endpoint_of_its_own_serves_metrics():
    """It answers GET /metrics to anybody who reaches it, nothing else, and a port in use is told with what to do."""
    metrics = Metrics("1.2.3")
    refreshed = []

    async def refresh() -> None:
        refreshed.append(1)

    async def main() -> None:
        async with serve_metrics("127.0.0.1", 0, metrics, refresh=refresh) as port, httpx.AsyncClient() as client:
            base = f"http://127.0.0.1:{port}"
            good = await client.get(f"{base}/metrics?x=1")
            head = await client.head(f"{base}/metrics")
            other, post = await client.get(f"{base}/api/v1/runs"), await client.post(f"{base}/metrics")
            assert (good.status_code, other.status_code, post.status_code) == (200, 404, 405)
            assert good.headers["content-type"].startswith("text/plain; version=")
            assert value(good.content, "coursekeep_info", version="1.2.3") == 1
            assert (head.content, len(refreshed)) == (b"", 2)
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"\x00" * 100_000)  # no HTTP
            await writer.drain()
            assert (await client.get(f"{base}/metrics")).status_code == 200
            with pytest.raises(SettingsError, match=r"telemetry\.metrics_port: .* cannot be opened"):
                async with serve_metrics("127.0.0.1", port, metrics):
                    pass
            writer.close()

    asyncio.run(main())


def test_the_writer_and_the_reader_are_measured(tmp_path):
    """Each transaction tells how many changes it held and how long it took; each read how long it took."""
    metrics = Metrics("0")

    async def test(store: Store) -> None:
        run = await new_run(store)
        await store.add_items(run.id, plans(50))
        items = await store.claim_items(run.id, limit=50, now=START)
        before = value(metrics.render(), "coursekeep_store_commit_seconds_count") or 0
        failed = [ItemResult(item_id=one.id, status=ItemStatus.FAILED, reason="no_access") for one in items]
        await asyncio.gather(*(store.finish_item(one) for one in failed))
        await store.open_runs()
        text = metrics.render()
        assert (value(text, "coursekeep_store_commit_seconds_count") or 0) - before < 50
        assert (value(text, "coursekeep_store_batch_changes_sum") or 0) >= 50
        assert (value(text, "coursekeep_store_read_seconds_count") or 0) >= 1
        assert store.changes_waiting == 0

    sqlite_house(tmp_path).run(test, observer=metrics.store_observer())
