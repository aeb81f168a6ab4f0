"""A new import: choose courses, look what would become of each, start.

One form, which posts to itself: whatever button was pressed, the next page holds everything that was typed. Nothing is
written before `start`, and a form starts one run, however often it is sent.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from coursekeep_daemon.api.errors import domain_errors
from coursekeep_daemon.api.problems import Problem
from coursekeep_daemon.api.state import Daemon
from coursekeep_daemon.console.pages import page, see_other
from coursekeep_daemon.console.security import Operator, Visit
from coursekeep_daemon.console.selection_form import (
    FoundCourse,
    Typed,
    bad_field,
    request_of,
    with_upload,
    wrong_fields,
)
from coursekeep_daemon.console.selection_view import selection_view
from coursekeep_daemon.runs.states import SkipReason
from coursekeep_daemon.service import Preview, PreviewRow, RunRequest, Service

__all__ = ["PREVIEW_ROWS", "digest_of", "router", "search_courses"]

router = APIRouter()

#: most courses that a preview, or a search, shows
PREVIEW_ROWS = 1000
_MOST_FOUND = 500
_LONGEST_KEY = 100


@dataclass(frozen=True, kw_only=True)
class _Draft:
    """A form on its way: what was typed, and what comes with it."""

    request: Request
    service: Service
    visit: Visit
    typed: Typed
    #: under which a run is started once
    key: str
    #: what the preview on the page was made of; empty without one
    previewed: str


@router.get("/imports/new")
async def new_import(
    request: Request,
    service: Daemon,
    visit: Operator,
    integration: Annotated[str, Query()] = "",
    source: Annotated[str, Query()] = "",
) -> Response:
    """Show the form."""
    if integration and integration not in service.settings.integrations:
        raise Problem(404, "not-found", f"There is no integration {integration!r} in the settings.")
    typed = Typed(integration=integration, source=source)
    return await _form(_Draft(request=request, service=service, visit=visit, typed=typed, key=_new_key(), previewed=""))


@router.post("/imports/new")
async def answer_new_import(request: Request, service: Daemon, visit: Operator) -> Response:
    """Do what the pressed button says, and show the form again unless a run was started."""
    key, action = str(visit.form.get("key", "")), str(visit.form.get("action", ""))
    typed = Typed.of(visit.form)
    draft = _Draft(
        request=request,
        service=service,
        visit=visit,
        typed=replace(typed, source=_METHOD_OF.get(action, typed.source)),
        key=key if 0 < len(key) <= _LONGEST_KEY else _new_key(),
        previewed=str(visit.form.get("previewed", "")),
    )
    try:
        draft = replace(draft, typed=await with_upload(draft.typed, visit.form))
        return await _ACTIONS.get(action, _form)(draft)
    except Problem as problem:
        return await _form(draft, problem=problem)
    finally:
        await visit.form.close()  # an uploaded file


async def _refresh_terms(draft: _Draft) -> Response:
    """Read the terms of the chosen integration again."""
    name = _chosen(draft)
    async with draft.visit.audited("terms.refresh", name) as entry:
        with domain_errors():
            count = await draft.service.refresh_terms(name)
        entry.detail["count"] = count
    return await _form(draft, said=f"The terms were read again: the LMS has {count:,}.")


async def _search(draft: _Draft) -> Response:
    """Show what the typed text finds; what was ticked stays so where it is found again."""
    _chosen(draft)
    typed = replace(draft.typed, shown=draft.typed.integration)
    found, more = await search_courses(draft.service, typed.integration, typed.text.strip())
    picked = tuple(each.id for each in found if each.id in typed.picked) if not draft.typed.moved else ()
    typed = replace(typed, searched=typed.text.strip(), found=found, found_more=more, picked=picked)
    return await _form(replace(draft, typed=typed))


async def _preview(draft: _Draft) -> Response:
    """Show what a run would take now."""
    asked = _asked(draft)
    return await _form(draft, asked=asked, preview=await _looked_up(draft, asked))


async def _start(draft: _Draft) -> Response:
    """Start what was previewed; where the form has changed since, show that first."""
    asked = _asked(draft)
    if draft.previewed and draft.previewed != digest_of(asked):
        said = "The form has changed since the preview, so nothing was started. This is what it would take now."
        return await _form(
            draft, asked=asked, preview=await _looked_up(draft, asked), said=said, tone="bad", status=409
        )
    return await _start_unseen(draft)


async def _start_unseen(draft: _Draft) -> Response:
    """Start a run, and go to its page."""
    asked = _asked(draft)
    try:
        async with draft.visit.audited("run.start", asked.integration, source=asked.source) as entry:
            with domain_errors():
                run, created = await draft.service.start_run(
                    asked, by=draft.visit.name, idempotency_key=f"console {draft.key}"
                )
            entry.target = f"run {run.id}"
            entry.detail["integration"] = run.integration
    except Problem as problem:
        if problem.kind != "conflict":
            raise
        said = "This form has started another run before; see the list of runs. Press Start again to start one more."
        return await _form(replace(draft, key=_new_key()), said=said, tone="bad", status=409)
    said = f"Run {run.id} is started." if created else f"This form had started run {run.id} already."
    return see_other(draft.request, f"/runs/{run.id}", said)


_ACTIONS: Mapping[str, Callable[[_Draft], Awaitable[Response]]] = {
    "refresh_terms": _refresh_terms,
    "search": _search,
    "preview": _preview,
    "start": _start,
    "start_unseen": _start_unseen,
}

#: buttons that stand within a method, which they choose
_METHOD_OF = {"refresh_terms": "terms", "search": "search"}


async def search_courses(service: Service, integration: str, text: str) -> tuple[tuple[FoundCourse, ...], bool]:
    """Return the courses that a text finds, and whether there are more. Asks the LMS; writes nothing."""
    asked = RunRequest(integration=integration, source="search", params={"text": text})
    with domain_errors():
        preview = await service.preview(asked, limit=_MOST_FOUND)
    return tuple(_found(row) for row in preview.rows if row.course is not None), preview.truncated


def digest_of(asked: RunRequest) -> str:
    """Return what tells one selection from another."""
    parts = [asked.integration, asked.source, asked.params, asked.on_existing, [*asked.include], [*asked.exclude]]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


async def _looked_up(draft: _Draft, asked: RunRequest) -> Preview:
    with domain_errors():
        return await draft.service.preview(asked, limit=PREVIEW_ROWS)


def _asked(draft: _Draft) -> RunRequest:
    _chosen(draft)
    return request_of(draft.typed, draft.service.registry.sources())


def _chosen(draft: _Draft) -> str:
    if not draft.typed.integration:
        raise bad_field("integration", "No integration is chosen", "Choose the one to import from.")
    return draft.typed.integration


async def _form(
    draft: _Draft,
    *,
    asked: RunRequest | None = None,
    preview: Preview | None = None,
    problem: Problem | None = None,
    said: str = "",
    tone: str = "good",
    status: int = 200,
) -> Response:
    """Show the form with all that was typed, and below it a preview where there is one."""
    wrong = {} if problem is None else wrong_fields(problem, draft.typed.source, draft.service.registry.sources())
    more = {"said": (tone, said)} if said else {}
    return page(
        draft.request,
        "new_import.html",
        status if problem is None else problem.status,
        view=await selection_view(draft.service, draft.typed, wrong),
        key=draft.key,
        problem=problem,
        preview=preview,
        previewed="" if asked is None else digest_of(asked),
        preview_rows=PREVIEW_ROWS,
        **more,
    )


def _found(row: PreviewRow) -> FoundCourse:
    course = row.course
    assert course is not None
    return FoundCourse(
        id=course.id,
        name=course.name,
        code=course.code,
        term=course.term_name,
        ended=course.ended,
        ended_at=course.ended_at,
        archived=(row.detail or "") if row.reason == SkipReason.ARCHIVED else "",
    )


def _new_key() -> str:
    return secrets.token_urlsafe(24)
