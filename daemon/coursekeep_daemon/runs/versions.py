"""What the archive knows of a package's newest version, as the store records it."""

from __future__ import annotations

from coursekeep_daemon.package import Head
from coursekeep_daemon.store import PackageVersion

__all__ = ["version_of"]


def version_of(head: Head, integration: str) -> PackageVersion:
    """Make the store's record of a package's newest version. The store knows integrations by name."""
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
