"""What the store tells: its schema and clock, what is halted, late, undelivered, and which workers are alive."""

from __future__ import annotations

import importlib.metadata
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta

from coursekeep import CoursekeepError
from coursekeep_daemon.archives import open_archive
from coursekeep_daemon.doctor.finding import Finding, failed, ok, warning
from coursekeep_daemon.schedule import next_slots
from coursekeep_daemon.secrets import without_credentials
from coursekeep_daemon.settings import Settings, store_password
from coursekeep_daemon.store import Store, StoreError

__all__ = ["look"]

#: seconds by which clocks may differ before times in packages and events are wrong
_CLOCK = 5.0
#: how late a schedule may be
_LATE = timedelta(minutes=15)
#: how long a worker may be silent
_SILENT = timedelta(seconds=20)


async def look(settings: Settings, now: datetime) -> AsyncIterator[Finding]:
    """Yield what is found in the store; where it cannot be opened, only that."""
    address = without_credentials(settings.store.url)
    queue = settings.engine.kind == "procrastinate"
    try:
        store = Store(settings.store.url, password=store_password(settings), queue=queue)
        async with store:
            name, version = await store.version()
            yield ok("store", f"{address}, {name} {version}, revision {await store.revision()}")
            async for finding in _inside(settings, store, now):
                yield finding
    except (StoreError, CoursekeepError) as error:
        yield failed("store", f"{address}: {error}", "start the database, or correct [store]; then look again")


async def _inside(settings: Settings, store: Store, now: datetime) -> AsyncIterator[Finding]:
    yield _clock((await store.moment() - datetime.now(UTC)).total_seconds())
    if (await store.packages(limit=1)).items and not _has_archive(settings):
        said = "the store knows packages, and there is no archive where the settings say"
        yield failed("archive of the store", said, "mount its disk, or correct archive.url; the daemon does not start")
    for finding in [
        *await _integrations(settings, store, now),
        *await _schedules(store, now),
        *await _notifications(settings, store),
        *await _daemons(settings, store),
        *await _workers(settings, store),
    ]:
        yield finding


def _has_archive(settings: Settings) -> bool:
    try:
        return open_archive(settings).exists
    except CoursekeepError:
        return False


def _clock(seconds: float) -> Finding:
    said = f"the database's clock differs by {abs(seconds):.1f} s from this machine's"
    if abs(seconds) > _CLOCK:
        return failed("clock", said, "let both machines keep time by NTP")
    return ok("clock", said)


async def _integrations(settings: Settings, store: Store, now: datetime) -> list[Finding]:
    found: list[Finding] = []
    for one in await store.integrations():
        if one.halted_reason is not None and one.name in settings.integrations:
            remedy = f"renew the credentials, then run `coursekeep check {one.name}`"
            found.append(failed(f"integration {one.name}", f"it is halted: {one.halted_reason}", remedy))
    for name, integration in settings.integrations.items():
        if integration.expires_on is None:
            continue
        days = (integration.expires_on - now.date()).days
        said = f"{integration.expires_on} is the last day of its credentials"
        remedy = "renew them in the LMS, put the new ones into the settings, change `expires_on`, restart the daemon"
        if days < 0:
            found.append(failed(f"credentials {name}", said, remedy))
        elif days <= integration.expiry_notice:
            found.append(warning(f"credentials {name}", said, remedy))
    return found or [ok("integrations", "none is halted, and no credentials end soon as far as settings say")]


async def _schedules(store: Store, now: datetime) -> list[Finding]:
    found = []
    for one in await store.schedules():
        if not one.enabled:
            continue
        if one.last_error is not None:
            remedy = f"correct it; `coursekeep schedule preview {one.name}` shows what it would take"
            found.append(failed(f"schedule {one.name}", f"its last time could start no run: {one.last_error}", remedy))
        try:
            due = next_slots(one.cron, one.time_zone, one.last_fired_at or one.created_at)
        except ValueError as error:
            found.append(failed(f"schedule {one.name}", str(error), "correct its cron rule"))
            continue
        if due and now - due[0] > _LATE:
            said = f"it was due at {due[0]:%Y-%m-%d %H:%M} UTC, and has not started"
            found.append(failed(f"schedule {one.name}", said, "start the daemon: it catches up once"))
    return found or [ok("schedules", "none is late, and the last time of each could start its run")]


async def _notifications(settings: Settings, store: Store) -> list[Finding]:
    waiting = {name: n for name, n in (await store.work_state()).deliveries.items() if n}
    found = [
        warning(
            f"notifications {name}",
            f"{count} messages are not delivered yet",
            f"`coursekeep notification test {name}` says why"
            if name in settings.notifications
            else "the target is not in the settings any more; the next start of the daemon gives these up",
        )
        for name, count in sorted(waiting.items())
    ]
    return found or [ok("notifications", "all are delivered" if settings.notifications else "nobody is told anything")]


async def _daemons(settings: Settings, store: Store) -> list[Finding]:
    """Look whether one daemon leads: without it no run is planned, and no schedule starts one."""
    if settings.engine.kind != "procrastinate":
        return []
    daemons, own = await store.daemons(), importlib.metadata.version("coursekeep")
    if not any(one.leads_since is not None for one in daemons):
        remedy = "start a daemon; where one runs, its log says why it does not lead"
        return [failed("daemons", f"{len(daemons)} are known, and none leads: nothing is handed out", remedy)]
    others = sorted({f"{one.host} has version {one.version}" for one in daemons if one.version != own})
    if others:
        return [warning("daemons", f"this is version {own}, {', '.join(others)}", "upgrade them, and restart them")]
    return [ok("daemons", f"{len(daemons)} of version {own}, one of which leads")]


async def _workers(settings: Settings, store: Store) -> list[Finding]:
    if settings.engine.kind != "procrastinate":
        return [ok("workers", "the daemon archives courses itself")]
    workers, now = await store.workers(), await store.moment()
    if not workers:
        return [failed("workers", "no worker is running: courses wait", "start `coursekeep worker`")]
    own = importlib.metadata.version("coursekeep")
    found: list[Finding] = []
    for one in workers:
        step, silent = f"worker {one.name}", now - one.seen_at
        if silent > _SILENT:
            said = f"its last sign of life was {silent.total_seconds():.0f} s ago"
            found.append(warning(step, said, "look whether it hangs; the leading daemon gives its courses to others"))
        elif one.version != own:
            found.append(warning(step, f"it is version {one.version}, this is {own}", "upgrade and restart it"))
        elif lacking := sorted(set(_enabled(settings)) - set(one.integrations)):
            said = f"its settings lack {', '.join(lacking)}"
            found.append(warning(step, said, "give it the same settings.toml as the daemon, and restart it"))
    slots = sum(one.concurrency for one in workers)
    return found or [ok("workers", f"{len(workers)} of version {own} give signs of life, with {slots} slots")]


def _enabled(settings: Settings) -> Iterator[str]:
    return (name for name, one in settings.integrations.items() if one.enabled)
