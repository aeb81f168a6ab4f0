"""Schedules as the control API takes and answers them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from coursekeep_daemon.api.models import Answer, OnExisting, Patterns, Request, Time
from coursekeep_daemon.rules import NAME, check_name
from coursekeep_daemon.runs.states import RunStatus

__all__ = ["DraftSchedule", "EndedBy", "NewSchedule", "Schedule", "ScheduleChange"]

EndedBy = Literal["course", "term", "academic_year"]


Name = Annotated[
    str,
    AfterValidator(check_name),
    Field(description="Lower-case letters, digits, - and _.", json_schema_extra={"pattern": NAME}),
]


class _ScheduleFields(Request):
    integration: str
    cron: str = Field(
        description="Minute, hour, day of month, month, day of week; or @daily, @weekly, @monthly, @yearly.",
        examples=["0 3 15 * *"],
    )
    time_zone: str | None = Field(None, description="Time zone of `cron`, such as Europe/Vienna; else the daemon's.")
    source: str = Field("end_date", description="Course source.")
    params: dict[str, Any] = Field(default_factory=dict, description="Parameters of the source.")
    ended_for: str | None = Field(
        None, description="For source end_date, instead of a date: counted back from each tick.", examples=["6 months"]
    )
    ended_by: EndedBy = Field(
        "course",
        description="Whose end `ended_for` counts from. academic_year needs `academic_year_ends` of the integration.",
    )
    include: Patterns = Field(default_factory=list, description="Take only courses that match one of these patterns.")
    exclude: Patterns = Field(default_factory=list, description="Leave out courses that match one of these patterns.")
    on_existing: OnExisting = "skip"
    enabled: bool = True


class NewSchedule(_ScheduleFields):
    """A rule that starts runs."""

    name: Name


class DraftSchedule(_ScheduleFields):
    """A rule that is only tried out, so that it needs no name."""

    name: Name | None = None


class ScheduleChange(Request):
    """The fields of a schedule that change; those left out stay."""

    integration: str | None = None
    cron: str | None = None
    time_zone: str | None = None
    source: str | None = None
    params: dict[str, Any] | None = None
    ended_for: str | None = None
    ended_by: EndedBy | None = None
    include: Patterns | None = None
    exclude: Patterns | None = None
    on_existing: OnExisting | None = None
    enabled: bool | None = None
    revision: int | None = Field(
        None, ge=1, description="The revision that was edited: 409 where the schedule was changed meanwhile."
    )


class Schedule(Answer):
    """A schedule, with its next ticks and what became of the last."""

    name: str
    integration: str
    cron: str
    time_zone: str
    source: str
    params: Mapping[str, Any] = Field(description="In the list of schedules, long texts and lists are cut.")
    params_cut: bool = Field(False, description="Whether `params` shows only the beginning of something long.")
    ended_for: str | None
    ended_by: str
    include: list[str]
    exclude: list[str]
    on_existing: str
    enabled: bool
    declared: bool = Field(description="Whether settings.toml declares it; such a schedule is edited there.")
    revision: int = Field(description="Raised by each change of the rule.")
    created_by: str
    created_at: Time
    last_fired_at: Time | None = Field(None, description="The last tick that came due.")
    last_run_id: int | None = Field(None, description="The run of the last tick that started one.")
    last_run_status: RunStatus | None = None
    last_error: str | None = Field(None, description="Why the last tick started no run; null where it did.")
    next_fire_at: Time | None = Field(None, description="Null where it is not enabled.")
    next_fire_times: list[Time] = Field(default_factory=list, description="The next five ticks.")
