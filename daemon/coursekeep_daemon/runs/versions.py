"""What the archive knows of a package's version, as the store records it; and which run made it."""

from __future__ import annotations

from dataclasses import replace

from coursekeep_daemon.package import Head
from coursekeep_daemon.store import PackageVersion, Run

__all__ = ["made_by", "version_of", "without_run"]


def made_by(head: Head, run: Run) -> bool:
    """Tell whether a run of this store made a version: the number alone does not say it.

    After the database was lost, runs count from one again, while packages keep the numbers of the runs before.
    """
    begun = run.created_at.replace(microsecond=0)  # an inventory has whole seconds
    return head.run_id == run.id and head.created_at >= begun


def without_run(head: Head) -> Head:
    """Return what is known of a version whose run this store does not have."""
    return replace(head, run_id=None, item_id=None)


def version_of(head: Head, integration: str) -> PackageVersion:
    """Make the store's record of a package's version. The store knows integrations by name."""
    return PackageVersion(
        package_id=head.object_id,
        version=head.version,
        integration=integration,
        course_id=head.course_id,
        course_name=head.course_name,
        run_id=head.run_id,
        item_id=head.item_id,
        created_at=head.created_at,
        path=head.path,
        payload_bytes=head.payload_bytes,
        payload_files=head.payload_files,
        gaps=head.gaps,
        completeness=head.completeness,
    )
