"""What of a package's content is never kept in records. The package file itself stays as it is."""

from __future__ import annotations

from coursekeep import Redaction

__all__ = ["REDACTIONS"]

REDACTIONS: tuple[Redaction, ...] = (
    Redaction(
        name="package_codes",
        reason="Enrolment keys, access codes and keys of external tools open what they protect.",
        keys=frozenset(
            {
                "enrolmentkey",
                "access_code",
                "shared_secret",
                "consumer_key",
                "resourcekey",
                "servicesalt",
                "self_enrollment_code",
            }
        ),
    ),
    Redaction(
        name="package_uuids",
        reason="A uuid of Canvas opens calendar feeds and files to anybody.",
        keys=frozenset({"uuid", "root_account_uuid"}),
    ),
)
