"""The traps of Canvas's API, each laid in at least one ended course of a generated campus."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from coursekeep_campus import traps_files, traps_people, traps_quizzes, traps_talk, traps_work
from coursekeep_campus.builder import Builder

__all__ = ["TRAPS", "Trap"]


@dataclass(frozen=True, slots=True)
class Trap:
    """One trap: how it is laid into a filled course, and what must be set before the course is filled."""

    name: str
    lay: Callable[[Builder], None]
    before: Callable[[Builder], None] | None = None


def _nothing(builder: Builder) -> None:
    """Leave the course as it is: it only has to be there."""


TRAPS = (
    Trap("late_grade", _nothing),
    Trap("locked_file", traps_files.locked_file),
    Trap("unbuilt_views", traps_talk.unbuilt_views),
    Trap("new_entries", traps_talk.new_entries),
    Trap("group_discussion", traps_talk.group_discussion),
    Trap("anonymous_topic", traps_talk.anonymous_topic),
    Trap("announcements", traps_talk.announcements),
    Trap("crowd", traps_people.crowd),
    Trap("enrollment_states", traps_people.enrollment_states),
    Trap("big_module", traps_work.big_module),
    Trap("revisions", traps_work.revisions),
    Trap("classic_quiz", traps_quizzes.classic_quiz),
    Trap("new_quiz", traps_quizzes.new_quiz),
    Trap("new_quiz_unreadable", traps_quizzes.new_quiz_unreadable),
    Trap("export_fails", traps_work.export_fails),
    Trap("twins", traps_files.twins),
    Trap("missing_bytes", traps_files.missing_bytes),
    Trap("login_page", traps_files.login_page),
    Trap("big_ids", _nothing, traps_work.big_ids),
    Trap("cross_listed", traps_people.cross_listed),
    Trap("disabled_tabs", _nothing, traps_work.disabled_tabs),
    Trap("attempts", traps_work.attempts),
    Trap("gradebook", traps_work.gradebook),
    Trap("outcomes", traps_work.outcomes),
    Trap("calendar", traps_work.calendar),
    Trap("folder_only", traps_files.folder_only),
    Trap("closed_folder", traps_files.closed_folder),
    Trap("mixed_addresses", traps_files.mixed_addresses),
    Trap("strange_text", traps_work.strange_text),
    Trap("overrides", traps_work.overrides),
    Trap("peer_reviews", traps_work.peer_reviews),
    Trap("nickname", traps_work.nickname),
)
