"""The form of a schedule, new or edited: look at what it would take, then save it.

One form, which posts to itself, as that of a new import. Nothing is written before `save`. An edited schedule carries
the revision it was read at: where somebody else has changed it meanwhile, the page says who and what, and keeps what
was typed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any
from zoneinfo import available_timezones

from fastapi import APIRouter, Query, Request, Response

from coursekeep_daemon.api.errors import domain_errors
from coursekeep_daemon.api.problems import Problem
from coursekeep_daemon.api.routes.schedules import refuse_declared
from coursekeep_daemon.api.state import Daemon
from coursekeep_daemon.console.pages import page, see_other
from coursekeep_daemon.console.routes.new_import import PREVIEW_ROWS, search_courses
from coursekeep_daemon.console.routes.schedules import known_schedule
from coursekeep_daemon.console.schedule_typed import (
    Difference,
    TypedSchedule,
    changes_of,
    differences,
    fields_of,
    typed_schedule,
    wrong_of,
)
from coursekeep_daemon.console.schedule_view import Fire, fires_of
from coursekeep_daemon.console.security import Administrator, Visit
from coursekeep_daemon.console.selection_form import Typed, bad_field, with_upload
from coursekeep_daemon.console.selection_view import selection_view
from coursekeep_daemon.service import Preview, Service
from coursekeep_daemon.store import AuditEvent, Schedule

__all__ = ["router"]

router = APIRouter()


@dataclass(frozen=True, kw_only=True)
class _Draft:
    """A form on its way: what was typed, and what it is to change."""

    request: Request
    service: Service
    visit: Visit
    typed: TypedSchedule
    #: the schedule that is edited, as it is stored; None for a new one
    stored: Schedule | None = None
    #: what it was read at
    revision: int = 0


@dataclass(frozen=True, kw_only=True)
class _Overtaken:
    """Why a form was too late: who changed the schedule since, and what is another now."""

    change: AuditEvent | None
    differences: Sequence[Difference]


@router.get("/schedules/new")
async def new_schedule(
    request: Request, service: Daemon, visit: Administrator, integration: Annotated[str, Query()] = ""
) -> Response:
    """Show the form."""
    if integration and integration not in service.settings.integrations:
        raise Problem(404, "not-found", f"There is no integration {integration!r} in the settings.")
    typed = TypedSchedule(time_zone=service.settings.daemon.time_zone)
    typed = replace(typed, selection=replace(typed.selection, integration=integration))
    return await _form(_Draft(request=request, service=service, visit=visit, typed=typed))


@router.post("/schedules/new")
async def answer_new_schedule(request: Request, service: Daemon, visit: Administrator) -> Response:
    """Do what the pressed button says, and show the form again unless the schedule was added."""
    return await _answer(_Draft(request=request, service=service, visit=visit, typed=TypedSchedule.of(visit.form)))


@router.get("/schedules/{name}/edit")
async def edit_schedule(name: str, request: Request, service: Daemon, visit: Administrator) -> Response:
    """Show the form with what is stored."""
    stored = await known_schedule(service, name)
    refuse_declared(stored)
    typed = typed_schedule(stored, service.registry.sources())
    return await _form(
        _Draft(request=request, service=service, visit=visit, typed=typed, stored=stored, revision=stored.revision)
    )


@router.post("/schedules/{name}/edit")
async def answer_edit_schedule(name: str, request: Request, service: Daemon, visit: Administrator) -> Response:
    """Do what the pressed button says, and show the form again unless the schedule was changed."""
    sent, typed = str(visit.form.get("revision", "")), replace(TypedSchedule.of(visit.form), name=name)
    draft = _Draft(request=request, service=service, visit=visit, typed=typed)
    stored = await service.store.schedule(name)
    if stored is None:
        said = f"The schedule {name} was deleted meanwhile. Save this form to add it again."
        return await _form(draft, said=said, status=409)
    refuse_declared(stored)
    revision = int(sent) if sent.isdecimal() and len(sent) < 10 else 0
    return await _answer(replace(draft, stored=stored, revision=revision))


async def _answer(draft: _Draft) -> Response:
    form, typed = draft.visit.form, draft.typed
    action = str(form.get("action", ""))
    selection = replace(typed.selection, source=_METHOD_OF.get(action, typed.selection.source))
    draft = replace(draft, typed=replace(typed, selection=selection))
    try:
        draft = _selecting(draft, await with_upload(selection, form))
        return await _ACTIONS.get(action, _form)(draft)
    except Problem as problem:
        return await _form(draft, problem=problem)
    finally:
        await form.close()  # an uploaded file


async def _refresh_terms(draft: _Draft) -> Response:
    """Read the terms of the chosen integration again."""
    name = _chosen(draft)
    async with draft.visit.audited("terms.refresh", name) as entry:
        with domain_errors():
            count = await draft.service.refresh_terms(name)
        entry.detail["count"] = count
    return await _form(draft, said=f"The terms were read again: the LMS has {count:,}.", tone="good")


async def _search(draft: _Draft) -> Response:
    """Show what the typed text finds now; a schedule without ticks searches anew at each of its times."""
    name, asked = _chosen(draft), draft.typed.selection
    text = asked.text.strip()
    found, more = await search_courses(draft.service, name, text)
    picked = tuple(each.id for each in found if each.id in asked.picked) if not asked.moved else ()
    asked = replace(asked, shown=name, searched=text, found=found, found_more=more, picked=picked)
    return await _form(_selecting(draft, asked))


async def _preview(draft: _Draft) -> Response:
    """Show what the next run would take."""
    with domain_errors():
        preview = await draft.service.preview_new_schedule(_fields(draft), limit=PREVIEW_ROWS)
    return await _form(draft, preview=preview)


async def _save(draft: _Draft) -> Response:
    """Store the schedule, and go to its page."""
    fields = _fields(draft)
    if draft.stored is not None:
        return await _change(draft, draft.stored, fields)
    name = draft.typed.name
    async with draft.visit.audited("schedule.add", name, integration=fields["integration"], cron=fields["cron"]):
        with domain_errors():
            await draft.service.create_schedule({**fields, "name": name}, by=draft.visit.name)
    return see_other(draft.request, f"/schedules/{name}", f"The schedule {name} is added.")


async def _change(draft: _Draft, stored: Schedule, fields: Mapping[str, Any]) -> Response:
    name, changes = stored.name, changes_of(fields, stored)
    try:
        async with draft.visit.audited("schedule.change", name, fields=sorted(changes)):
            with domain_errors():
                await draft.service.update_schedule(name, changes, by=draft.visit.name, revision=draft.revision)
    except Problem as problem:
        if problem.kind != "conflict":
            raise
        return await _overtaken(draft, fields)
    said = f"The schedule {name} is changed." if changes else f"The schedule {name} was so already."
    return see_other(draft.request, f"/schedules/{name}", said)


async def _overtaken(draft: _Draft, fields: Mapping[str, Any]) -> Response:
    """Show who was faster, and the form with all that was typed; saved again, it takes the place of what is there."""
    name = draft.typed.name
    stored = await known_schedule(draft.service, name)
    events = (await draft.service.store.audit_events(target=name, limit=50)).items
    change = next((each for each in events if each.action == "schedule.change" and each.result == "done"), None)
    overtaken = _Overtaken(change=change, differences=differences(fields, stored))
    return await _form(replace(draft, stored=stored, revision=stored.revision), overtaken=overtaken, status=409)


_ACTIONS: Mapping[str, Callable[[_Draft], Awaitable[Response]]] = {
    "refresh_terms": _refresh_terms,
    "search": _search,
    "preview": _preview,
    "save": _save,
}

#: buttons that stand within a method, which they choose
_METHOD_OF = {"refresh_terms": "terms", "search": "search"}


def _selecting(draft: _Draft, selection: Typed) -> _Draft:
    return replace(draft, typed=replace(draft.typed, selection=selection))


def _chosen(draft: _Draft) -> str:
    name = draft.typed.selection.integration
    if not name:
        raise bad_field("integration", "No integration is chosen", "Choose the one to import from.")
    return name


def _fields(draft: _Draft) -> dict[str, Any]:
    service = draft.service
    return fields_of(draft.typed, service.registry.sources(), service.settings.daemon.time_zone)


def _fires(draft: _Draft) -> list[Fire]:
    """Return the next times of the rule that stands in the form; none where it cannot be read."""
    typed, service = draft.typed, draft.service
    rule = Schedule(
        name=typed.name,
        integration=typed.selection.integration,
        cron=typed.cron,
        time_zone=typed.time_zone or service.settings.daemon.time_zone,
        source="end_date",
        params={},
        ended_for=None,
        ended_by="course",
        include=[],
        exclude=[],
        on_existing="skip",
        enabled=True,
        declared=False,
        created_by=draft.visit.name,
        created_at=datetime.now(UTC),
    )
    return fires_of(service, rule, draft.visit.zone)


async def _form(
    draft: _Draft,
    *,
    preview: Preview | None = None,
    overtaken: _Overtaken | None = None,
    problem: Problem | None = None,
    said: str = "",
    tone: str = "bad",
    status: int = 200,
) -> Response:
    """Show the form with all that was typed, and below it a preview where there is one."""
    selection = draft.typed.selection
    wrong = {} if problem is None else wrong_of(problem, selection.source, draft.service.registry.sources())
    return page(
        draft.request,
        "schedule_form.html",
        status if problem is None else problem.status,
        view=await selection_view(draft.service, selection, wrong),
        typed=draft.typed,
        stored=draft.stored,
        revision=draft.revision,
        zones=sorted(available_timezones()),
        usual_zone=draft.service.settings.daemon.time_zone,
        fires=_fires(draft),
        problem=problem,
        overtaken=overtaken,
        preview=preview,
        preview_rows=PREVIEW_ROWS,
        **({"said": (tone, said)} if said else {}),
    )
