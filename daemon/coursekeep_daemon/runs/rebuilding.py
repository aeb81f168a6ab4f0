"""Tells the store of all packages in the archive: after the store was lost, or restored from an older copy."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from coursekeep_daemon.package import Archive, Head, PackageDamaged
from coursekeep_daemon.runs.versions import made_by, version_of, without_run
from coursekeep_daemon.store import Store

__all__ = ["Rebuilt", "rebuild"]


@dataclass(kw_only=True)
class Rebuilt:
    """What was found."""

    packages: int = 0
    versions: int = 0
    #: versions that the store did not know
    added: int = 0
    #: packages that cannot be read, with the reason
    damaged: dict[str, str] = field(default_factory=dict)


async def rebuild(archive: Archive, store: Store, names: Mapping[str, str]) -> Rebuilt:
    """Record every version in the archive that the store does not know. Harmless where nothing is missing.

    `names` gives the name of an integration by its id in packages; one that is not there any more keeps its id. A run
    is named only where it is this store's. Runs, users and schedules are in no package and do not come back. Raises
    `StorageUnavailable`, `PackageBusy`, `StoreError`; what was recorded until then stays, and the next call goes on.
    """
    found = Rebuilt()
    for object_id in await asyncio.to_thread(lambda: list(archive.objects())):
        try:
            heads = await asyncio.to_thread(archive.versions, object_id)
        except PackageDamaged as error:
            found.damaged[object_id] = str(error)
            continue
        known = {version.version for version in await store.package(object_id)}
        found.packages += 1
        found.versions += len(heads)
        for head in heads:
            if head.version not in known:
                await store.record_version(
                    version_of(await _own(head, store), names.get(head.integration, head.integration))
                )
                found.added += 1
    return found


async def _own(head: Head, store: Store) -> Head:
    run = await store.run(head.run_id) if head.run_id else None
    return head if run is not None and made_by(head, run) else without_run(head)
