"""The form of a schedule: what was typed, the fields that it makes, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from pydantic import ValidationError
from starlette.datastructures import FormData

from coursekeep_daemon.api.models_schedules import DraftSchedule
from coursekeep_daemon.api.problems import Problem
from coursekeep_daemon.console.schedule_view import selection_words
from coursekeep_daemon.console.selection_form import Sources, Typed, bad_field, request_of, typed_of, wrong_fields
from coursekeep_daemon.requests import RunRequest
from coursekeep_daemon.store import Schedule

__all__ = ["Difference", "TypedSchedule", "changes_of", "differences", "fields_of", "typed_schedule", "wrong_of"]

_BY_END = "end_date"

#: what the fields of a schedule are called on the page
_LABELS: Mapping[str, str] = {
    "integration": "Integration",
    "cron": "Cron rule",
    "time_zone": "Time zone",
    "include": "Take only",
    "exclude": "Leave out",
    "on_existing": "Courses that have a package already",
    "enabled": "Enabled",
}
#: fields that say what is wrong with them here; those of the selection do so as on the page of a new import
_OWN = {"name", "cron", "time_zone", "ended_for", "ended_by", "before", "include", "exclude", "enabled"}

_POLICIES: Mapping[str, str] = {"skip": "skip them", "refresh": "refresh them"}


@dataclass(frozen=True, kw_only=True)
class TypedSchedule:
    """What stands in the fields of the form of a schedule."""

    selection: Typed = field(default_factory=lambda: Typed(source=_BY_END))
    name: str = ""
    cron: str = "0 3 1 * *"
    time_zone: str = ""
    ended_for: str = "6 months"
    enabled: bool = True

    @classmethod
    def of(cls, form: FormData) -> Self:
        """Read a form that was sent. Never fails, as `Typed.of`."""
        names = ("name", "cron", "time_zone", "ended_for")
        texts = {name: value.strip() for name in names if isinstance(value := form.get(name, ""), str)}
        return cls(selection=Typed.of(form), enabled=bool(form.get("enabled")), **texts)


def typed_schedule(schedule: Schedule, sources: Sources) -> TypedSchedule:
    """Return the form that makes a schedule: the way back, for one that is edited."""
    request = RunRequest(
        integration=schedule.integration,
        source=schedule.source,
        params=schedule.params,
        on_existing=schedule.on_existing,
        include=schedule.include,
        exclude=schedule.exclude,
    )
    selection = typed_of(request, sources)
    if schedule.ended_for is not None:
        selection = replace(selection, ended_by=schedule.ended_by)
    return TypedSchedule(
        selection=selection,
        name=schedule.name,
        cron=schedule.cron,
        time_zone=schedule.time_zone,
        ended_for=schedule.ended_for or "",
        enabled=schedule.enabled,
    )


def fields_of(typed: TypedSchedule, sources: Sources, usual_zone: str) -> dict[str, Any]:
    """Return the fields that the service takes, all of them but the name. Raises a problem that names the field."""
    selection = typed.selection
    if not selection.integration:
        raise bad_field("integration", "No integration is chosen", "Choose the one to import from.")
    asked = request_of(replace(selection, note=""), sources)
    params, counts_back = dict(asked.params), asked.source == _BY_END and typed.ended_for != ""
    fields = {
        "integration": asked.integration,
        "cron": typed.cron,
        "time_zone": typed.time_zone or usual_zone,
        "source": asked.source,
        "params": params,
        "ended_for": typed.ended_for if counts_back else None,
        "ended_by": params.pop("ended_by") if counts_back else "course",
        "include": list(asked.include),
        "exclude": list(asked.exclude),
        "on_existing": asked.on_existing,
        "enabled": typed.enabled,
    }
    try:
        return DraftSchedule.model_validate(fields).model_dump(exclude={"name"})
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise bad_field(str(first["loc"][0]), first["msg"]) from None


def changes_of(fields: Mapping[str, Any], stored: Schedule) -> dict[str, Any]:
    """Return those of the fields that are not as they are stored."""
    return {name: value for name, value in fields.items() if value != getattr(stored, name)}


def wrong_of(problem: Problem, source: str, sources: Sources) -> dict[str, str]:
    """Return what is wrong with each field of the form, as far as a problem says so."""
    wrong: dict[str, str] = {}
    others = []
    for each in problem.errors:
        # `params.before` and `include.0` stand at the fields `before` and `include`
        name = each.where.removeprefix("params.").partition(".")[0]
        if name in _OWN:
            said = f"{each.what[:1].upper()}{each.what[1:].rstrip('.')}. {each.remedy}".strip()
            wrong.setdefault(name, said)
        else:
            others.append(each)
    rest = Problem(problem.status, problem.kind, problem.detail, errors=others)
    return wrong_fields(rest, source, sources) | wrong


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A field that is another in the store than in the form."""

    label: str
    stored: str
    typed: str


def differences(fields: Mapping[str, Any], stored: Schedule) -> list[Difference]:
    """Return in words what is stored otherwise than a form says."""
    wanted = replace(stored, **fields)
    found = [
        Difference(label=label, stored=_words(name, getattr(stored, name)), typed=_words(name, fields[name]))
        for name, label in _LABELS.items()
        if getattr(stored, name) != fields[name]
    ]
    rule = ("source", "params", "ended_for", "ended_by")
    if any(getattr(stored, name) != fields[name] for name in rule):
        found.append(Difference(label="Courses", stored=selection_words(stored), typed=selection_words(wanted)))
    return found


def _words(name: str, value: Any) -> str:
    if name == "enabled":
        return "yes" if value else "no"
    if name == "on_existing":
        return _POLICIES.get(value, value)
    return ", ".join(value) or "nothing" if isinstance(value, list) else str(value)
