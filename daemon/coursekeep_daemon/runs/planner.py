"""From a request to items: asks the course source for courses, and decides at once what needs no attempt.

The source yields a stream, and items are stored chunk by chunk, so that the first courses are archived while the last
are still being found. A planning that a dying process left half done goes on: what has an item is not asked again.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal

import structlog
from pydantic import ValidationError

from coursekeep import Course, Outcome, Selection, SourceContext
from coursekeep_daemon.package import Archive, Head, PackageDamaged
from coursekeep_daemon.registry import Registry
from coursekeep_daemon.runs.holds import Clock
from coursekeep_daemon.runs.lms import Lms
from coursekeep_daemon.runs.patterns import Patterns
from coursekeep_daemon.runs.states import FailReason, ItemStatus, SkipReason
from coursekeep_daemon.runs.versions import made_by, version_of, without_run
from coursekeep_daemon.store import ItemPlan, Run, Store

__all__ = ["LEFT_OUT", "Planner", "Preview", "PreviewRow", "Request"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: items stored at once, and seconds after which fewer are stored
_CHUNK = 200
_CHUNK_SECONDS = 1.0

#: what becomes of a course that patterns leave out: a run has no item for it
LEFT_OUT: Final = "left_out"


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What a run asks for, as the planner needs it: of a stored run, or of one that is only tried out."""

    source: str
    params: Mapping[str, Any]
    on_existing: str
    patterns: Patterns

    @classmethod
    def of(cls, run: Run) -> Request:
        """Read the request of a stored run."""
        options = run.options
        patterns = Patterns(include=options.get("include", ()), exclude=options.get("exclude", ()))
        return cls(source=run.source, params=run.params, on_existing=run.on_existing, patterns=patterns)


@dataclass(frozen=True, kw_only=True, slots=True)
class PreviewRow:
    """One course that a run would take, and what would become of it."""

    ref: str
    course: Course | None
    #: `queued`, `not_found`, `failed` or `skipped`; or `left_out` by a pattern
    would: ItemStatus | Literal["left_out"]
    reason: str | None = None
    detail: str | None = None
    #: the pattern of `exclude` that leaves the course out
    pattern: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Preview:
    """What a run would take now. `counts` covers the rows; `truncated` says that there are more."""

    rows: list[PreviewRow]
    counts: Mapping[ItemStatus | Literal["left_out"], int]
    truncated: bool
    #: of a schedule: the time it is made for, and before when courses must have ended, where the rule counts back
    slot: datetime | None = None
    before: datetime | None = None


class Planner:
    """Plans runs."""

    def __init__(self, store: Store, archive: Archive, registry: Registry, clock: Clock) -> None:
        self._store = store
        self._archive = archive
        self._registry = registry
        self._clock = clock

    async def plan(self, run: Run, lms: Lms, *, added: Callable[[], None] = lambda: None) -> None:
        """Store the items of a run; `added` is called after each chunk. May be broken off anywhere, and begun again.

        Raises ValueError where the request names something that does not exist, and what the connector raises.
        """
        if run.reimport_of is not None:
            return  # its items came with it
        request = await self._with_accounts(Request.of(run), lms)
        done = await self._store.refs_of(run.id)
        taken = set(done)
        chunk: list[Selection] = []
        since = time.monotonic()
        async with aclosing(self._select(request, lms, done)) as selections:
            async for selection in selections:
                chunk.append(selection)
                if len(chunk) >= _CHUNK or time.monotonic() - since > _CHUNK_SECONDS:
                    await self._store_chunk(run, lms, request, chunk, taken)
                    added()
                    chunk, since = [], time.monotonic()
        await self._store_chunk(run, lms, request, chunk, taken)

    async def preview(self, request: Request, lms: Lms, *, limit: int) -> Preview:
        """Say what a run would take now, up to a number of courses; write nothing. Raises as `plan`."""
        self.check(request)
        request = await self._with_accounts(request, lms)
        rows: list[PreviewRow] = []
        seen: set[str] = set()
        taken: set[str] = set()
        chunk: list[Selection] = []
        truncated = False
        async with aclosing(self._select(request, lms, ())) as selections:
            async for selection in selections:
                if _key(selection) in seen or selection.ref in seen:
                    continue
                if truncated := len(seen) >= limit:
                    break
                seen |= {_key(selection)}
                chunk.append(selection)
                if len(chunk) >= _CHUNK:
                    rows += await self._rows(request, lms, chunk, taken)
                    chunk = []
        rows += await self._rows(request, lms, chunk, taken)
        return Preview(rows=rows, counts=Counter(row.would for row in rows), truncated=truncated)

    async def find(self, ref: str, lms: Lms) -> Selection:
        """Look up one course by what was asked for. Raises what the connector raises."""
        request = Request(source="ids", params={"ids": [ref]}, on_existing="refresh", patterns=Patterns())
        async with aclosing(self._select(request, lms, ())) as selections:
            async for selection in selections:
                found: Selection = selection
                return found
        return Selection(ref=ref, outcome=Outcome.NOT_FOUND)

    def check(self, request: Request) -> None:
        """Raise ValueError, saying what and where, where the request cannot be used now. Asks no LMS."""
        source = self._registry.source(request.source)
        try:
            params = source.Params.model_validate(dict(request.params))
        except ValidationError as error:
            problems = error.errors(include_url=False, include_context=False, include_input=False)
            raise ValueError("; ".join(_problem(one) for one in problems)) from None
        source.validate(params, self._clock())

    async def _with_accounts(self, request: Request, lms: Lms) -> Request:
        """Let the patterns know the LMS's accounts, where they judge by these."""
        if not request.patterns.by_account:
            return request
        accounts = [account async for account in lms.connector.accounts()]
        return replace(request, patterns=request.patterns.knowing(accounts))

    def _select(self, request: Request, lms: Lms, done: Collection[str]) -> Any:
        self.check(request)
        source = self._registry.source(request.source)
        params = source.Params.model_validate(dict(request.params))
        # connectors that ask nobody over HTTP have no such setting
        concurrency = getattr(lms.connector.settings, "max_concurrency", lms.courses_at_once)
        context = SourceContext(now=self._clock(), done=done, concurrency=concurrency)
        return source.select(lms.connector, params, context)

    async def _rows(self, request: Request, lms: Lms, chunk: Sequence[Selection], taken: set[str]) -> list[PreviewRow]:
        heads = await self._heads(lms, chunk)
        rows = []
        for selection in chunk:
            plan = self._plan_of(selection, request, lms, heads, taken)
            rows.append(_left_out(selection, request) if plan is None else _row(selection, plan))
        return rows

    async def _store_chunk(
        self, run: Run, lms: Lms, request: Request, chunk: Sequence[Selection], taken: set[str]
    ) -> None:
        if not chunk:
            return
        await self._store.see_courses(run.integration, [one.course for one in chunk if one.course is not None])
        heads = await self._heads(lms, chunk)
        await self._recover_versions(lms, heads)
        plans = [self._plan_of(selection, request, lms, heads, taken) for selection in chunk]
        await self._store.add_items(run.id, [plan for plan in plans if plan is not None])

    async def _heads(self, lms: Lms, chunk: Sequence[Selection]) -> dict[str, Head]:
        """Return the newest packages of the courses. The archive is asked, not the store: it is the truth."""

        def look() -> list[Head]:
            ids = {one.course.id for one in chunk if one.course is not None}
            heads = (self._head(self._archive.object_id(lms.id, course_id)) for course_id in ids)
            return [head for head in heads if head is not None]

        return {head.course_id: head for head in await self._own(await asyncio.to_thread(look))}

    def _head(self, package_id: str) -> Head | None:
        """Return a course's newest version; None of a damaged package too: the attempt says so of this course alone."""
        try:
            return self._archive.head(package_id)
        except PackageDamaged as error:
            log.warning("package_damaged", package=package_id, reason=str(error))
            return None

    async def _recover_versions(self, lms: Lms, heads: Mapping[str, Head]) -> None:
        """Record versions that the store does not know, because it was lost or the process died before it was told.

        The oldest are recorded first, so the newest one tells whether any is missing, even where this was broken off.
        """
        newest = await self._store.newest_versions(lms.name, heads)
        for course_id, head in heads.items():
            if course_id in newest and newest[course_id].version >= head.version:
                continue
            known = {version.version for version in await self._store.package(head.object_id)}
            for version in await self._own(await asyncio.to_thread(self._archive.versions, head.object_id)):
                if version.version not in known:
                    await self._store.record_version(version_of(version, lms.name))

    async def _own(self, heads: Iterable[Head]) -> list[Head]:
        """Return versions, each with its run only where this store has that run."""
        heads = list(heads)
        runs = {run_id: await self._store.run(run_id) for run_id in {head.run_id for head in heads} if run_id}
        found = ((head, runs.get(head.run_id or 0)) for head in heads)
        return [head if run is not None and made_by(head, run) else without_run(head) for head, run in found]

    def _plan_of(
        self, selection: Selection, request: Request, lms: Lms, heads: Mapping[str, Head], taken: set[str]
    ) -> ItemPlan | None:
        """Return the item of a selection; None where a pattern leaves its course out.

        `taken` holds the courses that this run has taken so far, and gets this one too.
        """
        course, ref = selection.course, selection.ref
        if selection.outcome is Outcome.NOT_FOUND or (course is None and selection.outcome is Outcome.FOUND):
            detail = selection.detail or "the LMS knows no such course"
            return ItemPlan(ref=ref, status=ItemStatus.NOT_FOUND, detail=detail)
        plan = ItemPlan(ref=ref) if course is None else _of_course(ref, course)
        if selection.outcome is Outcome.NO_ACCESS:
            return _ended(plan, ItemStatus.FAILED, FailReason.NO_ACCESS, selection.detail)
        if selection.outcome is Outcome.EXCLUDED or course is None:
            return _ended(plan, ItemStatus.SKIPPED, SkipReason.EXCLUDED, selection.detail)
        if request.patterns.left_out(course):
            return None
        head = heads.get(course.id)
        if head is None and course.same_as in taken:
            detail = f"the same content, byte for byte, as {course.same_as}, which this run takes"
            return _ended(plan, ItemStatus.SKIPPED, SkipReason.DUPLICATE, detail)
        taken.add(course.id)
        if head is None or request.on_existing == "refresh":
            return plan
        return self._existing(plan, course, lms, head)

    def _existing(self, plan: ItemPlan, course: Course, lms: Lms, head: Head) -> ItemPlan:
        """Return the item of a course that has a package, in a run that skips those."""
        if head.source != lms.connector.describe():
            return plan  # the attempt will say that this package holds a course of another LMS
        gaps = f", with {head.gaps} {'gap' if head.gaps == 1 else 'gaps'}" if head.gaps else ""
        detail = f"archived as version {head.version} on {head.created_at:%Y-%m-%d}{gaps}"
        skipped = _ended(plan, ItemStatus.SKIPPED, SkipReason.ARCHIVED, detail)
        return replace(
            skipped,
            package_id=self._archive.object_id(lms.id, course.id),
            package_version=head.version,
            archived_in_run=head.run_id,
        )


def _of_course(ref: str, course: Course) -> ItemPlan:
    return ItemPlan(ref=ref, course_id=course.id, course_name=course.name, course_code=course.code)


def _ended(plan: ItemPlan, status: ItemStatus, reason: FailReason | SkipReason, detail: str) -> ItemPlan:
    return replace(plan, status=status, reason=reason, detail=detail or None)


def _row(selection: Selection, plan: ItemPlan) -> PreviewRow:
    return PreviewRow(ref=plan.ref, course=selection.course, would=plan.status, reason=plan.reason, detail=plan.detail)


def _left_out(selection: Selection, request: Request) -> PreviewRow:
    """Return what a preview shows of a course that patterns leave out."""
    verdict = None if selection.course is None else request.patterns.left_out(selection.course)
    return PreviewRow(
        ref=selection.ref,
        course=selection.course,
        would=LEFT_OUT,
        reason=SkipReason.EXCLUDED,
        detail=None if verdict is None else verdict.detail,
        pattern=None if verdict is None else verdict.pattern,
    )


def _key(selection: Selection) -> str:
    return selection.ref if selection.course is None else selection.course.id


def _problem(one: Any) -> str:
    where = ".".join(str(part) for part in one["loc"])
    what = str(one["msg"]).removeprefix("Value error, ")
    return f"params.{where}: {what}" if where else f"params: {what}"
