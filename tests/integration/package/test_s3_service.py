"""A whole service whose archive lies in an object store, with a replica on a disk."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.cli_process import coursekeep
from fakes.s3_server import S3Server, s3_server
from fakes.service_bench import Bench, eventually

from coursekeep_campus import CampusServer, generated
from coursekeep_daemon.fixity.records import Finding, FindingState
from coursekeep_daemon.package import Archive, verify_path
from coursekeep_daemon.replication import Pace
from coursekeep_daemon.runs.states import ItemStatus, RunStatus
from coursekeep_daemon.service import Service
from coursekeep_daemon.store import ReplicaStanding
from coursekeep_daemon.system import ReplicaSeen

QUICK = Pace(pause=0.05, retry=0.2, every=60.0, note=0.01)

pytestmark = pytest.mark.xdist_group("s3 service")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as started:
        yield started


@pytest.fixture(scope="module")
def campus() -> Iterator[CampusServer]:
    with CampusServer(generated(seed=1, courses=8), throttle=False) as server:
        yield server


async def standing(service: Service, wanted: ReplicaStanding) -> ReplicaSeen | None:
    """Return how the replica stands, if it stands so."""
    (seen,) = (await service.system()).replicas
    return seen if seen.standing is wanted else None


async def repaired(service: Service) -> list[Finding]:
    return [each for each in (await service.store.findings()).items if each.state is FindingState.REPAIRED]


def s3(store: S3Server) -> dict[str, Any]:
    return {
        "endpoint": store.url,
        "region": store.region,
        "access_key_id": store.owner.key,
        "secret_access_key": store.owner.secret,
    }


def test_courses_are_archived_in_s3_and_copied(tmp_path: Path, store: S3Server, campus: CampusServer) -> None:
    """A run writes its packages to the bucket; each is copied to the replica; a second run finds them there; they are
    verified by id. A replica that is away is told, holds nothing up, and catches up by itself. Damage in the bucket is
    found, and mended from it."""
    copy = tmp_path / "copy"
    archive = {
        "url": f"s3://{store.bucket}/service",
        "s3": s3(store),
        "replicas": [f"file://{copy}"],
    }

    first, last = [str(each) for each in campus.known["ended"][:2]]

    async def main() -> None:
        bench = Bench(tmp_path, campus)
        async with bench.service(archive=archive, copies=QUICK) as service:
            assert service.leader is not None
            copies = service.leader.replication
            ended = await bench.finished(service, await bench.run_ids(service, first))
            assert ended.status in (RunStatus.COMPLETED, RunStatus.COMPLETED_WITH_ERRORS)
            (item,) = (await bench.items(service, ended)).values()
            assert item.status is ItemStatus.COMPLETED
            assert item.package_id is not None
            assert (await service.verify_package(item.package_id)).valid
            replica = Archive(copy, organization="")
            await eventually(lambda: replica.head(item.package_id or "") is not None)

            shutil.move(copy, tmp_path / "away")
            ended = await bench.finished(service, await bench.run_ids(service, first, last))
            second = await bench.items(service, ended)
            assert second[first].status is ItemStatus.SKIPPED
            assert second[last].status is ItemStatus.COMPLETED
            seen = await eventually(lambda: standing(service, ReplicaStanding.AWAY))
            assert "mounted" in seen.reason
            assert copies.away(seen.address)
            assert b'coursekeep_replica_away{replica="' in service.metrics.render()
            assert not copy.exists()
            shutil.move(tmp_path / "away", copy)
            await eventually(lambda: not copies.away(seen.address))
            await eventually(lambda: replica.head(second[last].package_id or "") is not None)
            await eventually(lambda: standing(service, ReplicaStanding.CURRENT))

            damaged = item.package_id
            (named,) = (copy / replica.place(damaged).path).rglob("course.json")
            store.put(f"service/{named.relative_to(copy)}", b"{}")
            assert not (await service.verify_package(damaged)).valid
            findings = await eventually(lambda: repaired(service))
            assert [each.package_id for each in findings] == [damaged]
            assert service.archive.verify(damaged).valid
        assert verify_path(copy).valid

    asyncio.run(main())


def test_copies_are_looked_after_by_commands(tmp_path: Path, store: S3Server, campus: CampusServer) -> None:
    """`package verify s3://...`, `replicate`, `repair` and `clean` work without a daemon."""
    key, secret = tmp_path / "key", tmp_path / "secret"
    key.write_text(store.owner.key)
    secret.write_text(store.owner.secret)
    settings = tmp_path / "settings.toml"
    settings.write_text(
        f"""
[archive]
url = "s3://{store.bucket}/commands"
replicas = ["file://copy"]
[archive.s3]
endpoint = "{store.url}"
region = "{store.region}"
access_key_id = {{ file = "key" }}
secret_access_key = {{ file = "secret" }}
"""
    )

    async def cli(*arguments: str) -> Any:
        return await coursekeep(*arguments, COURSEKEEP_SETTINGS=str(settings))

    first = str(campus.known["ended"][0])

    async def main() -> None:
        bench = Bench(tmp_path, campus)
        early = await cli("package", "repair", "urn:uuid:0")
        assert (early.code, "no archive" in early.err) == (2, True)
        async with bench.service(archive={"url": f"s3://{store.bucket}/commands", "s3": s3(store)}) as service:
            await bench.finished(service, await bench.run_ids(service, first))
            package = (await service.store.packages()).items[0].package_id

        assert (await cli("package", "verify", f"s3://{store.bucket}/commands")).code == 0
        assert (await cli("package", "verify", f"s3://{store.bucket}/nothing")).code == 2
        assert (await cli("package", "replicate", "--check")).code == 2  # there is no replica yet
        made = await cli("package", "replicate", "--json")
        assert (made.code, made.json["items"][0]["versions"]) == (0, "v1")
        assert (await cli("package", "replicate", "--check")).code == 0
        damaged = next((tmp_path / "copy").rglob("course.json"))
        damaged.write_bytes(b"{}")
        mended = await cli("package", "repair", package, "--json")
        assert (mended.code, len(mended.json["mended"])) == (0, 1)
        stray = damaged.with_name("stray")
        stray.touch()
        beside = await cli("package", "repair", package)
        assert (beside.code, "Nothing of this was removed" in beside.out, stray.exists()) == (1, True, True)
        assert "WITH SURPLUS (0 mended, 0 lost, 1 surplus)" in beside.out
        stray.unlink()
        assert verify_path(tmp_path / "copy").valid
        cleaned = await cli("package", "clean", "--json")
        assert (cleaned.code, cleaned.json["items"]) == (0, [])
        assert store.owner.secret not in json.dumps((await cli("config", "show", "--json")).json)

    asyncio.run(main())
