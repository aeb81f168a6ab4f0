"""How a version came about: events in the vocabulary of PREMIS, and what redaction took out."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from coursekeep import Redaction
from coursekeep_daemon.package.context import PackageContext
from coursekeep_daemon.package.jsontext import rfc3339, to_line

__all__ = ["GapTimes", "Removals", "events"]

_TERMS = "http://id.loc.gov/vocabulary/preservation/eventType/"
#: terms of the Library of Congress's vocabulary; those without an address here are given by their name alone
_ADDRESSES = {"capture": f"{_TERMS}cap", "message digest calculation": f"{_TERMS}mes"}


@dataclass(slots=True)
class GapTimes:
    """When gaps were met. Kept apart from gaps.jsonl, which must not differ from capture to capture for no reason."""

    times: dict[tuple[str, str], tuple[int, datetime, datetime]] = field(default_factory=dict)

    def met(self, kind: str, reason: str, now: datetime) -> None:
        """Take note of one gap."""
        number, first, _ = self.times.get((kind, reason), (0, now, now))
        self.times[kind, reason] = (number + 1, first, now)


@dataclass(slots=True)
class Removals:
    """How often each rule took something out of each file."""

    files: dict[str, Counter[tuple[str, str, str]]] = field(default_factory=dict)

    def add(self, file: str, removed: str | None) -> None:
        """Take what one line lost, as stored in the spool."""
        if removed:
            self.files.setdefault(file, Counter()).update(tuple(item) for item in json.loads(removed))

    @property
    def total(self) -> int:
        """Return how many values were taken out of the package."""
        return sum(sum(counter.values()) for counter in self.files.values())

    def to_json(self, rules: Sequence[Redaction]) -> dict[str, Any]:
        """Return the content of redactions.json."""
        files: dict[str, dict[str, dict[str, dict[str, int]]]] = {}
        for file, counter in self.files.items():
            for (rule, what, name), number in counter.items():
                files.setdefault(file, {}).setdefault(rule, {}).setdefault(what, {})[name] = number
        return {
            "how_to_read": "Of each rule's keys, JSON members were left out with their values. Of each rule's "
            "parameters, and after its paths, the value was replaced by REMOVED in addresses inside text. `files` says "
            "per file of this package, rule and name how often that was done. A rule that found nothing is not listed "
            "there.",
            "rules": [
                {
                    "name": rule.name,
                    "reason": rule.reason,
                    "keys": sorted(rule.keys),
                    "parameters": sorted(rule.parameters),
                    **({"paths": sorted(rule.paths)} if rule.paths else {}),
                }
                for rule in rules
            ],
            "files": files,
        }


def events(
    context: PackageContext, version: str, *, gap_times: GapTimes, removals: Removals, files: int, finished: datetime
) -> Iterator[bytes]:
    """Yield the lines of events.jsonl for one version; `version` is the package's id with the version's number."""
    source = f"{context.source.get('connector', '')} at {context.source.get('base_url', '')}"
    capture = f"Read through the LMS's own interface: {source}, integration {context.integration}."
    rows: list[tuple[datetime, str, str, str, Mapping[str, Any]]] = [
        (context.started_at, "capture", capture, "begun", {"run": context.run_id, "item": context.item_id}),
    ]
    for (kind, reason), (number, first, last) in sorted(gap_times.times.items()):
        detail = f"Gaps of kind {kind} with reason {reason}: {number}. See gaps.jsonl."
        rows.append((last, "capture", detail, "gap", {"count": number, "first": first, "last": last}))
    rows += [
        (finished, "message digest calculation", f"SHA-512 of {files} files, while they arrived.", "success", {}),
        (finished, "redaction", "See provenance/redactions.json.", "success", {"removed": removals.total}),
        (finished, "information package creation", f"Version written as {version}.", "success", {}),
    ]
    for number, (moment, term, detail, outcome, note) in enumerate(rows):
        identifier = uuid.uuid5(uuid.NAMESPACE_URL, f"{version}/{rfc3339(moment)}/{number}")
        yield to_line(
            {
                "eventIdentifier": {"type": "UUID", "value": str(identifier)},
                "eventType": {"term": term, "uri": _ADDRESSES.get(term)},
                "eventDateTime": moment,
                "eventDetail": detail,
                "eventOutcome": {"outcome": outcome, "note": dict(note)},
                "linkingAgentIdentifier": [
                    {"role": "software", "type": "name", "value": context.software},
                    {"role": "authorizer", "type": "name", "value": context.organization},
                ],
                "linkingObjectIdentifier": {"type": "OCFL", "value": version},
            }
        )
