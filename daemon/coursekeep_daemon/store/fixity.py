"""Fixity: which package waits longest to be verified, what the checks gave, and what they found wrong."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, update

from coursekeep_daemon.fixity.records import (
    Checked,
    Finding,
    FindingChange,
    FindingKind,
    FindingState,
    FixityCounts,
    Judged,
    Unchecked,
)
from coursekeep_daemon.store.errors import Conflict, NoSuchRecord
from coursekeep_daemon.store.models import audit_event, package_version
from coursekeep_daemon.store.models_fixity import fixity_finding
from coursekeep_daemon.store.records import Slice
from coursekeep_daemon.store.room import Room
from coursekeep_daemon.store.rows import LARGEST_ID, Shape, is_id, page
from coursekeep_daemon.store.telling import tell_packages
from coursekeep_daemon.store.transaction import Transaction

__all__ = ["Fixity"]

_FINDING = Shape(Finding, fixity_finding)
_OPEN = fixity_finding.c.state == FindingState.OPEN
_UNSETTLED = fixity_finding.c.state.in_([FindingState.OPEN, FindingState.ACCEPTED])


class Fixity(Room):
    """The order in which packages are verified, and the findings."""

    async def next_to_verify(self, leave_out: Collection[str] = ()) -> Unchecked | None:
        """Return the package whose verification is oldest, those never verified first; None where there is none.

        It reads one entry of an index, and those of `leave_out`, however many packages there are.
        """
        return await self._reader(lambda connection: _oldest(connection, leave_out))

    async def fixity_counts(self, limit: datetime) -> FixityCounts:
        """Count how the packages stand; what was verified before `limit` is overdue. It reads an index as a whole."""
        return await self._reader(lambda connection: _counts(connection, limit, self._clock()))

    async def finding_counts(self) -> Mapping[FindingState, int]:
        """Count the packages with a finding that is open or accepted."""
        return await self._reader(_findings)

    async def last_verified_at(self) -> datetime | None:
        """Return when any package was verified last."""
        query = select(func.max(package_version.c.verified_at))
        return await self._reader(lambda connection: connection.scalar(query))

    async def judged(self, package_id: str) -> Judged:
        """Return what checks have said of a package: to be read before a check, and given to `record_check`."""
        return await self._reader(lambda connection: _judged(connection, package_id))

    async def record_check(self, checked: Checked, *, by: str, since: Judged | None = None) -> FindingChange:
        """Note the outcome of a check with its versions and as a finding: opened, changed, seen again, or closed.

        Versions that the check did not cover, such as one that was written meanwhile, stay as they are. Nothing is
        noted where another check has judged after `since`, in whichever process: what was read longer ago says nothing
        of what was repaired, or went wrong, in between. Raises `NoSuchRecord` where the store knows none of them.
        """
        return await self._writer.run(lambda tx: _record(tx, checked, by, since))

    async def findings(
        self, *, state: FindingState | None = None, limit: int = 50, cursor: str | None = None
    ) -> Slice[Finding]:
        """List what was found wrong, newest first. Raises `BadCursor`."""
        query = select(*_FINDING.columns)
        if state is not None:
            query = query.where(fixity_finding.c.state == state)
        key, scope = fixity_finding.c.id, f"findings {state}"
        return await self._reader(
            lambda connection: page(
                connection, _FINDING, query, key, scope=scope, limit=limit, cursor=cursor, newest_first=True
            )
        )

    async def finding_of(self, package_id: str) -> Finding | None:
        """Return what is wrong with a package, open or accepted; None where nothing is known to be."""
        return await self._reader(lambda connection: _unsettled(connection, package_id))

    async def finding_to_mend(self, before: datetime, leave_out: Collection[str] = ()) -> Finding | None:
        """Return the oldest open finding whose repair was not tried since `before`; None where there is none.

        Packages of `leave_out` are passed over, so that they keep no other waiting.
        """
        tried = fixity_finding.c.tried_at
        query = select(*_FINDING.columns).where(_OPEN, or_(tried.is_(None), tried < before))
        if leave_out:
            query = query.where(fixity_finding.c.package_id.not_in(sorted(leave_out)))
        query = query.order_by(fixity_finding.c.id).limit(1)
        return await self._reader(lambda connection: _FINDING.one(connection, query))

    async def record_repair(self, finding_id: int, detail: str, *, tried: bool) -> None:
        """Note what a repair said of an open finding; `tried` once the check after it has judged, too."""
        values = {"detail": detail} | ({"tried_at": self._clock()} if tried else {})
        statement = update(fixity_finding).where(fixity_finding.c.id == finding_id, _OPEN).values(values)
        await self._writer.run(lambda tx: tx.execute(statement).rowcount)

    async def accept_finding(self, finding_id: int, *, by: str, note: str) -> Finding:
        """Take an open finding as it is: it is not told or mended any more until it changes.

        Raises `NoSuchRecord`, and `Conflict` where it is not open.
        """
        return await self._writer.run(lambda tx: _accept(tx, finding_id, by, note))

    async def tell_findings(self, apart: timedelta) -> int:
        """Write the notifications of findings that were not told: one for all of an integration.

        Two of a kind are at least so far apart, so that a disk that rots makes no message for each package. Returns
        how many were written.
        """
        return await self._writer.run(lambda tx: _tell(tx, apart))


def _oldest(connection: Connection, leave_out: Collection[str]) -> Unchecked | None:
    table = package_version.c
    query = select(table.package_id, table.verified_at)
    if leave_out:
        query = query.where(table.package_id.not_in(sorted(leave_out)))
    # two questions, since databases differ on whether NULL comes first
    for known in (table.verified_at.is_(None), table.verified_at.is_not(None)):
        found = connection.execute(query.where(known).order_by(table.verified_at, table.id).limit(1)).one_or_none()
        if found is not None:
            return Unchecked(package_id=found.package_id, verified_at=found.verified_at)
    return None


def _counts(connection: Connection, limit: datetime, now: datetime) -> FixityCounts:
    table = package_version.c
    unverified = table.verified_at.is_(None)
    late = or_(table.verified_at <= limit, and_(unverified, table.created_at <= limit))

    def packages(*where: ColumnElement[bool]) -> int:
        distinct = select(table.package_id).where(*where).distinct().subquery()
        return connection.scalar(select(func.count()).select_from(distinct)) or 0

    number = packages()
    moments = [
        connection.scalar(select(func.min(table.verified_at))),
        connection.scalar(select(func.min(table.created_at)).where(unverified)),
    ]
    return FixityCounts(
        at=now,
        packages=number,
        verified=number - packages(or_(unverified, table.verified_at <= limit)),
        unverified=packages(unverified),
        overdue=packages(late),
        oldest_at=min((each for each in moments if each is not None), default=None),
        last_verified_at=connection.scalar(select(func.max(table.verified_at))),
        findings=_findings(connection),
    )


def _findings(connection: Connection) -> Mapping[FindingState, int]:
    query = select(fixity_finding.c.state, func.count()).where(_UNSETTLED).group_by(fixity_finding.c.state)
    return {row[0]: row[1] for row in connection.execute(query)}


def _unsettled(connection: Connection, package_id: str) -> Finding | None:
    query = select(*_FINDING.columns).where(fixity_finding.c.package_id == package_id, _UNSETTLED)
    return _FINDING.one(connection, query)


def _judged(connection: Connection, package_id: str) -> Judged:
    table, finding = package_version.c, _unsettled(connection, package_id)
    query = select(table.version, table.verified_at, table.valid).where(table.package_id == package_id)
    return Judged(
        versions={row.version: (row.verified_at, row.valid) for row in connection.execute(query)},
        finding=None if finding is None else (finding.id, finding.state),
    )


def _record(tx: Transaction, checked: Checked, by: str, since: Judged | None) -> FindingChange:
    if since is not None and not since.stands(now := _judged(tx.connection, checked.package_id)):
        return FindingChange.NOTHING if checked.kind is None and now.finding is None else FindingChange.OVERTAKEN
    _verified(tx, checked)
    before = _unsettled(tx.connection, checked.package_id)
    if checked.kind is None:
        if before is None:
            return FindingChange.NOTHING
        if not _covers(tx, before, checked):
            return FindingChange.SAME
        _close(tx, before, checked, by)
        return FindingChange.CLOSED
    if before is None:
        _open(tx, checked, by)
        return FindingChange.OPENED
    return _see(tx, before, checked, by)


def _covers(tx: Transaction, before: Finding, checked: Checked) -> bool:
    """Tell whether a check looked at what a finding says: a check of one version says nothing of later ones that the
    archive has lost."""
    if before.kind is not FindingKind.MISSING or before.version is None:
        return True
    known = _judged(tx.connection, checked.package_id).versions
    return all(number in checked.versions for number in known if number >= before.version)


def _verified(tx: Transaction, checked: Checked) -> None:
    table = package_version
    noted = 0
    for valid in (True, False):
        numbers = sorted(number for number, good in checked.versions.items() if good is valid)
        which = update(table).where(table.c.package_id == checked.package_id, table.c.version.in_(numbers))
        noted += tx.execute(which.values(verified_at=checked.at, valid=valid)).rowcount if numbers else 0
    if noted == 0:
        raise NoSuchRecord(f"The store knows no such version of package {checked.package_id}.")


def _facts(checked: Checked) -> dict[str, Any]:
    """What a finding takes over from a check."""
    return {
        "version": checked.version,
        "kind": checked.kind,
        "seen_at": checked.at,
        "problem_count": checked.problem_count,
        "problems": [dict(problem) for problem in checked.problems],
    }


def _open(tx: Transaction, checked: Checked, by: str) -> None:
    table = package_version.c
    course = select(table.integration, table.course_id, table.course_name).where(table.package_id == checked.package_id)
    row = tx.execute(course.order_by(table.version.desc()).limit(1)).mappings().one()
    known = {"package_id": checked.package_id, **row, "state": FindingState.OPEN, "told": False}
    tx.add(fixity_finding, known | _facts(checked) | {"found_at": checked.at})
    _audit(tx, by, "package.damage", checked.package_id, "found", checked)


def _see(tx: Transaction, before: Finding, checked: Checked, by: str) -> FindingChange:
    """Note a finding again. What was accepted is open again where it is another thing now."""
    facts = _facts(checked)
    same = all(getattr(before, name) == facts[name] for name in ("kind", "version", "problem_count", "problems"))
    statement = update(fixity_finding).where(fixity_finding.c.id == before.id)
    if same:
        tx.execute(statement.values(seen_at=checked.at))
        return FindingChange.SAME
    opened = {"state": FindingState.OPEN, "told": False, "tried_at": None, "closed_at": None, "closed_by": None}
    tx.execute(statement.values(facts | opened))
    _audit(tx, by, "package.damage", checked.package_id, "changed", checked)
    return FindingChange.CHANGED


def _close(tx: Transaction, before: Finding, checked: Checked, by: str) -> None:
    closed = {"state": FindingState.REPAIRED, "closed_at": checked.at, "closed_by": by, "told": False}
    tx.execute(update(fixity_finding).where(fixity_finding.c.id == before.id).values(closed))
    _audit(tx, by, "package.repair", checked.package_id, "done", checked, detail=before.detail)


def _audit(tx: Transaction, who: str, action: str, target: str, result: str, checked: Checked, **more: Any) -> None:
    wrong = {} if checked.kind is None else {"kind": checked.kind, "problems": checked.problem_count}
    detail = wrong | {name: value for name, value in more.items() if value is not None}
    row = {"at": tx.now, "who": who, "action": action, "target": target, "result": result, "detail": detail}
    tx.add(audit_event, row)


def _accept(tx: Transaction, finding_id: int, by: str, note: str) -> Finding:
    query = select(*_FINDING.columns).where(fixity_finding.c.id == min(finding_id, LARGEST_ID))
    found = _FINDING.one(tx.connection, query) if is_id(finding_id) else None
    if found is None:
        raise NoSuchRecord(f"There is no finding {finding_id}.")
    if found.state is not FindingState.OPEN:
        raise Conflict(f"Finding {finding_id} is {found.state}; only an open one can be accepted.")
    values = {
        "state": FindingState.ACCEPTED,
        "closed_at": tx.now,
        "closed_by": by,
        "detail": note or found.detail,
        "told": True,
    }
    tx.execute(update(fixity_finding).where(fixity_finding.c.id == finding_id).values(values))
    return _FINDING.record(tx.execute(query).one())


def _tell(tx: Transaction, apart: timedelta) -> int:
    """Findings that wait to be told are few: each of these has been read and judged since the last message."""
    query = select(*_FINDING.columns).where(fixity_finding.c.told.is_(False)).order_by(fixity_finding.c.id)
    waiting: dict[tuple[FindingState, str], list[Finding]] = {}
    for each in _FINDING.all(tx.connection, query):
        waiting.setdefault((each.state, each.integration), []).append(each)
    written = 0
    for (state, integration), found in waiting.items():
        if tell_packages(tx, state, integration, found, apart):
            which = fixity_finding.c.id.in_([each.id for each in found])
            tx.execute(update(fixity_finding).where(which).values(told=True))
            written += 1
    return written
