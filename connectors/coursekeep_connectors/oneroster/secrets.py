"""What of OneRoster's objects is never kept."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from coursekeep import Redaction

__all__ = ["REDACTIONS", "blanked", "without_secrets"]

REDACTIONS: tuple[Redaction, ...] = (
    Redaction(
        name="oneroster_credentials",
        reason="Users carry passwords and log-ins to other systems, which open these to whoever reads them.",
        keys=frozenset({"credentials"}),
    ),
)

#: fields that institutions add have any name: `metadata.studentPassword`
_SECRET = re.compile(r"passw(or)?d|passphrase|client_?secret", re.IGNORECASE)
#: taken out, and counted, by the framework
_COUNTED = frozenset({"password", "credentials"})


def blanked(cells: Mapping[str, str]) -> dict[str, str]:
    """Return a row without the values of columns that are named like passwords; the names go later."""
    return {column: "" if _SECRET.search(column) else cell for column, cell in cells.items()}


def without_secrets(value: Any) -> Any:
    """Return a copy without fields that are named like passwords; those that a redaction names stay for it to count."""
    if isinstance(value, dict):
        return {
            key: without_secrets(each)
            for key, each in value.items()
            if key.lower() in _COUNTED or not _SECRET.search(key)
        }
    return [without_secrets(each) for each in value] if isinstance(value, list) else value
