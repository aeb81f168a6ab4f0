"""Plain words for the words of the program: statuses, reasons, course sources, sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from coursekeep import GapReason
from coursekeep_daemon.expiry import EndState
from coursekeep_daemon.fixity.records import FindingKind, FindingState
from coursekeep_daemon.notifications.records import DeliveryState, NotificationKind
from coursekeep_daemon.runs.states import FailReason, ItemStatus, RunStatus, SkipReason
from coursekeep_daemon.store import Role

__all__ = [
    "DELIVERIES",
    "ENDS",
    "FAIL_REASONS",
    "FINDINGS",
    "FINDING_STATES",
    "GAP_REASONS",
    "ITEM_STATUSES",
    "NOTIFICATIONS",
    "ROLES",
    "RUN_STATUSES",
    "SIGN_INS",
    "SKIP_REASONS",
    "SOURCES",
    "WOULD",
    "Word",
    "action_words",
    "completeness_words",
    "gap_words",
    "kind_words",
    "reason_words",
    "size",
    "source_words",
    "status_tone",
    "status_word",
]


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the program for people: what it is called, what it means, what to do."""

    name: str
    meaning: str
    remedy: str = ""
    #: how it is coloured: idle, busy, good, warn, bad
    tone: str = "idle"


ITEM_STATUSES: Mapping[ItemStatus, Word] = {
    ItemStatus.QUEUED: Word("Queued", "Waits to be archived. The run says what holds it, if anything does."),
    ItemStatus.PROCESSING: Word("Processing", "Is being archived now.", tone="busy"),
    ItemStatus.COMPLETED: Word(
        "Completed",
        "Is in a package. Parts that could not be captured are counted as gaps.",
        "Look at the gaps, where there are any: the package names each with its reason.",
        "good",
    ),
    ItemStatus.FAILED: Word(
        "Failed", "Could not be archived. The reason stands beside it.", "Mend the cause, then reimport it.", "bad"
    ),
    ItemStatus.NOT_FOUND: Word("Not found", "The LMS says that no such course exists.", "Check the id.", "warn"),
    ItemStatus.SKIPPED: Word("Skipped", "Was not archived, and need not be. The reason stands beside it."),
    ItemStatus.FAILED_REIMPORTED: Word(
        "Failed, reimported", "Had failed; a later run has it in a package. The link leads there.", tone="good"
    ),
    ItemStatus.CANCELED: Word("Canceled", "The run ended before its turn.", "Start a new run for it."),
}

RUN_STATUSES: Mapping[RunStatus, Word] = {
    RunStatus.QUEUED: Word("Queued", "Has not begun."),
    RunStatus.PLANNING: Word("Planning", "Is finding its courses; those found are archived meanwhile.", tone="busy"),
    RunStatus.PROCESSING: Word("Processing", "All courses are found, and are being archived.", tone="busy"),
    RunStatus.COMPLETED: Word("Completed", "Every course is archived, was not found, or was skipped.", tone="good"),
    RunStatus.COMPLETED_WITH_ERRORS: Word(
        "Completed with errors",
        "Has ended; some courses failed.",
        "See which failed and why, then reimport them.",
        "warn",
    ),
    RunStatus.FAILED: Word(
        "Failed",
        "Its courses could not be found out. The reason says why.",
        "Mend the cause, then start a new run.",
        "bad",
    ),
    RunStatus.CANCELED: Word("Canceled", "An operator ended it for good; packages that were written stay."),
}

FAIL_REASONS: Mapping[str, Word] = {
    FailReason.NO_ACCESS: Word(
        "No access", "The token may not read this course.", "Give the integration's account the right, then reimport."
    ),
    FailReason.LMS_UNAVAILABLE: Word(
        "LMS unavailable",
        "The LMS did not answer, as often as it was asked.",
        "Reimport when the LMS is well again.",
    ),
    FailReason.MALFORMED_ANSWER: Word(
        "Malformed answer",
        "The answers of the LMS made no sense, even when asked again.",
        "Look at the course in the LMS, and report it to whoever maintains the connector.",
    ),
    FailReason.CONNECTOR_ERROR: Word(
        "Fault in the connector",
        "The connector met an error of its own.",
        "The daemon's log holds the traceback: report it to whoever maintains the connector.",
    ),
    FailReason.PACKAGE_ERROR: Word(
        "Package not written", "The package could not be written.", "The detail says where: mend it, then reimport."
    ),
    FailReason.OTHER_SOURCE: Word(
        "Course of another LMS",
        "At its place in the archive lies a course of another LMS.",
        "Give the integration an id of its own in the settings.",
    ),
    FailReason.PROCESS_DIED: Word(
        "Daemon died",
        "The daemon died while archiving it, again and again.",
        "Look at the machine's memory and the daemon's log, and report it.",
    ),
}

SKIP_REASONS: Mapping[str, Word] = {
    SkipReason.ARCHIVED: Word("Archived before", "It has a package, and the run skips those."),
    SkipReason.UNCHANGED: Word("Unchanged", "It was fetched and compared: its content equals the newest version."),
    SkipReason.DUPLICATE: Word("Asked for twice", "Another item of this run is the same course."),
    SkipReason.EXCLUDED: Word("Left out", "A pattern of the request leaves it out."),
}

GAP_REASONS: Mapping[str, Word] = {
    GapReason.LOCKED: Word(
        "Locked",
        "The LMS lists it, but withholds it.",
        "Unlock it in the LMS, then archive the course again with refresh.",
        "warn",
    ),
    GapReason.NO_ACCESS: Word(
        "No access",
        "The token may not read it.",
        "Give the integration's account the right, then archive the course again with refresh.",
        "warn",
    ),
    GapReason.NOT_FOUND: Word("Gone", "It was listed, but was gone when it was asked for.", tone="warn"),
    GapReason.NOT_OFFERED: Word("Not offered", "The LMS has no way to read it."),
    GapReason.NOT_READ: Word(
        "Not read",
        "The LMS has it, but the connector does not read it.",
        "Keep it in the LMS, or ask whoever maintains the connector.",
    ),
    GapReason.NATIVE_ONLY: Word(
        "In the native export only",
        "It lies untouched in the LMS's own export, which is in the package, but was not read into records.",
        "Open the native export with the LMS that made it.",
    ),
    GapReason.MALFORMED: Word(
        "Malformed answer",
        "The LMS's answer made no sense, even when asked again.",
        "Look at it in the LMS, and report it to whoever maintains the connector.",
        "warn",
    ),
    GapReason.WRONG_SIZE: Word(
        "Wrong size",
        "The bytes that came are not as many as the LMS promised.",
        "Archive the course again with refresh; if it stays, open the file in the LMS.",
        "warn",
    ),
    GapReason.WRONG_CONTENT: Word(
        "Wrong content",
        "Other bytes came than the LMS promised, for example a sign-in page.",
        "Archive the course again with refresh; if it stays, open the file in the LMS.",
        "warn",
    ),
    GapReason.TOO_LARGE: Word(
        "Too large",
        "It is larger than the settings allow.",
        "Raise archive.max_file_size, then archive the course again with refresh.",
        "warn",
    ),
    GapReason.EXPORT_FAILED: Word(
        "Export failed",
        "The LMS's own export ended in an error.",
        "Archive the course again with refresh; if it stays, try the export in the LMS.",
        "warn",
    ),
    GapReason.UNEXPLAINED: Word(
        "Unexplained",
        "The LMS counts more than arrived, and nothing says why.",
        "Compare the package with the LMS, and report it to whoever maintains the connector.",
        "bad",
    ),
}

#: how complete a version, or one kind of its content, is
_COMPLETENESS: Mapping[str, Word] = {
    "complete": Word("Complete", "Nothing is missing, and the numbers prove it.", tone="good"),
    "partial": Word("Partial", "Something is missing, or nothing proves that nothing is.", tone="warn"),
    "unavailable": Word("Unavailable", "It could not be read at all.", tone="bad"),
    "not-supported": Word("Not captured", "The connector does not capture it, or the LMS has none of it to tell."),
}

#: course sources that have a form, and what others that plugins bring are called
SOURCES: Mapping[str, str] = {
    "terms": "Terms",
    "csv": "CSV file",
    "ids": "Course ids",
    "search": "Search",
    "end_date": "End date",
    "reimport": "Reimport",
}

#: whose end a date is compared with
ENDS: Mapping[str, str] = {
    "course": "the course itself",
    "term": "its term",
    "academic_year": "the academic year it belongs to",
}

#: what a preview says would become of a course
WOULD: Mapping[str, Word] = {
    ItemStatus.QUEUED: Word("Would be archived", "A run would fetch it from the LMS.", tone="good"),
    ItemStatus.NOT_FOUND: Word("Would not be found", "The LMS says that no such course exists.", tone="warn"),
    ItemStatus.FAILED: Word("Would fail", "It cannot be archived as things stand.", tone="bad"),
    ItemStatus.SKIPPED: Word("Would be left alone", "A run would not fetch it."),
    "left_out": Word("Left out", "A pattern leaves it out."),
}

#: what operators are told
NOTIFICATIONS: Mapping[NotificationKind, Word] = {
    NotificationKind.RUN_FAILED: Word("Run with failures", "A run failed, or some of its courses did.", tone="bad"),
    NotificationKind.RUN_RECOVERED: Word(
        "Failures mended", "All courses that failed in a run are archived by now.", tone="good"
    ),
    NotificationKind.CREDENTIALS_NEEDED: Word(
        "Credentials needed", "An LMS refuses the credentials of an integration.", tone="bad"
    ),
    NotificationKind.CREDENTIALS_RENEWED: Word(
        "Credentials renewed", "An integration passed its check again and goes on.", tone="good"
    ),
    NotificationKind.CREDENTIALS_EXPIRING: Word(
        "Credentials end soon",
        "They still work; then nothing is archived until they are renewed.",
        tone="warn",
    ),
    NotificationKind.STORAGE_HELD: Word(
        "Archive not writable", "The storage of the archive is full, or cannot be written.", tone="bad"
    ),
    NotificationKind.STORAGE_RELEASED: Word("Archive writable again", "The work goes on.", tone="good"),
    NotificationKind.PACKAGE_DAMAGED: Word(
        "Packages damaged", "Stored packages are not as they were written, or not there.", tone="bad"
    ),
    NotificationKind.PACKAGE_REPAIRED: Word("Packages repaired", "Damaged packages are well again.", tone="good"),
    NotificationKind.REPLICA_AWAY: Word(
        "Replica away", "Nothing can be copied to a replica of the archive. Archiving goes on.", tone="warn"
    ),
    NotificationKind.REPLICA_BACK: Word("Replica back", "What it missed is copied to it.", tone="good"),
}

#: how credentials stand that somebody knows the end of
CREDENTIALS: Mapping[EndState, Word] = {
    EndState.GOOD: Word("Good", "They end later than the notice that the settings ask for.", tone="good"),
    EndState.EXPIRING: Word("End soon", "They end within the notice that the settings ask for.", tone="warn"),
    EndState.EXPIRED: Word("Ended", "Nothing is archived until they are renewed.", tone="bad"),
}

#: what is wrong with a package
FINDINGS: Mapping[FindingKind, Word] = {
    FindingKind.DAMAGED: Word("Damaged", "Stored files are not as they were written.", tone="bad"),
    FindingKind.MISSING: Word("Missing", "The archive does not have it, or not all of its versions.", tone="bad"),
}

#: how a finding stands
FINDING_STATES: Mapping[FindingState, Word] = {
    FindingState.OPEN: Word("Open", "It is still so.", tone="bad"),
    FindingState.ACCEPTED: Word("Accepted", "It is still so; somebody has decided to live with it.", tone="warn"),
    FindingState.REPAIRED: Word("Repaired", "The package is as it was written again.", tone="good"),
}

#: how a notification reaches one target
DELIVERIES: Mapping[DeliveryState, Word] = {
    DeliveryState.PENDING: Word("On its way", "It is not there yet, and is tried again.", tone="busy"),
    DeliveryState.DELIVERED: Word("Delivered", "The target has taken it.", tone="good"),
    DeliveryState.GIVEN_UP: Word("Given up", "It is not tried any more.", tone="bad"),
}

ROLES: Mapping[Role, Word] = {
    Role.VIEWER: Word("Viewer", "Sees everything but users; changes nothing."),
    Role.OPERATOR: Word(
        "Operator", "Sees the same; starts, pauses, cancels, reimports, checks, verifies and downloads."
    ),
    Role.ADMINISTRATOR: Word("Administrator", "Does all that operators do, and edits schedules and users."),
}

#: how an account proves who it is
SIGN_INS: Mapping[str, str] = {
    "password": "Password",
    "openid": "OpenID Connect",
    "tokens": "Tokens alone",
}

_ACTIONS: Mapping[str, str] = {
    "sign_in": "Signed in",
    "sign_out": "Signed out",
    "session.end": "Ended a session",
    "session.end_all": "Signed out everywhere",
    "account.password": "Changed the own password",
    "token.create": "Made a token",
    "token.revoke": "Revoked a token",
    "user.add": "Added a user",
    "user.change": "Changed a user",
    "user.role": "Changed a role",
    "user.disable": "Disabled a user",
    "user.enable": "Enabled a user",
    "user.password": "Set a user's password",
    "user.sign_out": "Signed a user out everywhere",
    "run.start": "Started a run",
    "run.pause": "Paused a run",
    "run.resume": "Resumed a run",
    "run.cancel": "Canceled a run",
    "run.reimport": "Reimported failed courses",
    "all.pause": "Paused all",
    "all.resume": "Resumed all",
    "integration.pause": "Paused an integration",
    "integration.resume": "Resumed an integration",
    "integration.check": "Checked an integration",
    "terms.refresh": "Refreshed terms",
    "schedule.add": "Added a schedule",
    "schedule.change": "Changed a schedule",
    "schedule.delete": "Deleted a schedule",
    "package.download": "Downloaded a package",
    "schedule.run": "Ran a schedule by hand",
    "notification.test": "Sent a test message",
    "package.verify": "Verified a package",
    "package.damage": "Found a package damaged",
    "package.repair": "Repaired a package",
    "package.accept": "Accepted a damaged package",
}

_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")


def status_word(status: ItemStatus | RunStatus) -> str:
    """Return the name of a status for people."""
    return _status(status).name


def status_tone(status: ItemStatus | RunStatus) -> str:
    """Return how a status is coloured."""
    return _status(status).tone


def _status(status: ItemStatus | RunStatus) -> Word:
    # "queued" is a status of both: the enum decides, not the text
    return ITEM_STATUSES[status] if isinstance(status, ItemStatus) else RUN_STATUSES[status]


def reason_words(reason: str | None) -> Word | None:
    """Return what a reason means; None for none, and the word itself where a plugin made it up."""
    if reason is None:
        return None
    return FAIL_REASONS.get(reason) or SKIP_REASONS.get(reason) or Word(_plain(reason), "")


def gap_words(reason: str) -> Word:
    """Return what the reason of a gap means; the word itself where it is of a release that knows more."""
    return GAP_REASONS.get(reason) or Word(_plain(reason), "")


def completeness_words(status: str) -> Word:
    """Return what the completeness of a version, or of one kind, means."""
    return _COMPLETENESS.get(status) or Word(_plain(status), "")


def kind_words(kind: str) -> str:
    """Return the name of a kind of content for people."""
    return _plain(kind)


def _plain(word: str) -> str:
    return word.replace("_", " ").replace("-", " ").capitalize()


def source_words(source: str) -> str:
    """Return the name of a course source for people."""
    return SOURCES.get(source, source)


def action_words(action: str) -> str:
    """Return what an action of the audit is called for people; its own word where it has no other."""
    if action in _ACTIONS:
        return _ACTIONS[action]
    path = action.partition(" ")[2]
    return f"Tried {path}" if path else action.replace(".", ": ").replace("_", " ").capitalize()


def size(count: int) -> str:
    """Say how many bytes, in decimal units: `1.2 GB`."""
    value = float(count)
    for unit in _UNITS:
        if value < 1000 or unit == _UNITS[-1]:
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError
