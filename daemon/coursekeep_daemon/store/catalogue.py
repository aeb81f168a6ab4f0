"""The catalogue of courses, and the packages they are kept in."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, func, or_, select

from coursekeep import Course
from coursekeep_daemon.store.database import Database, Insert
from coursekeep_daemon.store.models import course, package_version
from coursekeep_daemon.store.records import CatalogueCourse, PackageVersion, Slice
from coursekeep_daemon.store.room import Room
from coursekeep_daemon.store.rows import Shape, page, search_condition, searchable
from coursekeep_daemon.store.transaction import Transaction

__all__ = ["Catalogue", "write_versions"]

_COURSE = Shape(CatalogueCourse, course)
_VERSION = Shape(PackageVersion, package_version)

#: ids in one IN list
_CHUNK = 1000

#: what a course's row takes from the LMS
_SEEN = ("name", "code", "sis_id", "term_name", "ended_at", "url", "seen_at", "search_text")


class Catalogue(Room):
    """What the LMSs have, as last seen, and what the archive holds of it."""

    async def see_courses(self, integration: str, courses: Sequence[Course]) -> None:
        """Take over courses as an LMS describes them now. Their packages stay."""
        if courses:
            await self._writer.run(lambda tx: _see(tx, integration, courses))

    async def courses(
        self,
        search: str | None = None,
        *,
        integration: str | None = None,
        archived: bool | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Slice[CatalogueCourse]:
        """List the catalogue in the order of first sight. `search` looks in name, code and ids. Raises `BadCursor`.

        `archived` takes only the courses that have a package, or that have none.
        """
        query = _filtered(select(*_COURSE.columns), course.c.search_text, search, course.c.integration, integration)
        if archived is not None:
            query = query.where(course.c.package_id.is_not(None) if archived else course.c.package_id.is_(None))
        scope = f"courses {search!r} {integration!r} {archived!r}"
        return await self._reader(
            lambda connection: page(connection, _COURSE, query, course.c.id, scope=scope, limit=limit, cursor=cursor)
        )

    async def course(self, integration: str, course_id: str) -> CatalogueCourse | None:
        """Return one course by its LMS id; None where it was never seen."""
        query = select(*_COURSE.columns).where(course.c.integration == integration, course.c.course_id == course_id)
        return await self._reader(lambda connection: _COURSE.one(connection, query))

    async def newest_versions(self, integration: str, course_ids: Collection[str]) -> dict[str, PackageVersion]:
        """Return the newest package version of those courses that have one, by course id."""
        ids = list(course_ids)
        table = package_version
        newest = (
            select(*_VERSION.columns)
            .where(table.c.integration == integration, table.c.course_id.in_(bindparam("ids", expanding=True)))
            .where(_is_newest(table.c.integration, table.c.course_id))
        )

        def read(connection: Any) -> dict[str, PackageVersion]:
            found: dict[str, PackageVersion] = {}
            for start in range(0, len(ids), _CHUNK):
                for row in connection.execute(newest, {"ids": ids[start : start + _CHUNK]}):
                    version = _VERSION.record(row)
                    found[version.course_id] = version
            return found

        return await self._reader(read)

    async def package(self, package_id: str) -> list[PackageVersion]:
        """Return all versions of a package, oldest first; an empty list where there is no such package."""
        query = select(*_VERSION.columns).where(package_version.c.package_id == package_id)
        query = query.order_by(package_version.c.version)
        return await self._reader(lambda connection: _VERSION.all(connection, query))

    async def packages(
        self, search: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> Slice[PackageVersion]:
        """List packages by their newest version, latest archived first. Raises `BadCursor`."""
        table = package_version
        query = select(*_VERSION.columns).where(_is_newest(table.c.package_id))
        query = _filtered(query, table.c.search_text, search, table.c.integration, None)
        return await self._reader(
            lambda connection: page(
                connection,
                _VERSION,
                query,
                table.c.id,
                scope=f"packages {search!r}",
                limit=limit,
                cursor=cursor,
                newest_first=True,
            )
        )

    async def record_version(self, version: PackageVersion) -> None:
        """Note a version that the archive holds, whether or not it is known; the course's newest package follows."""
        statements = VersionStatements(self._database)
        await self._writer.run(lambda tx: write_versions(tx, statements, [version]))


class VersionStatements:
    """The statements that write package versions, made once for the hot path."""

    def __init__(self, database: Database) -> None:
        self.version: Insert = database.insert(package_version)
        fields = [name for name in _VERSION.names if name not in ("package_id", "version", "verified_at", "valid")]
        self.version = self.version.on_conflict_do_update(
            index_elements=["package_id", "version"],
            set_={name: self.version.excluded[name] for name in [*fields, "search_text"]},
        )
        self.course: Insert = database.insert(course)
        newest = self.course.excluded
        self.course = self.course.on_conflict_do_update(
            index_elements=["integration", "course_id"],
            set_={"package_id": newest.package_id, "package_version": newest.package_version},
            where=or_(course.c.package_version.is_(None), course.c.package_version <= newest.package_version),
        )


def write_versions(tx: Transaction, statements: VersionStatements, versions: Sequence[PackageVersion]) -> None:
    """Write package versions, and make each its course's newest package unless that has a newer one.

    A version that is known already is written again, but keeps the outcome of its verification.
    """
    rows = []
    courses = []
    for version in versions:
        text = searchable(version.course_name, version.course_id, version.package_id)
        rows.append({**_VERSION.values(version), "search_text": text})
        courses.append(
            {
                "integration": version.integration,
                "course_id": version.course_id,
                "name": version.course_name,
                "seen_at": version.created_at,
                "package_id": version.package_id,
                "package_version": version.version,
                "search_text": searchable(version.course_name, version.course_id),
            }
        )
    tx.execute_many(statements.version, rows)
    tx.execute_many(statements.course, courses)


def _see(tx: Transaction, integration: str, courses: Sequence[Course]) -> None:
    rows = [
        {
            "integration": integration,
            "course_id": each.id,
            "name": each.name,
            "code": each.code,
            "sis_id": each.sis_id,
            "term_name": each.term_name,
            "ended_at": each.ended_at,
            "url": each.url,
            "seen_at": tx.now,
            "search_text": searchable(each.name, each.code, each.sis_id, each.id),
        }
        for each in courses
    ]
    statement = tx.insert(course)
    seen = {name: statement.excluded[name] for name in _SEEN}
    tx.execute_many(
        statement.on_conflict_do_update(index_elements=["integration", "course_id"], set_=seen),
        rows,
    )


def _is_newest(*same: ColumnElement[Any]) -> ColumnElement[bool]:
    """Hold for the rows of `package_version` with the highest version among those equal in these columns."""
    other = package_version.alias("other")
    newest = select(func.max(other.c.version)).where(*(other.c[str(column.key)] == column for column in same))
    return package_version.c.version == newest.scalar_subquery()


def _filtered(
    query: Select[Any],
    text: ColumnElement[str],
    search: str | None,
    owner: ColumnElement[str],
    integration: str | None,
) -> Select[Any]:
    if search is not None and search.strip():
        query = query.where(search_condition(text, search.strip()))
    if integration is not None:
        query = query.where(owner == integration)
    return query
