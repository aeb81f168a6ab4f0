"""From the facts of a notification to what people read: a short subject, and a plain text that says what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from coursekeep_daemon.logs import hide_secrets
from coursekeep_daemon.notifications.records import Notification, NotificationKind
from coursekeep_daemon.runs.states import FailReason, ItemStatus

__all__ = ["Message", "message_of", "message_of_test"]

#: longest text that a message takes over from elsewhere, such as an error of an LMS
_LONGEST = 500

#: runs that a text names at most
_RUNS = 5

_REASONS: Mapping[str, str] = {
    FailReason.NO_ACCESS: "the credentials do not allow these courses",
    FailReason.LMS_UNAVAILABLE: "the LMS could not answer",
    FailReason.MALFORMED_ANSWER: "the LMS answered something that cannot be read",
    FailReason.CONNECTOR_ERROR: "a fault in the connector; the log has the traceback",
    FailReason.PACKAGE_ERROR: "the package could not be written",
    FailReason.OTHER_SOURCE: "the archive holds a course of another LMS at this place",
    FailReason.PROCESS_DIED: "the daemon died while archiving them",
}

_STATUSES: Mapping[str, str] = {
    ItemStatus.COMPLETED: "archived",
    ItemStatus.FAILED: "failed",
    ItemStatus.SKIPPED: "skipped",
    ItemStatus.NOT_FOUND: "not found",
    ItemStatus.CANCELED: "canceled",
    ItemStatus.FAILED_REIMPORTED: "failed first, archived since",
    ItemStatus.PROCESSING: "still being archived",
    ItemStatus.QUEUED: "queued",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """What is sent to a target."""

    id: str
    kind: str
    at: datetime
    subject: str
    text: str
    integration: str | None = None
    run: int | None = None
    #: where people look further; None where `daemon.public_url` is not set
    url: str | None = None
    data: Mapping[str, Any]

    def payload(self) -> dict[str, Any]:
        """Return what a webhook is sent, and plugins are told: what JSON knows."""
        return {
            "id": self.id,
            "kind": self.kind,
            "at": self.at.isoformat().replace("+00:00", "Z"),
            "subject": self.subject,
            "text": self.text,
            "integration": self.integration,
            "run": self.run,
            "url": self.url,
            "data": dict(self.data),
        }


def message_of(notification: Notification, public_url: str | None) -> Message:
    """Write the message of a notification. Secrets that an error of elsewhere holds are taken out."""
    data = dict(hide_secrets(None, "", dict(notification.data)))
    subject, lines = _WRITERS[notification.kind](notification, data)
    url = _link(notification, public_url)
    if url is not None:
        lines = [*lines, "", url]
    return Message(
        id=notification.uid,
        kind=notification.kind.value,
        at=notification.at,
        subject=f"Coursekeep: {subject}",
        text="\n".join(lines),
        integration=notification.integration,
        run=notification.run_id,
        url=url,
        data=data,
    )


def message_of_test(uid: str, at: datetime, target: str, by: str) -> Message:
    """Write a message that only shows that a target can be reached."""
    text = f"{by} sent this message to see whether the notification target {target} can be reached. It can."
    return Message(
        id=uid, kind="test", at=at, subject="Coursekeep: test message", text=text, data={"target": target, "by": by}
    )


def _link(notification: Notification, public_url: str | None) -> str | None:
    if public_url is None:
        return None
    return public_url if notification.run_id is None else f"{public_url}/runs/{notification.run_id}"


def _run_failed(told: Notification, data: Mapping[str, Any]) -> tuple[str, list[str]]:
    counts, run = data["counts"], told.run_id
    failed = counts.get(ItemStatus.FAILED, 0)
    where = f"Run {run} of the integration {told.integration}, started by {data['started_by']},"
    if data["reason"] is not None:
        subject = f"run {run} failed ({told.integration})"
        lines = [f"{where} has failed: {_short(data['reason'])}"]
    else:
        subject = f"run {run} ended with {_courses(failed)} failed ({told.integration})"
        lines = [f"{where} has ended, and {_courses(failed)} could not be archived."]
    lines += ["", f"Courses: {_numbers(counts) or 'none'}"]
    lines += _reasons(data["reasons"], failed)
    lines += ["", *_failed_remedy(run, failed)]
    return subject, lines


def _failed_remedy(run: int | None, failed: int) -> Iterator[str]:
    if failed:
        yield f"What to do: see why with `coursekeep run items {run} --status failed`, mend it,"
        yield f"then take these courses again with `coursekeep run reimport {run}`."
    else:
        yield "What to do: mend what the reason names, then start a new run."


def _reasons(reasons: list[Mapping[str, Any]], failed: int) -> Iterator[str]:
    for each in reasons:
        yield f"- {each['count']} x {each['reason']}: {_REASONS.get(each['reason'], 'see the run')}"
    rest = failed - sum(each["count"] for each in reasons)
    if reasons and rest:
        yield f"- {rest} for other reasons"


def _run_recovered(told: Notification, data: Mapping[str, Any]) -> tuple[str, list[str]]:
    run, counts = told.run_id, data["counts"]
    recovered = counts.get(ItemStatus.FAILED_REIMPORTED, 0)
    runs = data["archived_by_runs"]
    by = ", ".join(str(each) for each in runs[-_RUNS:]) + (f" and {len(runs) - _RUNS} before" if runs[_RUNS:] else "")
    lines = [
        f"All courses that had failed in run {run} of the integration {told.integration} are archived now:",
        f"{_courses(recovered)}, by run {by}.",
        "",
        f"Courses: {_numbers(counts)}",
    ]
    if counts.get(ItemStatus.CANCELED):
        lines += ["", "The canceled courses were not archived by this: start a new run for them."]
    return f"run {run} has recovered ({told.integration})", lines


def _credentials_needed(told: Notification, data: Mapping[str, Any]) -> tuple[str, list[str]]:
    name = told.integration
    return f"{name} needs new credentials", [
        f"The credentials of the integration {name} are refused, or have ended. Nothing of it is archived until they",
        "are renewed; its courses wait, and none is lost.",
        "",
        f"The reason: {_short(data['reason'])}",
        "",
        f"What to do: renew the credentials in the settings, restart the daemon, then run `coursekeep check {name}`.",
    ]


def _credentials_renewed(told: Notification, data: Mapping[str, Any]) -> tuple[str, list[str]]:
    name = told.integration
    return f"{name} has its credentials again", [
        f"The integration {name}, which waited for credentials since {data['since']}, passed its check and goes on.",
        "Nothing is to be done.",
    ]


def _credentials_expiring(told: Notification, data: Mapping[str, Any]) -> tuple[str, list[str]]:
    name = told.integration
    return f"the credentials of {name} end soon", [
        f"The credentials of the integration {name} still work: {_short(data['when'])}.",
        "After that nothing of it is archived until they are renewed; its courses then wait, and none is lost.",
        "",
        f"What to do: {_short(data['remedy'])}",
    ]


def _storage_held(told: Notification, data: Mapping[str, Any]) -> tuple[str, list[str]]:
    return "the archive cannot be written", [
        f"Since {data['since']} no course is archived: the storage of the archive is full or cannot be written.",
        "All courses wait, and none is lost.",
        "",
        f"The reason: {_short(data['reason'])}",
        "",
        "What to do: make room, or mend the storage. Coursekeep looks again every few seconds and goes on by itself.",
    ]


def _storage_released(told: Notification, data: Mapping[str, Any]) -> tuple[str, list[str]]:
    return "the archive can be written again", [
        f"The storage of the archive, whose trouble was reported at {data['since']}, is well again, and the work goes",
        "on. Nothing is to be done.",
    ]


def _package_damaged(told: Notification, data: Mapping[str, Any]) -> tuple[str, list[str]]:
    count, missing = data["count"], data["missing"]
    are = "is" if count == 1 else "are"
    lines = [
        f"The archive was read again: {_packages(count)} of the integration {told.integration} {are} not as written."
    ]
    if missing:
        lines.append(f"Of {_packages(missing)} the archive has nothing, or lacks versions that it had.")
    lines += ["", *_named_packages(data)]
    lines += [
        "",
        "What to do: look at the storage first; it may go on losing data. See what is wrong with",
        "`coursekeep package fixity`. Put the named files back from a copy of the archive, then run",
        "`coursekeep package verify ID`. A new import of the course does not mend what is stored.",
    ]
    return f"{_packages(count)} of the archive {are} damaged ({told.integration})", lines


def _package_repaired(told: Notification, data: Mapping[str, Any]) -> tuple[str, list[str]]:
    count = data["count"]
    are = "is" if count == 1 else "are"
    lines = [
        f"{_packages(count)} of the integration {told.integration}, found damaged before, {are} as written again.",
        "",
        *_named_packages(data),
        "",
        "What to do: look at the storage, if you have not: something has changed what was written there.",
    ]
    return f"{_packages(count)} of the archive {are} well again ({told.integration})", lines


def _replica_away(told: Notification, data: Mapping[str, Any]) -> tuple[str, list[str]]:
    return "a replica of the archive is away", [
        f"Since {data['since']} nothing can be copied to the replica {_short(data['replica'])}.",
        "Archiving goes on; what is archived meanwhile has one copy less, until the replica is back.",
        "",
        f"The reason: {_short(data['reason'])}",
        "",
        "What to do: mount its disk, or see that its object store can be reached, has room and takes the credentials.",
        "It is tried again all the time, and what it missed is then copied by itself. See `coursekeep system`.",
    ]


def _replica_back(told: Notification, data: Mapping[str, Any]) -> tuple[str, list[str]]:
    return "a replica of the archive is back", [
        f"The replica {_short(data['replica'])}, which was reported away at {data['since']}, can be copied to again.",
        "What it missed is copied by itself; `coursekeep system` says when it is up to date. Nothing is to be done.",
    ]


def _named_packages(data: Mapping[str, Any]) -> Iterator[str]:
    for each in data["packages"]:
        said = f": {_short(each['detail'])}" if each["detail"] else ""
        yield f"- {each['package_id']} (course {_short(each['course_id'])}), {each['kind']}{said}"
    rest = data["count"] - len(data["packages"])
    if rest:
        yield f"- and {rest:,} more"


def _packages(number: int) -> str:
    return "1 package" if number == 1 else f"{number:,} packages"


_WRITERS = {
    NotificationKind.RUN_FAILED: _run_failed,
    NotificationKind.RUN_RECOVERED: _run_recovered,
    NotificationKind.CREDENTIALS_NEEDED: _credentials_needed,
    NotificationKind.CREDENTIALS_RENEWED: _credentials_renewed,
    NotificationKind.CREDENTIALS_EXPIRING: _credentials_expiring,
    NotificationKind.STORAGE_HELD: _storage_held,
    NotificationKind.STORAGE_RELEASED: _storage_released,
    NotificationKind.PACKAGE_DAMAGED: _package_damaged,
    NotificationKind.PACKAGE_REPAIRED: _package_repaired,
    NotificationKind.REPLICA_AWAY: _replica_away,
    NotificationKind.REPLICA_BACK: _replica_back,
}


def _courses(number: int) -> str:
    return "1 course" if number == 1 else f"{number:,} courses"


def _numbers(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{counts[status]:,} {word}" for status, word in _STATUSES.items() if counts.get(status))


def _short(text: str) -> str:
    """Return a text of elsewhere in one line, without control characters, and not too long."""
    line = "".join(char if char.isprintable() else " " for char in text).strip()
    return line if len(line) <= _LONGEST else line[:_LONGEST] + " ..."
